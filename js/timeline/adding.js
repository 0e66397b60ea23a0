/** What comes onto a sheet: (sheet, ...) -> another sheet. Edits of what is there: edits.js. */

import { mayCarrySketch } from "./check.js";
import { merged, tidy, withSegments } from "./edits.js";
import { drawingStarts, endOf, exposureOf, inOrder, keyOf, segmentOf } from "./sheet.js";

/**
 * New keys, the first on `frame` or the next free one, the others `apart` behind each other. The
 * first of a sheet begins it; the sheet grows where they need it.
 */
export function addKeys(sheet, given, frame, apart) {
  let next = sheet;
  for (const [i, key] of given.entries()) {
    const taken = new Set(next.keys.map((one) => one.frame));
    let at = next.keys.length ? frame + i * apart : 0;
    while (taken.has(at)) at += 1;
    const keys = inOrder([...next.keys, { ...key, id: newId(next), frame: at }]);
    next = { ...next, keys, length: Math.max(next.length, at + 1) };
  }
  return next === sheet ? sheet : tidy(next);
}

function newId(sheet) {
  for (;;) {
    // Never a number of the place: a name that comes back would bring an old segment's seed.
    const id = `k${Math.random().toString(36).slice(2, 8)}`;
    if (!keyOf(sheet, id)) return id;
  }
}

/** Sketches, each on the next drawing from `frame` on that can carry one, or else the nearest
 * before; one for which there is no drawing is left out. */
export function addSketches(sheet, given, frame) {
  let next = sheet;
  let from = frame;
  for (const one of given) {
    const frames = Array.from({ length: next.length }, (_, i) => i);
    const order = [...frames.slice(from), ...frames.slice(0, from).reverse()];
    const at = order.find((n) => mayCarrySketch(next, n));
    if (at === undefined) break;
    next = { ...next, sketches: inOrder([...(next.sketches ?? []), { ...one, frame: at }]) };
    from = at + 1;
  }
  return next;
}

/**
 * A rendered frame as a breakdown, as toon_core/shots/promote.py does it. Both halves are other
 * segments than the one before. The second takes the first one's prompt, exposure and fs, and its
 * slow in; a lock, a chart and a sketch of that very drawing do not fit the halves and go.
 */
export function promote(sheet, index, frame, image) {
  const { id } = sheet.keys[index];
  const key = { id: newId(sheet), frame, image, kind: "breakdown" };
  const own = segmentOf(sheet, id);
  const gone = { chart: undefined, lock: undefined };
  const first = merged({ ...own, from: id }, { ...gone, slow_in: undefined });
  const second = merged(
    { ...own, from: key.id },
    { ...gone, slow_out: undefined, seed: undefined },
  );
  const others = (sheet.segments ?? []).filter((one) => one.from !== id);
  const next = { ...sheet, keys: inOrder([...sheet.keys, key]) };
  const begin = sheet.keys[index].frame;
  const span = endOf(sheet, index) - begin;
  const starts = drawingStarts(span, exposureOf(sheet, id));
  const drawing = starts.findLastIndex((start) => start <= frame - begin);
  const [from, to] = [begin + starts[drawing], begin + (starts[drawing + 1] ?? span)];
  const sketches = sheet.sketches?.filter((one) => one.frame < from || one.frame >= to);
  return withSegments(merged(next, { sketches: sketches?.length ? sketches : undefined }), [
    ...others,
    first,
    second,
  ]);
}
