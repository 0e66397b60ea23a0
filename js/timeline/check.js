/** What is wrong with a sheet, in one sentence: the node would refuse it. Frames count from 1. */

import { CHARTS, drawingStarts, endOf, exposureOf, indexOf, isDrawn, isLast } from "./sheet.js";
import { t } from "./words.js";

/** The first complaint, "" for a sheet that can be rendered. */
export function complaint(sheet) {
  return (
    aboutKeys(sheet) ||
    firstOf(sheet.segments ?? [], (segment) => aboutSegment(sheet, segment)) ||
    aboutSketches(sheet)
  );
}

function firstOf(items, about) {
  for (const item of items) {
    const text = about(item);
    if (text) return text;
  }
  return "";
}

const named = (key) => t`Key “${key.id}” (frame ${key.frame + 1})`;

function aboutKeys(sheet) {
  const { keys, length } = sheet;
  if (keys.length < 2) {
    return keys.length
      ? t`A shot needs two keys at least: drop or paste one more drawing.`
      : t`Drop or paste key drawings here, or press “+ Key”.`;
  }
  if (keys[0].frame !== 0) return t`${named(keys[0])} is the first: it belongs on frame 1.`;
  for (const [i, key] of keys.entries()) {
    if (key.image === undefined) return t`${named(key)} has no picture.`;
    if (key.frame >= length) return t`${named(key)} lies behind the last frame, ${length}.`;
    if (key.frame === keys[i + 1]?.frame) {
      return t`${named(key)} and “${keys[i + 1].id}” are on one frame: move one.`;
    }
  }
  for (const name of ["width", "height"]) {
    if ((sheet[name] ?? 0) % 2) return t`The ${name} is ${sheet[name]}: movies need an even number.`;
  }
  if (Boolean(sheet.width) !== Boolean(sheet.height)) {
    return t`Give width and height, or neither for the first key's size.`;
  }
  return "";
}

function aboutSegment(sheet, segment) {
  const index = indexOf(sheet, segment.from);
  if (index < 0) return t`A segment begins at “${segment.from}”, which is no key.`;
  const key = sheet.keys[index];
  const { chart } = segment;
  if (isLast(sheet, index) && !sheet.loop && segment.mode !== "hold") {
    return t`${named(key)} is the last and is held to the end: nothing is drawn after it.`;
  }
  if (typeof chart === "string" && !CHARTS.includes(chart)) {
    return t`${named(key)}: chart “${chart}” is none of ${CHARTS.join(", ")}.`;
  }
  if (chart !== undefined && chart !== null && (segment.slow_out || segment.slow_in)) {
    return t`${named(key)}: a chart and slow out or slow in are given: keep one of them.`;
  }
  if (Array.isArray(chart) && segment.mode !== "hold") {
    if (!chart.every((place) => place >= 0 && place <= 1)) {
      return t`${named(key)}: the chart's places lie in 0 to 1.`;
    }
    const between = starts(sheet, index).length - 1;
    if (chart.length !== between) {
      return t`${named(key)}: its chart has ${chart.length} places for ${between} drawings.`;
    }
  }
  return "";
}

const starts = (sheet, index) =>
  drawingStarts(
    endOf(sheet, index) - sheet.keys[index].frame,
    exposureOf(sheet, sheet.keys[index].id),
  );

function aboutSketches(sheet) {
  const seen = new Set();
  return firstOf(sheet.sketches ?? [], ({ frame }) => aboutSketch(sheet, frame, seen));
}

/** seen: drawings that have a sketch; this one's joins them. */
function aboutSketch(sheet, frame, seen) {
  const at = t`The sketch on frame ${frame + 1}`;
  if (frame >= sheet.length) return t`${at} lies behind the last frame, ${sheet.length}.`;
  const index = sheet.keys.findLastIndex((key) => key.frame <= frame);
  const key = sheet.keys[index];
  if (key.frame === frame) return t`${at} is on a key, which is a drawing already.`;
  if (!isDrawn(sheet, index)) return t`${at}: the key is held there and nothing is drawn.`;
  const drawing = starts(sheet, index).filter((start) => start <= frame - key.frame).length - 1;
  if (drawing === 0) return t`${at}: ${named(key)} is still shown there.`;
  if (seen.has(`${index} ${drawing}`)) return t`${at} is for a drawing that has one already.`;
  seen.add(`${index} ${drawing}`);
  return "";
}

/** Whether there is a drawing on a frame that no sketch leads yet. */
export function mayCarrySketch(sheet, frame) {
  if (!sheet.keys.length || sheet.keys[0].frame > frame) return false;
  const seen = new Set();
  for (const one of sheet.sketches ?? []) aboutSketch(sheet, one.frame, seen);
  return !aboutSketch(sheet, frame, seen);
}
