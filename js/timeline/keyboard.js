/** The keyboard, while the timeline has it. What has Ctrl, Cmd or Alt is the page's. */

import * as edits from "./edits.js";
import { cancelDrag } from "./gestures.js";
import { makeKey } from "./intake.js";
import { indexOf } from "./sheet.js";
import { flip, toggleLock } from "./takes.js";
import { reveal } from "./view.js";

const FIELDS = "input, textarea, select";
const THE_PAGES = /^(Tab|F\d+|Shift|Control|Alt|Meta)$/;

export function listenToKeys(timeline) {
  timeline.element.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || THE_PAGES.test(event.key)) return;
    // The page's single letters act, and its Delete removes the node.
    event.stopPropagation();
    if (event.target.closest(FIELDS)) {
      if (event.key === "Escape") timeline.parts.scroll.focus({ preventScroll: true });
      return;
    }
    if (!event.target.closest(".scroll") || !timeline.editable) return;
    const act = ACTS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    act(timeline, event);
  });
}

const move = (by) => (timeline, event) => {
  const { sheet, memory, key, sketch, player } = timeline;
  if (player.plays || memory.cursor !== null) return player.step(by * (event.shiftKey ? 10 : 1));
  const far = by * (event.shiftKey ? 10 : 1);
  if (key) {
    timeline.edit(edits.moveKey(sheet, key.id, key.frame + far));
    reveal(timeline, timeline.key.frame);
  } else if (sketch) {
    const next = edits.moveSketch(sheet, sketch.frame, sketch.frame + far);
    if (next === sheet) return undefined;
    const moved = next.sketches.find((one) => !sheet.sketches.includes(one));
    memory.selected = { part: "sketch", id: String(moved.frame) };
    timeline.edit(next);
  } else {
    memory.cursor = Math.min(Math.max(by > 0 ? far - 1 : 0, 0), sheet.length - 1);
    reveal(timeline, memory.cursor);
  }
  timeline.draw();
  return undefined;
};

const go = (pick) => (timeline) => {
  const { sheet, memory, key } = timeline;
  if (!sheet.keys.length) return;
  const last = sheet.keys.length - 1;
  const index = Math.min(Math.max(pick(key ? indexOf(sheet, key.id) : null, last), 0), last);
  const part = memory.selected?.part === "segment" ? "segment" : "key";
  timeline.select(part, sheet.keys[index].id, true);
};
const before = go((index) => (index ?? 1) - 1);
const after = go((index) => (index ?? -1) + 1);

/** Something done to the selected key or its segment. */
const change = (edit) => (timeline) => {
  if (timeline.key) timeline.edit(edit(timeline.sheet, timeline.key.id));
};
const expose = (exposure) => change((sheet, id) => edits.expose(sheet, id, exposure));
const longer = change((sheet, id) => edits.changeExposure(sheet, id, 1));
const shorter = change((sheet, id) => edits.changeExposure(sheet, id, -1));

export function removeSelected(timeline) {
  const { sheet, memory, key, sketch } = timeline;
  if (sketch) timeline.edit(edits.removeSketch(sheet, sketch.frame));
  if (!key || memory.selected.part !== "key") return;
  const index = indexOf(sheet, key.id);
  timeline.edit(edits.removeKey(sheet, key.id));
  const next = timeline.sheet.keys[Math.min(index, timeline.sheet.keys.length - 1)];
  timeline.select(next ? "key" : null, next?.id);
}

/** From a key to its segment and back. */
const turnTo = (part) => (timeline) => timeline.key && timeline.select(part, timeline.key.id);

function leave(timeline) {
  if (cancelDrag(timeline)) return;
  timeline.memory.cursor = null;
  timeline.select(null);
}

const ACTS = {
  ArrowLeft: move(-1),
  ArrowRight: move(1),
  ArrowDown: turnTo("segment"),
  ArrowUp: turnTo("key"),
  j: before,
  ",": before,
  "<": before,
  k: after,
  ".": after,
  ">": after,
  Home: go(() => 0),
  End: go((_, last) => last),
  Delete: removeSelected,
  Backspace: removeSelected,
  "+": longer,
  "=": longer,
  "-": shorter,
  _: shorter,
  1: expose(1),
  2: expose(2),
  3: expose(3),
  4: expose(4),
  h: change(edits.toggleHold),
  b: change(edits.toggleBreakdown),
  Enter: (timeline) => timeline.parts.panel.querySelector(FIELDS)?.focus({ preventScroll: true }),
  Escape: leave,
  " ": ({ player }) => player.toggle(),
  "[": (timeline) => flip(timeline, -1),
  "]": (timeline) => flip(timeline, 1),
  l: toggleLock,
  m: (timeline) => void makeKey(timeline),
};
