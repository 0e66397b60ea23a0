/**
 * How far the segments are, and what was made of them: what this node, or one that its sheet goes
 * to, tells in its ui under `toon_timeline` (nodes/shot_progress.py):
 *
 *   [{sheet: the text that it is about, folder: below ComfyUI's output folder,
 *     segments: [{from: key id, state: "made" | "at work" | "failed" | "", take: the one shown,
 *                 takes: [{name, frames}], frames: those shown, begin, span: where it is rendered}],
 *     rendered: {version, frames, movie, peaks, rate},
 *     pictures: {images, sketches}: of drawings that are numbers, by the number, temporary files}]
 *
 * It belongs to the session, not to the sheet. A made segment is stale once its keys' pictures, its
 * sketches or what the model is told have changed; timing alone does not make it so.
 */

import { lookAgain } from "./pictures.js";
import { endOf, exposureOf, indexOf, read, segmentOf } from "./sheet.js";

const TIMING = ["exposure", "slow_out", "slow_in", "chart", "lock", "takes"];

/** What is remembered of a node of which nothing was told. */
export const nothingKnown = () => ({ states: {}, viewed: {}, folder: "", rendered: null, pictures: {} });

/** Takes in what a node has told. True where there was something. */
export function learn(timeline, output) {
  const told = output?.toon_timeline?.[0];
  if (!Array.isArray(told?.segments) || !timeline.sheet) return false;
  const { memory } = timeline;
  // The sheet may have been edited while it was rendered.
  const sheet = (told.sheet && read(told.sheet).sheet) || timeline.sheet;
  if (told.folder && told.folder !== memory.folder) {
    // Takes and frames of before lie elsewhere.
    Object.assign(memory, { folder: told.folder, states: {}, viewed: {}, rendered: null });
  }
  lookAgain();
  if (told.rendered) memory.rendered = told.rendered;
  if (told.pictures) memory.pictures = told.pictures;
  for (const { from, ...news } of told.segments) {
    const { take, takes } = memory.states[from] ?? {};
    if (news.take && news.take !== take) delete memory.viewed[from]; // a new one is there
    const about = { of: makers(sheet, from), timed: timing(sheet, from) };
    memory.states[from] = { take, takes, ...news, ...about };
  }
  return true;
}

/** "made", "stale", "at work", "failed", or "" for a segment of which nothing was told. */
export function stateOf({ memory, sheet }, id) {
  const known = memory.states[id];
  if (!known) return "";
  return known.state === "made" && known.of !== makers(sheet, id) ? "stale" : known.state ?? "";
}

/** Whether a segment is still timed as it was rendered. */
export const isTimedAs = (known, sheet, id) => known.timed === timing(sheet, id);

/** All that a segment's made frames hang on, as a text. */
function makers(sheet, id) {
  const index = indexOf(sheet, id);
  if (index < 0) return "";
  const end = endOf(sheet, index);
  const { frame, image } = sheet.keys[index];
  const own = { ...segmentOf(sheet, id) };
  for (const name of TIMING) delete own[name];
  const sketches = sheet.sketches?.filter((one) => one.frame > frame && one.frame < end) ?? [];
  return JSON.stringify([
    image,
    (sheet.keys[index + 1] ?? sheet.keys[0]).image,
    { from: id, ...own },
    sketches.map((one) => ({ ...one, frame: one.frame - frame })),
    ["prompt", "negative", "seed", "fs", "width", "height", "fit"].map((name) => sheet[name]),
  ]);
}

function timing(sheet, id) {
  const index = indexOf(sheet, id);
  if (index < 0) return "";
  const { slow_out, slow_in, chart, mode } = segmentOf(sheet, id);
  const span = endOf(sheet, index) - sheet.keys[index].frame;
  return JSON.stringify([span, exposureOf(sheet, id), slow_out, slow_in, chart, mode]);
}
