/** The player: one frame of the film, or all of them at the sheet's rate, with sound. */

import { seenAt, shapeOf } from "./film.js";
import { imageOf, isSettled, isThere, layCell } from "./images.js";
import { endOf, FPS, indexOf } from "./sheet.js";
import { Soundtrack } from "./soundtrack.js";
import { placeCursor, reveal } from "./view.js";
import { t } from "./words.js";

const AHEAD = 24; // frames whose pictures are loaded before they are due
const PATIENCE = 3000; // ms that a film waits for its first pictures
const FITS = { pad: "contain", crop: "cover", stretch: "fill" }; // a key's picture upon the stage

export class Player {
  constructor(timeline) {
    this.timeline = timeline;
    this.sound = new Soundtrack();
    this.frame = null; // while it plays
    this.tick = this.tick.bind(this);
  }

  get plays() {
    return this.frame !== null;
  }

  /** What is looked at: the frame that plays, the ruler's, or that of what is selected. */
  get at() {
    const { memory, key, sketch, sheet } = this.timeline;
    const frame = this.frame ?? memory.cursor ?? key?.frame ?? sketch?.frame ?? 0;
    return Math.min(frame, sheet.length - 1);
  }

  /** Frames [from, to) that are played over and over: the selected segment's, or all. */
  get range() {
    const { sheet, memory, key } = this.timeline;
    if (memory.selected?.part !== "segment") return [0, sheet.length];
    return [key.frame, endOf(sheet, indexOf(sheet, key.id))];
  }

  toggle() {
    if (this.plays) this.stop();
    else this.play();
  }

  play() {
    const { timeline } = this;
    if (this.plays || !timeline.sheet?.keys.length) return;
    const [from, to] = this.range;
    timeline.memory.player = true;
    this.frame = this.at >= from && this.at < to - 1 ? this.at : from;
    Object.assign(this, { began: null, asked: performance.now(), over: "" });
    requestAnimationFrame(this.tick);
    timeline.draw();
  }

  /** Stays where it is. */
  stop() {
    if (!this.plays) return;
    this.timeline.memory.cursor = this.frame;
    this.frame = null;
    this.sound.pause();
    this.timeline.draw();
  }

  /** By a frame, or several. */
  step(by) {
    const { timeline } = this;
    this.stop();
    const next = Math.min(Math.max(this.at + by, 0), timeline.sheet.length - 1);
    Object.assign(timeline.memory, { selected: null, cursor: next });
    reveal(timeline, next);
    timeline.draw();
  }

  tick() {
    const { timeline, range } = this;
    if (!this.plays) return;
    if (!timeline.element.isConnected || !timeline.sheet?.keys.length) return this.stop();
    requestAnimationFrame(this.tick);
    const now = performance.now();
    const [from, to] = range;
    const fps = timeline.sheet.fps ?? FPS;
    if (this.over !== range.join()) this.began = null; // another segment, or a longer one
    if (this.began === null) {
      if (this.frame < from || this.frame >= to) this.frame = from;
      const waits = !this.load(this.frame, to) && now - this.asked < PATIENCE;
      if (waits) return;
      this.over = range.join();
      this.began = now - ((this.frame - from) * 1000) / fps;
    }
    const next = from + (Math.floor(((now - this.began) * fps) / 1000) % (to - from));
    this.sound.follow(timeline, next);
    if (next === this.frame) return;
    this.frame = next;
    this.load(next, to);
    reveal(timeline, next);
    placeCursor(timeline);
    timeline.drawWhere();
    this.show();
  }

  /** Asks for what comes next. True once it is there. */
  load(frame, to) {
    const last = Math.min(frame + AHEAD, to);
    let all = true;
    for (let n = frame; n < last; n += 1) {
      const { url } = seenAt(this.timeline, n);
      if (url && !isSettled(imageOf(url))) all = false;
    }
    return all;
  }

  draw() {
    const { parts, memory, sheet } = this.timeline;
    parts.player.hidden = !memory.player || !sheet?.keys.length;
    for (const button of parts.plays) {
      const does = this.plays ? t`Stop` : t`Play`;
      button.textContent = this.plays ? "❚❚" : "▶";
      button.title = t`${does} (Space): the selected segment, or the shot`;
      button.setAttribute("aria-label", does);
    }
    if (parts.player.hidden) return;
    this.show();
  }

  show() {
    const { timeline } = this;
    const { parts } = timeline;
    const seen = seenAt(timeline, this.at);
    const image = seen.url ? imageOf(seen.url, () => timeline.draw()) : null;
    parts.tells.textContent = `${this.at + 1} · ${seen.about}`;
    parts.promote.disabled = !seen.file || seen.drawing === 0 || !timeline.editable;
    parts.promote.title = parts.promote.disabled
      ? t`Only a frame that was rendered, as the sheet stands, and that is no key`
      : t`Make this frame a key (M): a breakdown at its place`;
    if (image && !isSettled(image)) return; // the one before stays until this one can be shown
    const { stage } = parts;
    stage.classList.toggle("missing", !image || !isThere(image));
    if (!image || !isThere(image)) return stage.replaceChildren();
    const own = (image.naturalWidth * seen.cells) / image.naturalHeight;
    const aspect = shapeOf(timeline) || own;
    stage.style.setProperty("--aspect", aspect);
    image.style.objectFit = FITS[seen.fit] ?? "fill";
    layCell(image, seen.cell, seen.cells, seen.fit ? own : aspect);
    if (stage.firstChild !== image) stage.replaceChildren(image);
    return undefined;
  }
}
