/** The film as it would run: what is to be seen on each frame, of what was made so far. */

import { imageOf, isThere } from "./images.js";
import { pictureUrl, urlOf } from "./pictures.js";
import { isTimedAs, stateOf } from "./progress.js";
import { drawingStarts, endOf, exposureOf, isDrawn, places, segmentOf } from "./sheet.js";
import { t } from "./words.js";

/** The take of a segment that is looked at: the one flipped to, else locked, else shown last. */
export function viewedTake({ memory, sheet }, id) {
  const known = memory.states[id];
  const names = (known?.takes ?? []).map((take) => take.name);
  const wanted = [memory.viewed[id], segmentOf(sheet, id).lock, known?.take];
  return wanted.find((name) => name && names.includes(name)) ?? "";
}

/** Where the picture of a take is: its frames one below the other. */
export function takeUrl({ memory }, name) {
  return urlOf(`${memory.folder}/takes/${name}.png`, "output", { preview: "jpeg;85" });
}

/** Width over height: the sheet's, or as the first key has it; 0 as long as that is not known. */
export function shapeOf(timeline) {
  const { width, height, keys } = timeline.sheet;
  if (width && height) return width / height;
  const url = pictureUrl(timeline, keys[0].image);
  const first = url && imageOf(url, timeline.draw);
  return first && isThere(first) ? first.naturalWidth / first.naturalHeight : 0;
}

/**
 * {url, cell, cells}: which part, of how many one below the other, of which picture; file: its name
 * where it is a rendered frame; drawing: the how manieth of its segment, 0 being the key; index of
 * the key; about: what is to be known of it.
 */
export function seenAt(timeline, frame) {
  const { sheet, memory } = timeline;
  const index = Math.max(0, sheet.keys.findLastIndex((key) => key.frame <= frame));
  const { id, image, frame: begin } = sheet.keys[index];
  const drawn = isDrawn(sheet, index);
  const starts = drawn ? drawingStarts(endOf(sheet, index) - begin, exposureOf(sheet, id)) : [0];
  const drawing = starts.findLastIndex((start) => start <= frame - begin);
  const shared = { index, drawing, cell: 0, cells: 1, file: "" };
  const known = memory.states[id];
  const name = viewedTake(timeline, id);
  const state = stateOf(timeline, id);
  const asRendered = known && isTimedAs(known, sheet, id);
  const { rendered, folder } = memory;
  const there = rendered && known?.begin !== undefined && asRendered && (drawn || state !== "stale");
  if (there && name === (known.take ?? "")) {
    const file = `frame_${String(known.begin + starts[drawing]).padStart(4, "0")}.png`;
    const url = urlOf(`${folder}/${file}`, "output", { v: rendered.version });
    return { ...shared, url, file, about: state === "stale" ? t`rendered, now stale` : t`rendered` };
  }
  const key = { ...shared, url: pictureUrl(timeline, image), fit: sheet.fit ?? "pad" };
  if (!drawn || drawing === 0) return { ...key, about: drawn ? t`key` : t`held key` };
  const take = known?.takes?.find((one) => one.name === name);
  if (!take) return { ...key, about: t`not made: the key is held` };
  const number = known.takes.indexOf(take) + 1;
  const shown = asRendered && name === known.take ? known.frames?.[drawing - 1] : undefined;
  const place = places(sheet, index)[drawing - 1] ?? drawing / starts.length;
  const last = take.frames - 1;
  const cell = shown ?? Math.min(last - 1, Math.max(1, Math.round(place * last)));
  const now = state === "stale" ? `, ${t`now stale`}` : "";
  const about = t`take ${number} of ${known.takes.length}` + now;
  return { ...shared, url: takeUrl(timeline, name), cell, cells: take.frames, about };
}
