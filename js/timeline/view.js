/** The element and its film: what it is made of, how wide a frame is, and what of it is in sight.
 * Widths are in the element's own pixels, whatever the zoom of the graph. */

import { place } from "./elements.js";
import { drawRuler, pathElement } from "./ruler.js";
import { FPS } from "./sheet.js";
import { drawSound } from "./sound.js";
import { CARD, drawKeys, drawSegments, drawSketches } from "./tracks.js";
import { t } from "./words.js";

const LEFT = 8;
const RIGHT = 64; // room for the last key's picture
const LEAST = 0.02; // pixels a frame
const MOST = 64;
const SMALL = 6; // pixels a frame, to which also a short shot can be made smaller

const template = () => `
<div class="bar" role="toolbar" aria-label="${t`Timeline`}">
  <button type="button" data-do="play"></button>
  <button type="button" data-do="add" title="${t`Add key drawings from files`}">${t`+ Key`}</button>
  <button type="button" data-do="sketch"
          title="${t`Add line drawings from files: each leads the drawing on its frame`}"
          >${t`+ Sketch`}</button>
  <span class="where"></span>
  <button type="button" data-do="closer" title="${t`Zoom in`}" aria-label="${t`Zoom in`}">+</button>
  <button type="button" data-do="wider" title="${t`Zoom out`}" aria-label="${t`Zoom out`}">−</button>
  <button type="button" data-do="fit" title="${t`Show the whole shot`}">${t`Fit`}</button>
</div>
<div class="scroll" tabindex="0" role="listbox" aria-orientation="horizontal"
     aria-label="${t`Keys and segments`}">
  <div class="film" role="presentation">
    <svg class="ruler" aria-hidden="true"></svg>
    <div class="track keys" role="presentation"></div>
    <div class="track segments" role="presentation"></div>
    <div class="track sketches" role="presentation"
         data-hint="${t`Sketches: drop line drawings here`}"></div>
    <svg class="sound" aria-hidden="true" hidden></svg>
    <div class="cursor"></div>
    <div class="end" data-end title="${t`End of the shot: drag to make it longer or shorter`}"></div>
  </div>
</div>
<div class="says" role="status"></div>
<div class="lower">
  <div class="player" role="group" aria-label="${t`Player`}" hidden>
    <div class="screen"><div class="stage"></div></div>
    <div class="controls">
      <button type="button" data-do="back" title="${t`A frame back`}"
              aria-label="${t`A frame back`}">◀❙</button>
      <button type="button" data-do="play"></button>
      <button type="button" data-do="on" title="${t`A frame on`}" aria-label="${t`A frame on`}">❙▶</button>
      <span class="tells"></span>
      <button type="button" data-do="key" class="promote">${t`Make key`}</button>
      <button type="button" data-do="close" title="${t`Hide the player`}"
              aria-label="${t`Hide the player`}">×</button>
    </div>
  </div>
  <div class="panel"></div>
</div>
<input class="files" type="file" accept="image/*" multiple hidden tabindex="-1">`;

export function build(element) {
  element.innerHTML = template();
  const find = (name) => element.querySelector(`.${name}`);
  const names = ["bar", "where", "says", "panel", "files", "scroll", "film", "cursor", "end"];
  names.push("ruler", "keys", "segments", "sketches", "sound");
  names.push("player", "stage", "tells", "promote");
  const parts = Object.fromEntries(names.map((name) => [name, find(name)]));
  parts.plays = [...element.querySelectorAll('[data-do="play"]')];
  parts.notches = pathElement(parts.keys, "notches");
  parts.marks = pathElement(parts.segments, "marks");
  return parts;
}

/** Pixels a frame has: as chosen, or so that the whole shot is in sight. */
export function scaleOf({ parts, sheet, memory, drag }) {
  if (drag?.scale) return drag.scale; // the shot's end may move: the frames under a hand do not
  const fitting = (parts.scroll.clientWidth - LEFT - RIGHT) / sheet.length;
  const least = Math.max(LEAST, Math.min(fitting, SMALL));
  return Math.min(Math.max(memory.scale ?? fitting, least), MOST);
}

/** The place on the film, in frames, under a pointer. */
export function frameAt(timeline, event) {
  const { film } = timeline.parts;
  const box = film.getBoundingClientRect();
  const x = ((event.clientX - box.left) * film.offsetWidth) / box.width;
  return (x - LEFT) / scaleOf(timeline);
}

/** Another zoom, with one frame kept where it is. */
export function zoom(timeline, factor, frame) {
  const { parts, memory } = timeline;
  const before = scaleOf(timeline);
  const at = frame ?? (memory.scroll + parts.scroll.clientWidth / 2 - LEFT) / before;
  memory.scale = before * factor;
  memory.scale = scaleOf(timeline);
  scrollTo(timeline, memory.scroll + at * (memory.scale - before));
}

/** Scrolls so that a frame is in sight. */
export function reveal(timeline, frame) {
  const { parts, memory } = timeline;
  const x = LEFT + frame * scaleOf(timeline);
  const { clientWidth } = parts.scroll;
  if (x < memory.scroll + LEFT) scrollTo(timeline, x - clientWidth / 4);
  if (x + CARD.width > memory.scroll + clientWidth) {
    scrollTo(timeline, x + CARD.width + LEFT - clientWidth);
  }
}

/** With the next drawing, for which the page's own scrolling waits. */
function scrollTo(timeline, left) {
  timeline.memory.scroll = Math.max(0, left);
  timeline.scrolls = true;
  timeline.draw();
}

/** Zooms so that some frames fill the view. */
export function show(timeline, from, to) {
  const { parts, memory } = timeline;
  memory.scale = (parts.scroll.clientWidth - LEFT - RIGHT) / Math.max(1, to - from);
  memory.scale = scaleOf(timeline);
  scrollTo(timeline, from * memory.scale);
}

/** What plays is marked, or else the ruler's frame. */
export function placeCursor(timeline) {
  const { parts, memory, player } = timeline;
  const frame = player.frame ?? memory.cursor;
  const px = scaleOf(timeline);
  parts.cursor.hidden = frame === null;
  place(parts.cursor, LEFT + (frame ?? 0) * px, Math.max(px, 2));
}

export function drawTracks(timeline) {
  const { parts, sheet, memory } = timeline;
  const width = parts.scroll.clientWidth;
  if (!sheet || !width) return;
  const px = scaleOf(timeline);
  const x = (frame) => LEFT + frame * px;
  parts.film.style.width = `${Math.ceil(x(sheet.length) + RIGHT)}px`;
  if (Math.abs(parts.scroll.scrollLeft - memory.scroll) > 1) {
    parts.scroll.scrollLeft = memory.scroll;
    memory.scroll = parts.scroll.scrollLeft; // the page does not scroll beyond the end
  }
  timeline.scrolls = false;
  const sight = {
    first: Math.floor((memory.scroll - LEFT - CARD.width) / px),
    last: Math.ceil((memory.scroll + width) / px),
  };
  const scene = { timeline, x, px, sight };
  drawRuler(parts.ruler, { ...scene, length: sheet.length, fps: sheet.fps ?? FPS });
  drawKeys(scene);
  drawSegments(scene);
  drawSketches(scene);
  drawSound(parts.sound, scene);
  placeCursor(timeline);
  parts.end.style.left = `${x(sheet.length)}px`;
}
