/**
 * The exposure sheet as the page reads it: a text, the document in it, and what follows from it.
 * The rules are those of docs/shots.md. Nothing here touches the page.
 */

import { t } from "./words.js";

export const FPS = 24; // where a sheet names no rate
const VERSION = 1;

/** A widget's value -> {sheet, error}; sheet is null where nothing can be drawn or edited. */
export function read(value) {
  try {
    const document = typeof value === "string" ? JSON.parse(value) : value;
    const error = misshapen(document);
    return error ? { sheet: null, error } : { sheet: withIds(document), error: "" };
  } catch (error) {
    return { sheet: null, error: t`The sheet is not JSON: ${error.message}` };
  }
}

/**
 * ASCII only: up to 1.32 the page copies nodes through btoa(), which throws at the first letter
 * beyond Latin-1, and then pastes what was copied before.
 */
export function dump(sheet) {
  const escaped = (letter) => "\\u" + letter.charCodeAt(0).toString(16).padStart(4, "0");
  return JSON.stringify(sheet).replace(/[\u007f-\uffff]/g, escaped);
}

function misshapen(sheet) {
  if (sheet === null || typeof sheet !== "object" || Array.isArray(sheet)) {
    return t`A sheet is an object {...}.`;
  }
  if (sheet.version !== VERSION) {
    return t`Version ${JSON.stringify(sheet.version)}: this timeline edits version ${VERSION}.`;
  }
  if (!isFrame(sheet.length) || sheet.length < 1) return t`The sheet's length is not a number.`;
  for (const name of ["keys", "segments", "sketches"]) {
    const list = sheet[name] ?? (name === "keys" ? null : []);
    if (!Array.isArray(list)) return t`The sheet's ${name} are no list.`;
    const wrong = list.findIndex((item) => item === null || typeof item !== "object");
    if (wrong >= 0) return t`${name}[${wrong}] is no object.`;
    if (name === "segments") continue;
    const lost = list.findIndex((item) => !isFrame(item.frame));
    if (lost >= 0) return t`${name}[${lost}]: its frame is no whole number from 0.`;
  }
  const ids = sheet.keys.map((key) => key.id).filter((id) => id !== undefined && id !== "");
  if (ids.some((id) => typeof id !== "string")) return t`A key's id is no text.`;
  const doubled = ids.find((id, i) => ids.indexOf(id) !== i);
  return doubled === undefined ? "" : t`Two keys have the id “${doubled}”: give each its own.`;
}

const isFrame = (value) => Number.isInteger(value) && value >= 0;

/**
 * Keys in order, and those without an id called by their picture, as the engine calls them. Written
 * down with the first edit: a key that moves keeps its name, and with it its segment's seed.
 */
function withIds(sheet) {
  const taken = new Set(sheet.keys.map((key) => key.id).filter(Boolean));
  const keys = inOrder(sheet.keys).map((key) => {
    if (key.id) return key;
    const picture = String(key.image);
    let id = picture;
    for (let n = 2; taken.has(id); n += 1) id = `${picture}@${n}`;
    taken.add(id);
    return { ...key, id };
  });
  return { ...sheet, keys };
}

export const inOrder = (items) => [...items].sort((a, b) => a.frame - b.frame);

export const indexOf = (sheet, id) => sheet.keys.findIndex((key) => key.id === id);
export const keyOf = (sheet, id) => sheet.keys.find((key) => key.id === id);
export const sketchOf = (sheet, frame) => sheet.sketches?.find((one) => one.frame === frame);

/** What a sheet says of the segment that starts at a key; {} where it says nothing. */
export const segmentOf = (sheet, id) => sheet.segments?.find((one) => one.from === id) ?? {};

/** The frame at which a key's segment ends: the next key's, or the sheet's end. */
export const endOf = (sheet, index) => sheet.keys[index + 1]?.frame ?? sheet.length;

export const isLast = (sheet, index) => index === sheet.keys.length - 1;

/** Whether there are drawings between a key and the next one. */
export function isDrawn(sheet, index) {
  const { id } = sheet.keys[index];
  return segmentOf(sheet, id).mode !== "hold" && (Boolean(sheet.loop) || !isLast(sheet, index));
}

export const exposureOf = (sheet, id) => segmentOf(sheet, id).exposure ?? sheet.exposure ?? 1;

/** Frames, counted from the key, on which a drawing begins; a list goes on with its last number. */
export function drawingStarts(span, exposure) {
  const lengths = [exposure].flat().map((n) => Math.max(1, Math.round(Number(n)) || 1));
  const starts = [];
  for (let at = 0; at < span; ) {
    starts.push(at);
    at += lengths[Math.min(starts.length, lengths.length) - 1] ?? 1;
  }
  return starts;
}

export const CHARTS = ["even", "slow out and in", "halves", "thirds"];

/** Where on the way the drawings of a segment lie, before the engine looks at their motion. */
export function places(sheet, index) {
  const { id, frame } = sheet.keys[index];
  const segment = segmentOf(sheet, id);
  const span = endOf(sheet, index) - frame;
  const times = drawingStarts(span, exposureOf(sheet, id)).slice(1).map((start) => start / span);
  if (Array.isArray(segment.chart)) return segment.chart;
  if (segment.chart === "halves") return fromBothKeys(times.length, (i) => 0.5 ** (i + 2));
  if (segment.chart === "thirds") return fromBothKeys(times.length, (i) => 3 ** -(i + 1));
  const full = segment.chart === "slow out and in";
  const out = segment.chart ? (full ? 0 : 1) : 1 - (segment.slow_out ?? 0);
  const into = segment.chart ? (full ? 0 : 1) : 1 - (segment.slow_in ?? 0);
  // The cubic from 0 to 1 with these slopes at its ends.
  return times.map((u) => out * u * (1 - u) ** 2 + u * u * (3 - 2 * u) + into * u * u * (u - 1));
}

function fromBothKeys(count, side) {
  const sides = Array.from({ length: Math.floor(count / 2) }, (_, i) => side(i));
  const middle = count % 2 ? [0.5] : [];
  return [...sides, ...middle, ...sides.map((place) => 1 - place)].sort((a, b) => a - b);
}
