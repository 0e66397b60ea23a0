/** What lies on the film: keys, segments, sketches. Only what is in sight stands in the page. */

import { groups } from "./crowd.js";
import { describe, mark, option, place, reuse, setBackground, setPath, write } from "./elements.js";
import { isMissing, pictureUrl } from "./pictures.js";
import { stateOf } from "./progress.js";
import { drawingStarts, endOf, exposureOf, isDrawn, isLast, segmentOf } from "./sheet.js";
import { later, t } from "./words.js";

export const CARD = { width: 60, least: 18 }; // pixels of a key's picture

export function drawKeys({ timeline, x, sight }) {
  const { parts, sheet, memory } = timeline;
  const keys = sheet.keys.map((key, index) => ({ key, index }));
  const begin = ({ key }) => x(key.frame);
  const end = ({ index }) => (isLast(sheet, index) ? Infinity : x(sheet.keys[index + 1].frame));
  const all = groups(keys, begin, end);
  const chosen = memory.selected?.part === "key" ? memory.selected.id : null;
  const seen = [];
  const notches = [];
  for (const [i, group] of all.entries()) {
    const next = all[i + 1] ? begin(all[i + 1][0]) : Infinity;
    const last = group.at(-1).key.frame;
    if (last < sight.first || group[0].key.frame > sight.last) continue;
    if (group.length > 1) notches.push(...apart(group.map(begin)));
    seen.push({ group, room: next - begin(group[0]) - 2 });
    // The selected one stands out of its stack, in its place.
    const own = group.length > 1 && group.find(({ key }) => key.id === chosen);
    if (own) seen.push({ group: [own], room: CARD.least });
  }
  const name = ({ group }) => (group.length > 1 ? `stack of ${group[0].key.id}` : group[0].key.id);
  reuse(parts.keys, seen, name, makeCard, (card, { group, room }) => {
    const [{ key, index }] = group;
    place(card, x(key.frame), Math.max(CARD.least, Math.min(CARD.width, room)));
    const url = pictureUrl(timeline, key.image);
    const missing = url !== "" && isMissing(url);
    const many = group.length > 1;
    mark(card, { breakdown: !many && key.kind === "breakdown", noted: !many && Boolean(key.note) });
    mark(card, { missing, stack: many });
    setBackground(card.firstChild, missing ? "" : url);
    write(card.firstChild, missing ? t`missing` : url ? "" : String(key.image ?? "?"));
    if (many) {
      drawStack(card, group);
      return;
    }
    select(timeline, card, "key", key.id);
    write(card.lastChild, String(key.frame + 1));
    const [number, frame] = [index + 1, key.frame + 1];
    const told = [
      key.kind === "breakdown"
        ? t`Breakdown ${number}, frame ${frame}`
        : t`Key ${number}, frame ${frame}`,
      key.image === undefined ? t`picture none` : t`picture ${key.image}`,
    ];
    if (missing) told.push(t`which is missing`);
    if (key.note) told.push(key.note);
    describe(card, told.join(", "));
  });
  setPath(parts.notches, notches.join(""), parts.film.style.width);
}

/** A notch for each key of a stack, as far as they can be told apart. */
function apart(places) {
  let last = -Infinity;
  const seen = places.filter((at) => at - last >= 2.5 && ((last = at), true));
  return seen.map((at) => `M${(at + 1).toFixed(1)} 0V5`);
}

function drawStack(card, group) {
  const [first, last] = [group[0], group.at(-1)];
  write(card.lastChild, `×${group.length}`);
  card.dataset.from = first.key.frame;
  card.dataset.to = last.key.frame + 1;
  const which = t`Keys ${first.index + 1} to ${last.index + 1}`;
  const frames = t`frames ${first.key.frame + 1} to ${last.key.frame + 1}`;
  describe(card, t`${[which, frames].join(", ")}: press to zoom in`);
}

function makeCard({ group }) {
  const card = option("card");
  if (group.length === 1) card.dataset.key = group[0].key.id;
  card.append(Object.assign(document.createElement("div"), { className: "picture" }));
  card.append(Object.assign(document.createElement("span"), { className: "number" }));
  return card;
}

