/** The panel below the film: the fields of what is selected, and of the shot where nothing is. */

import { setKey, setSketch } from "./edits.js";
import { KEY, SEGMENT, SHOT, SKETCH } from "./fields.js";
import { choose, replacePicture } from "./intake.js";
import { CHARTS, indexOf, isDrawn, places } from "./sheet.js";
import { drawTakes, takesRow } from "./takes.js";
import { t } from "./words.js";

/** Fields are made when the selection changes; else only their values are, so that nothing is
 * taken from under somebody's fingers. */
export function drawPanel(timeline) {
  const { parts, sheet } = timeline;
  const { panel } = parts;
  panel.hidden = !sheet;
  if (!sheet) {
    delete panel.dataset.of;
    return;
  }
  const groups = groupsOf(timeline);
  const of = groups.map(({ name, item }) => `${name} ${typeof item?.image}`).join("|");
  if (panel.dataset.of !== of) {
    panel.dataset.of = of;
    panel.toonInputs = [];
    panel.replaceChildren(...groups.map((group) => fieldset(timeline, group)));
  }
  for (const { input, one, id } of panel.toonInputs) show(input, one, sheet, id);
  drawSpacing(timeline);
  drawTakes(timeline);
}

function groupsOf(timeline) {
  const { key, sketch, sheet } = timeline;
  if (sketch) {
    const id = String(sketch.frame);
    const legend = t`Sketch on frame ${sketch.frame + 1}`;
    return [{ name: `sketch ${id}`, legend, fields: SKETCH, id, item: sketch }];
  }
  if (!key) return [{ name: "shot", legend: t`Shot`, fields: SHOT }];
  const { id } = key;
  const index = indexOf(sheet, id);
  const groups = [{ name: `key ${id}`, legend: t`Key ${index + 1}`, fields: KEY, id, item: key }];
  if (index + 1 < sheet.keys.length || sheet.loop) {
    const to = index + 1 < sheet.keys.length ? index + 2 : 1;
    const legend = t`Segment ${index + 1} – ${to}`;
    groups.push({ name: `segment ${id} ${to}`, legend, fields: SEGMENT, id });
  }
  if (timeline.memory.selected.part === "segment") groups.reverse();
  return groups;
}

function fieldset(timeline, { legend, fields, id, item }) {
  const set = document.createElement("fieldset");
  set.append(Object.assign(document.createElement("legend"), { textContent: legend }));
  if (fields === SEGMENT) set.append(takesRow(timeline));
  for (const one of fields.filter((each) => each.when?.(item) ?? true)) {
    const label = document.createElement("label");
    label.className = one.wide ? "wide" : one.input;
    label.title = one.title?.() ?? "";
    const input = makeInput(one);
    listen(timeline, input, one, id);
    timeline.parts.panel.toonInputs.push({ input, one, id });
    label.append(Object.assign(document.createElement("span"), { textContent: one.label() }), input);
    set.append(label, ...offers(one, input));
    if (one.name === "chart") set.append(spacing());
  }
  if (fields === KEY) {
    set.append(replaceButton(timeline, (sheet, image) => setKey(sheet, id, { image })));
  }
  if (fields === SKETCH) {
    set.append(replaceButton(timeline, (sheet, image) => setSketch(sheet, Number(id), { image })));
  }
  return set;
}

function makeInput(one) {
  const tags = { select: "select", area: "textarea" };
  const input = document.createElement(tags[one.input] ?? "input");
  input.name = one.name;
  if (one.input === "select") {
    const answers = Object.entries(one.answers);
    input.append(...answers.map(([answer, word]) => new Option(word(), answer)));
  } else if (one.input === "area") input.rows = 2;
  else input.type = { check: "checkbox" }[one.input] ?? one.input;
  if (one.input === "range") Object.assign(input, { min: 0, max: 1, step: 0.05 });
  if (one.input === "number") Object.assign(input, { min: one.min ?? 1, step: one.step ?? 1 });
  input.autocomplete = "off";
  return input;
}

let lists = 0;

function offers(one, input) {
  if (!one.offers) return [];
  const list = document.createElement("datalist");
  list.id = `toon-timeline-list-${(lists += 1)}`;
  list.append(...one.offers.map((offer) => new Option(offer)));
  input.setAttribute("list", list.id);
  return [list];
}

/** The value changes with every letter, since the graph may be queued before the field is left; one
 * state for undo is made when it is. */
function listen(timeline, input, one, id) {
  const write = () => {
    // A field that goes with its selection may still say that it has changed.
    if (!timeline.parts.panel.toonInputs.some((other) => other.input === input)) return;
    const value = one.understand(one.input === "check" ? input.checked : input.value);
    input.setCustomValidity(value === null ? t`not understood` : "");
    if (value !== null) timeline.edit(one.set(timeline.sheet, id, value), false);
  };
  // A number on its way, like the 1 of 12, would move a key about.
  if (one.input !== "number") input.addEventListener("input", write);
  input.addEventListener("change", () => {
    write();
    delete input.dataset.shown; // a number out of range becomes one within
    timeline.finish();
    timeline.drawNow(); // at the next frame it would take away what is typed by then
  });
}

function show(input, one, sheet, id) {
  const value = one.get(sheet, id);
  if (one.hint) input.placeholder = one.hint(sheet, id);
  if (one.input === "check") {
    input.checked = value;
    return;
  }
  // What is being typed stays as it is while it stands for the value, say "2," for 2, or for none.
  const told = (text) => JSON.stringify(one.understand(text) ?? null);
  const typed = input === document.activeElement &&
    (input.dataset.shown === value || told(input.value) === told(value));
  if (input.value !== value && !typed) {
    input.value = value;
    input.setCustomValidity("");
  }
  input.dataset.shown = value;
}

function replaceButton(timeline, change) {
  const button = Object.assign(document.createElement("button"), { type: "button" });
  button.textContent = t`Picture …`;
  button.title = t`Another picture from a file`;
  button.addEventListener("click", () => {
    const put = (image) => change(timeline.sheet, image);
    choose(timeline, (files) => replacePicture(timeline, files, put), false);
  });
  return button;
}

/** The ladder that animators draw beside a key: where the drawings lie on the way. */
function spacing() {
  const figure = document.createElement("div");
  figure.className = "spacing";
  figure.setAttribute("role", "img");
  return figure;
}

function drawSpacing({ parts, sheet, key }) {
  const figure = parts.panel.querySelector(".spacing");
  if (!figure) return;
  const index = indexOf(sheet, key.id);
  const { chart } = sheet.segments?.find((one) => one.from === key.id) ?? {};
  const known = typeof chart !== "string" || CHARTS.includes(chart);
  const where = isDrawn(sheet, index) && known ? places(sheet, index) : [];
  const lines = where.map((place) => `M${(place * 100).toFixed(2)} 4V12`).join("");
  figure.innerHTML = `<svg viewBox="0 0 100 16" preserveAspectRatio="none" aria-hidden="true">
    <path d="M0 8H100M0 1V15M100 1V15"/><path class="between" d="${lines}"/></svg>`;
  const text = t`Timing chart: ${where.length} drawings between the keys`;
  figure.title = text;
  figure.setAttribute("aria-label", text);
}
