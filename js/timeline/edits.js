/**
 * Edits of an exposure sheet: (sheet, ...) -> another sheet, or the same one where nothing changes.
 * Fields that the timeline does not show are carried along.
 */

import { endOf, exposureOf, indexOf, inOrder, isLast, keyOf, segmentOf } from "./sheet.js";

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/**
 * A key on another frame. Keys keep their order and never land on each other; the first stays
 * where the shot begins. ripple: whatever follows moves with it, and the shot's end.
 */
export function moveKey(sheet, id, frame, ripple = false) {
  const index = indexOf(sheet, id);
  if (index <= 0) return sheet;
  const { keys, length } = sheet;
  const last = ripple ? Infinity : endOf(sheet, index) - 1;
  const from = keys[index].frame;
  // What follows would land on the sketches before the key.
  const sketched = ripple ? (sheet.sketches ?? []).map((one) => one.frame) : [];
  const before = [keys[index - 1].frame, ...sketched.filter((at) => at < from)];
  const first = Math.min(Math.max(...before) + 1, from);
  const to = clamp(Math.round(frame), first, Math.max(last, from));
  if (to === from) return sheet;
  const moved = (item) => ({ ...item, frame: item.frame + to - from });
  if (!ripple) return { ...sheet, keys: keys.map((key, i) => (i === index ? moved(key) : key)) };
  const next = { ...sheet, length: length + to - from };
  next.keys = keys.map((key, i) => (i >= index ? moved(key) : key));
  if (sheet.sketches) {
    next.sketches = sheet.sketches.map((one) => (one.frame >= from ? moved(one) : one));
  }
  return next;
}

/** A sketch on another free frame of the shot. */
export function moveSketch(sheet, from, frame) {
  const to = clamp(Math.round(frame), 1, sheet.length - 1);
  if (to === from || sheet.sketches.some((one) => one.frame === to)) return sheet;
  const sketches = sheet.sketches.map((one) => (one.frame === from ? { ...one, frame: to } : one));
  return { ...sheet, sketches: inOrder(sketches) };
}

export function setLength(sheet, length) {
  const least = Math.max(2, (sheet.keys.at(-1)?.frame ?? 0) + 1);
  const next = Math.max(least, Math.round(length));
  return next === sheet.length ? sheet : { ...sheet, length: next };
}

/** Without a key and its segment. What is first then begins the shot. */
export function removeKey(sheet, id) {
  const index = indexOf(sheet, id);
  if (index < 0) return sheet;
  const keys = sheet.keys.filter((key) => key.id !== id);
  if (index === 0 && keys.length) keys[0] = { ...keys[0], frame: 0 };
  const segments = (sheet.segments ?? []).filter((one) => one.from !== id);
  return tidy(withSegments({ ...sheet, keys }, segments));
}

export function removeSketch(sheet, frame) {
  return withList(sheet, "sketches", sheet.sketches.filter((one) => one.frame !== frame));
}

/** Fields of a key, of the sketch on a frame, or of the sheet; undefined removes one. */
export function setKey(sheet, id, fields) {
  return { ...sheet, keys: sheet.keys.map((key) => (key.id === id ? merged(key, fields) : key)) };
}

export function setSketch(sheet, frame, fields) {
  const sketches = sheet.sketches.map((one) => (one.frame === frame ? merged(one, fields) : one));
  return { ...sheet, sketches };
}

export const setSheet = (sheet, fields) => tidy(merged(sheet, fields));

/** Fields of the segment that starts at a key; one that says nothing is left out. */
export function setSegment(sheet, id, fields) {
  const all = { ...fields };
  // The sheet has one or the other.
  if (fields.chart !== undefined) Object.assign(all, { slow_out: undefined, slow_in: undefined });
  if (fields.slow_out || fields.slow_in) all.chart = undefined;
  const known = (sheet.segments ?? []).some((one) => one.from === id);
  const list = known ? sheet.segments : [...(sheet.segments ?? []), { from: id }];
  return withSegments(
    sheet,
    list.map((one) => (one.from === id ? merged(one, all) : one)),
  );
}

export function changeExposure(sheet, id, by) {
  const now = Number([exposureOf(sheet, id)].flat()[0]) || 1;
  return expose(sheet, id, clamp(now + by, 1, 4));
}

/** Of the last key without a loop nothing is drawn, and nothing changes. */
export function expose(sheet, id, exposure) {
  const ends = isLast(sheet, indexOf(sheet, id)) && !sheet.loop;
  return ends ? sheet : setSegment(sheet, id, { exposure });
}

export function toggleHold(sheet, id) {
  const held = segmentOf(sheet, id).mode === "hold";
  return tidy(setSegment(sheet, id, { mode: held ? undefined : "hold" }));
}

export function toggleBreakdown(sheet, id) {
  const is = keyOf(sheet, id).kind === "breakdown";
  return setKey(sheet, id, { kind: is ? undefined : "breakdown" });
}

export function merged(item, fields) {
  const all = { ...item, ...fields };
  for (const name of Object.keys(fields)) if (fields[name] === undefined) delete all[name];
  return all;
}

export const withSegments = (sheet, segments) =>
  withList(sheet, "segments", segments.filter((one) => Object.keys(one).length > 1));

function withList(sheet, name, list) {
  return merged(sheet, { [name]: list.length ? list : undefined });
}

/** After the last key nothing is drawn, and a sheet that says otherwise is refused. */
export function tidy(sheet) {
  const last = sheet.keys.findIndex((_, i) => isLast(sheet, i));
  if (last < 0 || sheet.loop || !sheet.segments) return sheet;
  const { id } = sheet.keys[last];
  return withSegments(sheet, sheet.segments.filter((s) => s.from !== id || s.mode === "hold"));
}
