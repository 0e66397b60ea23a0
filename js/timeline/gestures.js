/** The pointer: selecting, dragging and the wheel. Pictures that are dropped: clipboard.js. */

import { moveKey, moveSketch, setLength } from "./edits.js";
import * as host from "./host.js";
import { frameAt, scaleOf, show, zoom } from "./view.js";

const EDGE = 24; // pixels from the side at which a drag scrolls on

export function listenToPointer(timeline) {
  const { element, parts } = timeline;
  const on = (name, act, options) => element.addEventListener(name, act, options);
  on("pointerdown", (event) => press(timeline, event));
  on("pointermove", (event) => {
    if (host.pans(event)) return;
    event.stopPropagation();
    if (timeline.drag) pull(timeline, event);
  });
  for (const name of ["pointerup", "pointercancel"]) {
    on(name, (event) => {
      if (host.pans(event)) return;
      event.stopPropagation();
      release(timeline);
    });
  }
  on("dblclick", (event) => event.stopPropagation()); // the page would search for nodes
  on("wheel", (event) => turn(timeline, event), { passive: false });
  // Nodes 2.0 gives the wheel to the graph, but not below an element with this mark.
  on("focusin", () => (element.dataset.captureWheel = "true"));
  on("focusout", (event) => {
    if (!element.contains(event.relatedTarget)) delete element.dataset.captureWheel;
  });
  parts.scroll.addEventListener("scroll", () => {
    // On its way out of the page, or to where it was told to go.
    if (!parts.scroll.clientWidth || timeline.scrolls) return;
    timeline.memory.scroll = parts.scroll.scrollLeft;
    timeline.draw();
  });
}

const FIELDS = "input, select, textarea, button, label, .panel, .player";

/** No preventDefault here: it would suppress mouseup, with which the page takes its undo states. */
function press(timeline, event) {
  if (host.pans(event) || event.button !== 0) return;
  event.stopPropagation(); // Nodes 2.0 would drag the node
  host.selectNode(timeline.node);
  if (event.target.closest(FIELDS)) return;
  timeline.parts.scroll.focus({ preventScroll: true });
  if (!timeline.editable || !event.target.closest(".scroll")) return;
  timeline.drag = dragOf(timeline, event);
  if (!timeline.drag) return;
  timeline.drag.scale = scaleOf(timeline);
  timeline.element.setPointerCapture(event.pointerId);
}

/** What a press takes hold of: {change: (sheet, frame, shift) -> sheet} or {look: frame -> }. */
function dragOf(timeline, event) {
  const { sheet, memory } = timeline;
  const at = frameAt(timeline, event);
  const hit = (name) => event.target.closest(`[data-${name}]`)?.dataset[name];
  const held = (frame, change) => ({ sheet, text: timeline.text, grip: at - frame, change });
  const stack = hit("from");
  if (stack !== undefined) {
    const [from, to] = [stack, hit("to")].map(Number);
    show(timeline, from, to);
    return null;
  }
  const key = hit("key");
  if (key !== undefined) {
    timeline.select("key", key);
    const { frame } = timeline.key;
    return held(frame, (from, to, shift) => moveKey(from, key, to, shift));
  }
  if (hit("segment") !== undefined) {
    timeline.select("segment", hit("segment"));
    return null;
  }
  if (hit("sketch") !== undefined) {
    const frame = Number(hit("sketch"));
    timeline.select("sketch", String(frame));
    return held(frame, (from, to) => {
      const next = moveSketch(from, frame, to);
      const moved = next.sketches.find((one) => !from.sketches.includes(one));
      memory.selected = { part: "sketch", id: String(moved?.frame ?? frame) };
      return next;
    });
  }
  if (hit("end") !== undefined) return held(sheet.length, setLength);
  const row = event.target.closest(".sketches") ? "sketches" : "keys";
  if (row === "keys" && !event.target.closest(".ruler")) {
    timeline.select(null);
    return null;
  }
  timeline.player.stop();
  const look = (frame) => {
    timeline.select(null);
    memory.row = row;
    memory.cursor = Math.min(Math.max(Math.floor(frame), 0), sheet.length - 1);
    timeline.draw();
  };
  look(at);
  return { look };
}

/** Each step starts from the sheet as it was, so that a drag leaves no trace of its way. */
function pull(timeline, event) {
  const { drag } = timeline;
  scrollOn(timeline, event);
  const at = frameAt(timeline, event);
  if (drag.look) return drag.look(at);
  const frame = Math.round(at - drag.grip);
  const next = drag.change(drag.sheet, frame, event.shiftKey);
  if (next === drag.sheet) timeline.take(drag.text);
  else timeline.edit(next, false);
  return undefined;
}

function release(timeline) {
  const { drag } = timeline;
  timeline.drag = null;
  timeline.draw();
  if (drag?.change) timeline.finish();
}

/** Back to where a drag began; true where there was one. */
export function cancelDrag(timeline) {
  const { drag } = timeline;
  timeline.drag = null;
  if (drag?.change) timeline.takeBack();
  return Boolean(drag);
}

function scrollOn({ parts, memory }, event) {
  const { scroll } = parts;
  const box = scroll.getBoundingClientRect();
  const x = ((event.clientX - box.left) * scroll.offsetWidth) / box.width;
  const beyond = Math.min(0, x - EDGE) + Math.max(0, x - scroll.clientWidth + EDGE);
  if (!beyond) return;
  scroll.scrollLeft += Math.sign(beyond) * Math.min(16, Math.abs(beyond));
  memory.scroll = scroll.scrollLeft;
}

/** The wheel is the graph's, until the timeline has the keyboard: then it scrolls, and with Ctrl
 * zooms, the timeline. */
function turn(timeline, event) {
  const { element, parts, memory } = timeline;
  if (!element.contains(document.activeElement)) return host.zoomGraph(event);
  event.stopPropagation();
  if (event.target.closest(".panel")) {
    if (event.ctrlKey || event.metaKey) event.preventDefault();
    return undefined;
  }
  event.preventDefault();
  if (!timeline.sheet) return undefined;
  if (event.ctrlKey || event.metaKey) {
    zoom(timeline, 1.25 ** -Math.sign(event.deltaY), frameAt(timeline, event));
  } else {
    parts.scroll.scrollLeft += event.deltaX || event.deltaY;
    memory.scroll = parts.scroll.scrollLeft;
    timeline.draw();
  }
  return undefined;
}
