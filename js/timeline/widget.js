/** One timeline on one node: its value, what is selected, and the drawing of both. */

import { complaint } from "./check.js";
import { listenToFiles } from "./clipboard.js";
import { listenToPointer } from "./gestures.js";
import * as host from "./host.js";
import { addPictures, choose, makeKey, relink } from "./intake.js";
import { listenToKeys } from "./keyboard.js";
import { drawPanel } from "./panel.js";
import { missingIn } from "./pictures.js";
import { Player } from "./player.js";
import { learn, nothingKnown } from "./progress.js";
import { dump, FPS, keyOf, read, sketchOf } from "./sheet.js";
import { build, drawTracks, reveal, zoom } from "./view.js";
import { t } from "./words.js";

const MIN_HEIGHT = 330;
const MIN_WIDTH = 420;
const EMPTY = '{"version": 1, "length": 24, "keys": []}';

export class Timeline {
  constructor(node, name, type, value) {
    this.node = node;
    this.name = name;
    this.element = Object.assign(document.createElement("div"), { className: "toon-timeline" });
    this.element.setAttribute("role", "group");
    this.parts = build(this.element);
    this.drag = null;
    this.message = "";
    this.player = new Player(this);
    this.draw = this.draw.bind(this);
    this.take(value);
    this.told = this.text; // as the page knows it
    this.widget = host.addWidget(node, name, type, this.element, {
      get: () => this.told,
      set: (value) => {
        this.take(value);
        this.told = this.text;
      },
      minHeight: MIN_HEIGHT,
    });
    listenToPointer(this);
    listenToKeys(this);
    listenToFiles(this);
    this.parts.player.addEventListener("click", (event) => this.press(event));
    this.parts.bar.addEventListener("click", (event) => this.press(event));
    host.remembersFocus(node, this.element, ".scroll");
    host.onShown(node, this.element, { focus: ".scroll", then: this.draw });
    host.chain(node, "onConnectionsChange", this.draw);
    host.onOutput(node, (output) => learn(this, output) && this.draw());
  }

  /** What belongs to the node but not into its sheet: it outlives the element. */
  get memory() {
    const view = { selected: null, cursor: null, row: "keys", scale: null, scroll: 0 };
    return host.memoryOf(this.node, () => ({ ...view, player: false, ...nothingKnown() }));
  }

  /** Whether the sheet can be edited here. */
  get editable() {
    return this.sheet !== null && !host.isLinked(this.node, this.name);
  }

  take(value) {
    this.text = typeof value === "string" ? value : dump(value);
    Object.assign(this, read(this.text));
    this.draw();
  }

  /** Another sheet as the value. done: as one state for undo; else `finish` closes it. */
  edit(sheet, done = true) {
    if (!this.editable || sheet === this.sheet) return;
    this.before ??= this.told;
    this.message = "";
    this.take(sheet);
    if (done) this.finish();
    // The page would take what is under way for a part of the state before.
    else host.onceSettled(() => this.tell());
  }

  /** Back to how an edit under way began. */
  takeBack() {
    if (this.before !== undefined) this.take(this.before);
    this.finish();
  }

  /** Closes an edit, as one state for undo if it has changed something. */
  finish() {
    this.tell();
    const changed = this.before !== undefined && this.before !== this.told;
    this.before = undefined;
    if (changed) host.checkpoint();
  }

  /** The page gets to know what is shown. */
  tell() {
    if (this.told === this.text) return;
    this.widget.value = this.text;
    host.redraw(this.node);
  }

  select(part, id, inSight = false) {
    this.message = "";
    this.memory.selected = part ? { part, id } : null;
    this.memory.row = part === "sketch" ? "sketches" : "keys";
    if (part) this.memory.cursor = null;
    const frame = part === "sketch" ? Number(id) : keyOf(this.sheet, id)?.frame;
    if (inSight && frame !== undefined) reveal(this, frame);
    this.draw();
  }

  /** The selected key, or that of the selected segment; undefined where there is none. */
  get key() {
    const { selected } = this.memory;
    return selected && selected.part !== "sketch" ? keyOf(this.sheet, selected.id) : undefined;
  }

