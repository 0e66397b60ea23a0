/**
 * How far the segments are: what this node, or one that its sheet goes to, tells in its ui under
 * `toon_timeline`, [{segments: [{from: key id, state: "made" | "at work" | "failed", take: name}]}].
 *
 * It belongs to the session, not to the sheet. A made segment is stale once its keys' pictures, its
 * sketches or what the model is told have changed; timing alone does not make it so.
 */

import { endOf, indexOf, segmentOf } from "./sheet.js";

const TIMING = ["exposure", "slow_out", "slow_in", "chart", "lock", "takes"];

/** Takes in what a node has told. True where there was something. */
export function learn(timeline, output) {
  const told = output?.toon_timeline?.[0]?.segments;
  if (!Array.isArray(told) || !timeline.sheet) return false;
  for (const { from, state, take } of told) {
    timeline.memory.states[from] = { state, take, of: makers(timeline.sheet, from) };
  }
  return true;
}

/** "made", "stale", "at work", "failed", or "" for a segment of which nothing was told. */
export function stateOf({ memory, sheet }, id) {
  const known = memory.states[id];
  if (!known) return "";
  return known.state === "made" && known.of !== makers(sheet, id) ? "stale" : known.state;
}

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
    own,
    sketches.map((one) => ({ ...one, frame: one.frame - frame })),
    ["prompt", "negative", "seed", "fs", "width", "height", "fit"].map((name) => sheet[name]),
  ]);
}