export function drawSegments({ timeline, x, px, sight }) {
  const { parts, sheet, memory } = timeline;
  const items = sheet.keys.map((key, index) => ({ key, index, end: endOf(sheet, index) }));
  const chosen = memory.selected?.part === "segment" ? memory.selected.id : null;
  const seen = [];
  for (const group of groups(items, ({ key }) => x(key.frame), ({ end }) => x(end), true)) {
    if (group.at(-1).end <= sight.first || group[0].key.frame > sight.last) continue;
    seen.push(group);
    const own = group.length > 1 && group.find(({ key }) => key.id === chosen);
    if (own) seen.push([own]);
  }
  const marks = [];
  const name = (group) => (group.length > 1 ? `stack of ${group[0].key.id}` : group[0].key.id);
  reuse(parts.segments, seen, name, makeSegment, (block, group) => {
    const [{ key, index, end }] = group;
    mark(block, { stack: group.length > 1 });
    if (group.length > 1) {
      drawSegmentStack(timeline, block, group, x);
      return;
    }
    const own = segmentOf(sheet, key.id);
    const drawn = isDrawn(sheet, index);
    const exposure = [exposureOf(sheet, key.id)].flat();
    const starts = drawn ? drawingStarts(end - key.frame, exposure) : [];
    for (const start of starts) {
      const frame = key.frame + start;
      if (frame >= sight.first && frame <= sight.last) marks.push([x(frame), start === 0]);
    }
    const width = Math.max(3, (end - key.frame) * px - 1);
    place(block, x(key.frame), width);
    const state = drawn ? stateOf(timeline, key.id) : "";
    block.dataset.state = state;
    mark(block, { hold: !drawn, locked: Boolean(own.lock), thin: width < 30 });
    select(timeline, block, "segment", key.id);
    const prompt = drawn ? (own.prompt ?? "") : "";
    const last = isLast(sheet, index) ? t`to the end` : t`hold`;
    const timing = drawn ? on(exposure) : last;
    write(block.firstChild, prompt ? `${timing} · ${prompt}` : timing);
    const told = [t`Segment ${index + 1}, frames ${key.frame + 1} to ${end}`];
    if (drawn) told.push(timing, t`${starts.length - 1} drawings between`);
    else told.push(t`hold`);
    if (own.slow_out) told.push(t`slow out ${own.slow_out}`);
    if (own.slow_in) told.push(t`slow in ${own.slow_in}`);
    if (typeof own.chart === "string") told.push(t`chart ${own.chart}`);
    if (own.lock) told.push(t`locked to ${own.lock}`);
    if (state) told.push(STATES[state]());
    describe(block, prompt ? `${told.join(", ")}: ${prompt}` : told.join(", "));
  });
  // Closer than that they would be a grey bar.
  const lines = px < 2 ? [] : marks.map(([at, key]) => `M${at + 0.5} ${key ? 18 : 23}V30`);
  setPath(parts.marks, lines.join(""), parts.film.style.width);
}

/** What a segment's state is called; of several the first that is found is shown. */
const STATES = {
  failed: later`failed`,
  "at work": later`at work`,
  stale: later`stale`,
  made: later`made`,
};
const GRAVE = Object.keys(STATES);

/** Several that are too narrow to be told apart: how many, and the gravest of their states. */
function drawSegmentStack(timeline, block, group, x) {
  const [first, last] = [group[0], group.at(-1)];
  place(block, x(first.key.frame), x(last.end) - x(first.key.frame) - 1);
  const states = group.map(({ key, index }) =>
    isDrawn(timeline.sheet, index) ? stateOf(timeline, key.id) : "made");
  const all = states.every((state) => state !== "");
  const state = GRAVE.find((one) => states.includes(one) && (all || one !== "made")) ?? "";
  block.dataset.state = state;
  mark(block, { hold: false, locked: false, thin: true });
  write(block.firstChild, `×${group.length}`);
  block.dataset.from = first.key.frame;
  block.dataset.to = last.end;
  const count = (one) => states.filter((own) => own === one).length;
  const told = GRAVE.filter(count).map((one) => `${count(one)} ${STATES[one]()}`);
  const which = t`Segments ${first.index + 1} to ${last.index + 1}`;
  describe(block, t`${[which, ...told].join(", ")}: press to zoom in`);
}

const on = (exposure) => (exposure.length > 1 ? t`on ${exposure.join(" ")}` : t`on ${exposure[0]}s`);

function makeSegment(group) {
  const block = option("segment");
  if (group.length === 1) block.dataset.segment = group[0].key.id;
  block.append(document.createElement("span"));
  return block;
}

export function drawSketches({ timeline, x, sight }) {
  const { parts, sheet } = timeline;
  const sketches = sheet.sketches ?? [];
  mark(parts.sketches, { empty: !sketches.length });
  const seen = sketches
    .map((sketch, index) => ({ sketch, index }))
    .filter(({ sketch }) => sketch.frame >= sight.first && sketch.frame <= sight.last);
  reuse(parts.sketches, seen, ({ sketch }) => String(sketch.frame), makeSketch, (dot, one) => {
    const { image, frame, strength } = one.sketch;
    dot.style.left = `${x(frame)}px`;
    setBackground(dot, pictureUrl(timeline, image, "sketches"));
    select(timeline, dot, "sketch", String(frame));
    const told = [t`Sketch on frame ${frame + 1}`, t`picture ${image}`];
    if (strength !== undefined) told.push(t`strength ${strength}`);
    describe(dot, told.join(", "));
  });
}

function makeSketch({ sketch }) {
  const dot = option("sketch");
  dot.dataset.sketch = sketch.frame;
  return dot;
}

function select({ memory, parts }, element, part, id) {
  const { selected } = memory;
  const is = selected?.part === part && selected.id === id;
  if (element.ariaSelected !== String(is)) element.ariaSelected = is;
  if (is) parts.scroll.setAttribute("aria-activedescendant", element.id);
}