  /** The row that a picture is pasted onto. */
  get row() {
    return this.memory.row;
  }

  get sketch() {
    const { selected } = this.memory;
    return selected?.part === "sketch" ? sketchOf(this.sheet, Number(selected.id)) : undefined;
  }

  /** A button of the bar. */
  press(event) {
    const what = event.target.closest("[data-do]")?.dataset.do;
    if (!what || !this.sheet) return;
    if (what === "add") choose(this, (files) => addPictures(this, files, "keys"));
    if (what === "sketch") choose(this, (files) => addPictures(this, files, "sketches"));
    if (what === "play") this.player.toggle();
    if (what === "back") this.player.step(-1);
    if (what === "on") this.player.step(1);
    if (what === "key") makeKey(this);
    if (what === "close") this.hidePlayer();
    if (what === "closer") zoom(this, 1.5);
    if (what === "wider") zoom(this, 1 / 1.5);
    if (what === "fit") {
      Object.assign(this.memory, { scale: null, scroll: 0 });
      this.scrolls = true;
    }
    this.draw();
  }

  hidePlayer() {
    this.player.stop();
    this.memory.player = false;
  }

  say(message) {
    this.message = message;
    this.draw();
  }

  draw() {
    if (this.drawing) return;
    this.drawing = requestAnimationFrame(() => {
      this.drawing = 0;
      this.drawNow();
    });
  }

  drawNow() {
    const { parts, element, memory, sheet } = this;
    const linked = host.isLinked(this.node, this.name);
    element.classList.toggle("unreadable", !sheet);
    element.classList.toggle("linked", linked);
    element.inert = linked;
    if (sheet && memory.selected && !this.key && !this.sketch) memory.selected = null;
    if (!memory.selected) parts.scroll.removeAttribute("aria-activedescendant");
    drawTracks(this);
    drawPanel(this);
    this.player.draw();
    this.drawWhere();
    this.drawLine(linked);
  }

  drawWhere() {
    const { where } = this.parts;
    const text = this.where();
    if (where.textContent === text) return;
    where.textContent = text;
    where.title = text;
  }

  where() {
    const { sheet, memory, key, sketch, player } = this;
    if (!sheet) return "";
    const frame = player.frame ?? memory.cursor ?? key?.frame ?? sketch?.frame ?? null;
    const at = (n) => `${(n / (sheet.fps ?? FPS)).toFixed(2)} s`;
    const of = t`${sheet.length} frames, ${at(sheet.length)}`;
    return frame === null ? of : t`Frame ${frame + 1}, ${at(frame)}, of ${sheet.length}`;
  }

  /** The line that says what is wrong, or that nothing is. */
  drawLine(linked) {
    const { says } = this.parts;
    const lost = this.sheet ? missingIn(this) : [];
    const wrong = this.error || complaint(this.sheet);
    let text = wrong;
    if (lost.length === 1) text = t`The picture ${lost[0].image} is missing.`;
    if (lost.length > 1) text = t`${lost.length} pictures are missing.`;
    if (this.message) text = this.message;
    if (linked) text = t`The sheet comes over the link; what is shown here is not used.`;
    const begun = !this.sheet || this.sheet.keys.length > 0; // an empty sheet is not wrong yet
    says.classList.toggle("wrong", begun && Boolean(wrong || lost.length));
    const shown = text || t`${this.sheet.keys.length} keys, ready.`;
    const offers = lost.length > 0 && !linked && !this.message;
    if (says.dataset.shown === shown + offers) return;
    says.dataset.shown = shown + offers;
    says.replaceChildren(shown);
    says.title = shown;
    if (!offers) return;
    const button = Object.assign(document.createElement("button"), { type: "button" });
    button.textContent = t`Find …`;
    button.title = t`Choose the files: they are matched by their names`;
    button.addEventListener("click", () => choose(this, (files) => relink(this, files)));
    says.append(" ", button);
  }
}

/** As ComfyUI asks for a widget: spec is [type, options]. */
export function makeWidget(node, name, spec) {
  const timeline = new Timeline(node, name, spec[0], spec[1]?.default ?? EMPTY);
  return { widget: timeline.widget, minWidth: MIN_WIDTH, minHeight: MIN_HEIGHT };
}
