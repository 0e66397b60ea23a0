/** What lies on the film: keys, segments, sketches. Only what is in sight stands in the page, and
 * its elements stay the same from one drawing to the next. */

import { isMissing, pictureUrl } from "./pictures.js";
import { stateOf } from "./progress.js";
import { drawingStarts, endOf, exposureOf, isDrawn, isLast, segmentOf } from "./sheet.js";

export const CARD = { width: 60, least: 18 }; // pixels of a key's picture

export function place(element, left, width) {
  element.style.left = `${left}px`;
  element.style.width = `${width}px`;
}

export function drawKeys({ timeline, x, sight }) {
  const { parts, sheet } = timeline;
  const seen = sheet.keys
    .map((key, index) => ({ key, index }))
    .filter(({ key }) => key.frame >= sight.first && key.frame <= sight.last);
  reuse(parts.keys, seen, ({ key }) => key.id, makeCard, (card, { key, index }) => {
    const next = isLast(sheet, index) ? Infinity : sheet.keys[index + 1].frame;
    const room = x(next) - x(key.frame) - 2;
    place(card, x(key.frame), Math.max(CARD.least, Math.min(CARD.width, room)));
    const url = pictureUrl(timeline, key.image);
    const missing = url !== "" && isMissing(url);
    mark(card, { breakdown: key.kind === "breakdown", noted: Boolean(key.note), missing });
    select(timeline, card, "key", key.id);
    setBackground(card.firstChild, missing ? "" : url);
    write(card.firstChild, missing ? "missing" : url ? "" : String(key.image ?? "?"));
    write(card.lastChild, String(key.frame + 1));
    const kind = key.kind === "breakdown" ? "Breakdown" : "Key";
    const told = [`${kind} ${index + 1}, frame ${key.frame + 1}`, `picture ${key.image ?? "none"}`];
    if (missing) told.push("which is missing");
    if (key.note) told.push(key.note);
    describe(card, told.join(", "));
  });
}

function makeCard({ key }) {
  const card = option("card", key.id);
  card.dataset.key = key.id;
  card.append(Object.assign(document.createElement("div"), { className: "picture" }));
  card.append(Object.assign(document.createElement("span"), { className: "number" }));
  return card;
}

export function drawSegments({ timeline, x, px, sight }) {
  const { parts, sheet } = timeline;
  const seen = sheet.keys
    .map((key, index) => ({ key, index, end: endOf(sheet, index) }))
    .filter(({ key, end }) => end > sight.first && key.frame <= sight.last);
  const marks = [];
  reuse(parts.segments, seen, ({ key }) => key.id, makeSegment, (block, { key, index, end }) => {
    const own = segmentOf(sheet, key.id);
    const drawn = isDrawn(sheet, index);
    const exposure = [exposureOf(sheet, key.id)].flat();
    const starts = drawn ? drawingStarts(end - key.frame, exposure) : [];
    for (const start of starts) {
      const frame = key.frame + start;
      if (frame >= sight.first && frame <= sight.last) marks.push([x(frame), start === 0]);
    }
    place(block, x(key.frame), Math.max(1, (end - key.frame) * px - 1));
    const state = stateOf(timeline, key.id);
    block.dataset.state = state;
    mark(block, { hold: !drawn, locked: Boolean(own.lock) });
    select(timeline, block, "segment", key.id);
    const prompt = drawn ? (own.prompt ?? "") : "";
    const last = isLast(sheet, index) ? "to the end" : "hold";
    const timing = drawn ? (ONS[exposure.join()] ?? `on ${exposure.join(" ")}`) : last;
    write(block.firstChild, prompt ? `${timing} · ${prompt}` : timing);
    const told = [`Segment ${index + 1}, frames ${key.frame + 1} to ${end}`];
    told.push(drawn ? `${timing}, ${starts.length - 1} drawings between` : "hold");
    if (own.slow_out) told.push(`slow out ${own.slow_out}`);
    if (own.slow_in) told.push(`slow in ${own.slow_in}`);
    if (typeof own.chart === "string") told.push(`chart ${own.chart}`);
    if (own.lock) told.push(`locked to ${own.lock}`);
    if (state) told.push(state);
    describe(block, prompt ? `${told.join(", ")}: ${prompt}` : told.join(", "));
  });
  // Closer than that they would be a grey bar.
  const lines = px < 2 ? [] : marks.map(([at, key]) => `M${at + 0.5} ${key ? 18 : 23}V30`);
  parts.marks.setAttribute("d", lines.join(""));
  parts.marks.ownerSVGElement.setAttribute("width", parts.film.style.width);
}

const ONS = { 1: "on 1s", 2: "on 2s", 3: "on 3s", 4: "on 4s" };

function makeSegment({ key }) {
  const block = option("segment", key.id);
  block.dataset.segment = key.id;
  block.append(document.createElement("span"));
  return block;
}

export function drawSketches({ timeline, x, sight }) {
  const { parts, sheet } = timeline;
  const sketches = sheet.sketches ?? [];
  parts.sketches.hidden = !sketches.length;
  const seen = sketches
    .map((sketch, index) => ({ sketch, index }))
    .filter(({ sketch }) => sketch.frame >= sight.first && sketch.frame <= sight.last);
  reuse(parts.sketches, seen, ({ sketch }) => String(sketch.frame), makeSketch, (dot, one) => {
    const { image, frame, strength } = one.sketch;
    dot.style.left = `${x(frame)}px`;
    setBackground(dot, pictureUrl(timeline, image, "sketches"));
    select(timeline, dot, "sketch", String(frame));
    const told = strength === undefined ? "" : `, strength ${strength}`;
    describe(dot, `Sketch on frame ${frame + 1}, picture ${image}${told}`);
  });
}

function makeSketch({ sketch }) {
  const dot = option("sketch", sketch.frame);
  dot.dataset.sketch = sketch.frame;
  return dot;
}

let made = 0; // for names that are unique in the page

function option(className) {
  const element = document.createElement("div");
  element.className = className;
  element.id = `toon-timeline-${(made += 1)}`;
  element.setAttribute("role", "option");
  return element;
}

/** Elements that stay the same from one drawing to the next, one for each item in sight. */
function reuse(track, items, name, make, update) {
  const there = (track.toonItems ??= new Map());
  const gone = new Set(there.keys());
  let before = track.querySelector(":scope > svg");
  for (const item of items) {
    const id = name(item);
    gone.delete(id);
    if (!there.has(id)) there.set(id, make(item));
    const element = there.get(id);
    // In the order of frames, which is that of reading and of what lies upon what.
    if (before && element.previousElementSibling !== before) before.after(element);
    if (!before && element !== track.firstElementChild) track.prepend(element);
    before = element;
    update(element, item);
  }
  for (const id of gone) {
    there.get(id).remove();
    there.delete(id);
  }
}

function mark(element, classes) {
  for (const [name, on] of Object.entries(classes)) element.classList.toggle(name, on);
}

function select({ memory, parts }, element, part, id) {
  const { selected } = memory;
  const is = selected?.part === part && selected.id === id;
  if (element.ariaSelected !== String(is)) element.ariaSelected = is;
  if (is) parts.scroll.setAttribute("aria-activedescendant", element.id);
}

// What is set again to what it is costs a layout: too much for hundreds of keys in a drag.
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function describe(element, text) {
  if (element.title === text) return;
  element.title = text;
  element.setAttribute("aria-label", text);
}

function setBackground(element, url) {
  if (element.dataset.url === url) return; // or the picture flickers
  element.dataset.url = url;
  element.style.backgroundImage = url ? `url("${url}")` : "";
}
