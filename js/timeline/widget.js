/** One timeline on one node: its value, what is selected, and the drawing of both. */

import { complaint } from "./check.js";
import { addKeys } from "./edits.js";
import { listenToPointer } from "./gestures.js";
import * as host from "./host.js";
import { listenToKeys } from "./keyboard.js";
import { drawPanel } from "./panel.js";
import { baseName, missingIn, renamed, upload } from "./pictures.js";
import { learn } from "./progress.js";
import { dump, FPS, keyOf, read, sketchOf } from "./sheet.js";
import { build, drawTracks, reveal, zoom } from "./view.js";

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
    this.draw = this.draw.bind(this);
    this.take(value);
    this.widget = host.addWidget(node, name, type, this.element, {
      get: () => this.text,
      set: (value) => this.take(value),
      minHeight: MIN_HEIGHT,
    });
    listenToPointer(this);
    listenToKeys(this);
    this.parts.bar.addEventListener("click", (event) => this.press(event));
    host.remembersFocus(node, this.element, ".scroll");
    host.onShown(node, this.element, { focus: ".scroll", then: this.draw });
    host.chain(node, "onConnectionsChange", this.draw);
    host.onOutput(node, (output) => learn(this, output) && this.draw());
  }

  /** What belongs to the node but not into its sheet: it outlives the element. */
  get memory() {
    const fresh = () => ({ selected: null, cursor: null, scale: null, scroll: 0, states: {} });
    return host.memoryOf(this.node, fresh);
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

  /** Another sheet as the value. done: as one state for undo; else a later call closes it. */
  edit(sheet, done = true) {
    if (!this.editable || sheet === this.sheet) return;
    this.widget.value = dump(sheet);
    host.redraw(this.node);
    if (done) host.checkpoint();
  }

  select(part, id, inSight = false) {
    this.memory.selected = part ? { part, id } : null;
    const frame = part === "sketch" ? Number(id) : keyOf(this.sheet, id)?.frame;
    if (inSight && frame !== undefined) reveal(this, frame);
    this.draw();
  }

  /** The selected key, or that of the selected segment; undefined where there is none. */
  get key() {
    const { selected } = this.memory;
    return selected && selected.part !== "sketch" ? keyOf(this.sheet, selected.id) : undefined;
  }

  get sketch() {
    const { selected } = this.memory;
    return selected?.part === "sketch" ? sketchOf(this.sheet, Number(selected.id)) : undefined;
  }

  /** A button of the bar. */
  press(event) {
    const what = event.target.closest("[data-do]")?.dataset.do;
    if (!what || !this.sheet) return;
    if (what === "add") this.choose((files) => this.addPictures(files));
    if (what === "closer") zoom(this, 1.5);
    if (what === "wider") zoom(this, 1 / 1.5);
    if (what === "fit") Object.assign(this.memory, { scale: null, scroll: 0 });
    this.draw();
  }

  say(message) {
    this.message = message;
    this.draw();
  }

  /** New keys on a frame, or where the ruler was clicked, or behind the last one. */
  async addPictures(files, frame) {
    const names = await this.send(files);
    if (!names?.length) return;
    const apart = Math.max(1, Math.round((this.sheet.fps ?? FPS) / 2));
    const last = this.sheet.keys.at(-1)?.frame ?? -apart;
    const at = frame ?? this.memory.cursor ?? last + apart;
    const before = new Set(this.sheet.keys.map((key) => key.id));
    const next = addKeys(this.sheet, names, Math.max(0, at), apart);
    this.memory.cursor = null;
    this.edit(next);
    this.select("key", next.keys.find((key) => !before.has(key.id)).id, true);
  }

  /** Another picture for the selected key or sketch. */
  async replacePicture(files, change) {
    const names = await this.send(files.slice(0, 1));
    if (names?.length) this.edit(change(names[0]));
  }

  /** Files that were moved, by their names; one for one missing picture whatever its name. */
  async relink(files) {
    const lost = [...new Set(missingIn(this).map(({ image }) => image))];
    const names = await this.send(files);
    if (!names) return;
    const found = new Map();
    for (const image of lost) {
      const at = files.findIndex((file) => baseName(file.name) === baseName(image));
      if (at >= 0) found.set(image, names[at]);
    }
    if (lost.length === 1 && files.length === 1) found.set(lost[0], names[0]);
    this.edit(renamed(this.sheet, found));
    if (!found.size) this.say(`None of these files is called as ${baseName(lost[0])}.`);
  }

  async send(files) {
    if (!this.editable || !files.length) return undefined;
    this.say("Sending the pictures …");
    try {
      const names = await upload(files);
      this.say("");
      return names;
    } catch (error) {
      this.say(`The pictures were not taken: ${error.message}`);
      return undefined;
    }
  }

  /** Asks for files, and gives them to `then`. */
  choose(then, several = true) {
    const { files } = this.parts;
    files.multiple = several;
    files.onchange = () => {
      const chosen = [...files.files];
      files.value = ""; // or the same file again is no change
      then(chosen);
    };
    files.click();
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
    const text = this.where();
    if (parts.where.textContent !== text) parts.where.textContent = text;
    this.drawLine(linked);
  }

  where() {
    const { sheet, memory, key, sketch } = this;
    if (!sheet) return "";
    const frame = key?.frame ?? sketch?.frame ?? memory.cursor;
    const at = (n) => `${(n / (sheet.fps ?? FPS)).toFixed(2)} s`;
    const of = `${sheet.length} frames, ${at(sheet.length)}`;
    return frame === null ? of : `Frame ${frame + 1}, ${at(frame)}, of ${sheet.length}`;
  }

  /** The line that says what is wrong, or that nothing is. */
  drawLine(linked) {
    const { says } = this.parts;
    const lost = this.sheet ? missingIn(this) : [];
    const wrong = this.error || complaint(this.sheet);
    let text = wrong;
    if (lost.length === 1) text = `The picture ${lost[0].image} is missing.`;
    if (lost.length > 1) text = `${lost.length} pictures are missing.`;
    if (this.message) text = this.message;
    if (linked) text = "The sheet comes over the link; what is shown here is not used.";
    const begun = !this.sheet || this.sheet.keys.length > 0; // an empty sheet is not wrong yet
    says.classList.toggle("wrong", begun && Boolean(wrong || lost.length));
    const shown = text || `${this.sheet.keys.length} keys, ready.`;
    const relink = lost.length > 0 && !linked && !this.message;
    if (says.dataset.shown === shown + relink) return;
    says.dataset.shown = shown + relink;
    says.replaceChildren(shown);
    says.title = shown;
    if (!relink) return;
    const button = Object.assign(document.createElement("button"), { type: "button" });
    button.textContent = "Find …";
    button.title = "Choose the files: they are matched by their names";
    button.addEventListener("click", () => this.choose((files) => this.relink(files)));
    says.append(" ", button);
  }
}

/** As ComfyUI asks for a widget: spec is [type, options]. */
export function makeWidget(node, name, spec) {
  const timeline = new Timeline(node, name, spec[0], spec[1]?.default ?? EMPTY);
  return { widget: timeline.widget, minWidth: MIN_WIDTH, minHeight: MIN_HEIGHT };
}
