/** Copy, cut and paste of a key or sketch with its picture; pictures dropped and pasted. */

import { addKeys, addSketches } from "./adding.js";
import { addPictures, put } from "./intake.js";
import { picturesIn } from "./pictures.js";
import { removeSelected } from "./keyboard.js";
import { frameAt } from "./view.js";

const WHAT = "toontween"; // the field by which a text is known as ours

export function listenToFiles(timeline) {
  const { element, parts } = timeline;
  const on = (name, act) => element.addEventListener(name, act);
  const carries = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  const rowAt = (event) => (event.target.closest(".sketches") ? "sketches" : "keys");
  const mark = (row) => {
    element.classList.toggle("dropping", row !== null);
    parts.sketches.classList.toggle("over", row === "sketches");
  };
  on("dragover", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    event.stopPropagation();
    mark(rowAt(event));
  });
  on("dragleave", () => mark(null));
  on("drop", (event) => {
    mark(null);
    const files = picturesIn(event.dataTransfer);
    if (!files.length) return; // a workflow file, for one, is the page's
    event.preventDefault();
    event.stopPropagation();
    const onFilm = timeline.sheet && event.target.closest(".scroll");
    const frame = onFilm ? Math.floor(frameAt(timeline, event)) : undefined;
    addPictures(timeline, files, rowAt(event), frame);
  });
  element.toonTimeline = timeline;
}

/** What is selected as a text; "" where nothing is that can be copied. */
function copied({ key, sketch, memory }) {
  if (sketch) {
    const { frame, ...rest } = sketch;
    return JSON.stringify({ [WHAT]: "sketch", sketch: rest });
  }
  if (!key || memory.selected.part !== "key") return "";
  const { id, frame, ...rest } = key; // its segment, with its lock, is of that place
  return JSON.stringify({ [WHAT]: "key", key: rest });
}

function readCopied(text) {
  if (!text.startsWith(`{"${WHAT}":`)) return null;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function paste(timeline, event) {
  if (!timeline.editable) return;
  const files = picturesIn(event.clipboardData);
  const ours = readCopied(event.clipboardData?.getData("text/plain") ?? "");
  if (!files.length && !ours) return; // nodes, for one, are the page's
  event.preventDefault();
  event.stopImmediatePropagation();
  if (files.length) addPictures(timeline, files, timeline.row);
  else if (ours.sketch) put(timeline, addSketches, [ours.sketch]);
  else if (ours.key) put(timeline, addKeys, [ours.key]);
}

function copy(timeline, event) {
  const text = copied(timeline);
  if (!text) return; // the node is the page's
  event.clipboardData.setData("text/plain", text);
  event.preventDefault();
  event.stopImmediatePropagation();
  if (event.type === "cut" && timeline.editable) removeSelected(timeline);
}

// These go to the page's body where no text is selected, so the element would not hear of them.
// They are taken only from the keyboard's own timeline.
for (const [name, act] of Object.entries({ copy, cut: copy, paste })) {
  document.addEventListener(
    name,
    (event) => {
      const active = document.activeElement;
      const timeline = active?.closest?.(".toon-timeline")?.toonTimeline;
      if (timeline?.sheet && !active.matches("input, textarea")) act(timeline, event);
    },
    true,
  );
}
