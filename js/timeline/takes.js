/** The takes of the selected segment: flipping through them, and locking one. */

import { setSegment } from "./edits.js";
import { shapeOf, takeUrl, viewedTake } from "./film.js";
import { layCell } from "./images.js";
import { segmentOf } from "./sheet.js";
import { t } from "./words.js";

/** Another take of the selected segment is looked at; the sheet does not change. */
export function flip(timeline, by) {
  const { id } = timeline.key ?? {};
  const takes = timeline.memory.states[id]?.takes ?? [];
  if (!takes.length) return;
  const now = takes.findIndex((take) => take.name === viewedTake(timeline, id));
  look(timeline, takes[(now + by + takes.length) % takes.length].name);
}

function look(timeline, name) {
  const { memory, key, player } = timeline;
  memory.viewed[key.id] = name;
  if (memory.selected.part !== "segment") timeline.select("segment", key.id);
  player.play();
  timeline.draw();
}

/** Shows the take that is looked at whatever else changes, or no longer. */
export function toggleLock(timeline) {
  const { key, sheet } = timeline;
  if (!key) return;
  const name = viewedTake(timeline, key.id);
  const { lock } = segmentOf(sheet, key.id);
  if (!name && !lock) return;
  const opens = lock && (lock === name || !name);
  timeline.edit(setSegment(sheet, key.id, { lock: opens ? undefined : name }));
}

/** The row in the panel: it is filled by `drawTakes`. */
export function takesRow(timeline) {
  const row = document.createElement("div");
  row.className = "takes";
  row.setAttribute("role", "group");
  row.setAttribute("aria-label", t`Takes that are made`);
  row.innerHTML = `
    <div class="flip">
      <button type="button" data-take-by="-1" title="${t`Previous take`} ([)"
              aria-label="${t`Previous take`}">◀</button>
      <span class="which" role="status"></span>
      <button type="button" data-take-by="1" title="${t`Next take`} (])"
              aria-label="${t`Next take`}">▶</button>
      <button type="button" class="lock"></button>
    </div>
    <div class="strip"></div>`;
  row.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.takeBy) flip(timeline, Number(button.dataset.takeBy));
    else if (button.dataset.take) look(timeline, button.dataset.take);
    else toggleLock(timeline);
  });
  return row;
}

export function drawTakes(timeline) {
  const { parts, key, sheet, memory } = timeline;
  const row = parts.panel.querySelector(".takes");
  if (!row) return;
  const known = memory.states[key.id];
  const takes = known?.takes ?? [];
  const { lock } = segmentOf(sheet, key.id);
  const name = viewedTake(timeline, key.id);
  const number = takes.findIndex((take) => take.name === name) + 1;
  const used = lock || known?.take;
  row.toggleAttribute("hidden", !takes.length && !lock);
  const which = row.querySelector(".which");
  const isUsed = name === used ? `, ${t`used`}` : "";
  const text = number ? t`Take ${number} of ${takes.length}` + isUsed : t`Take`;
  if (which.textContent !== text) which.textContent = text;
  which.title = name;
  for (const button of row.querySelectorAll("[data-take-by]")) button.disabled = takes.length < 2;
  const button = row.querySelector(".lock");
  const locked = Boolean(lock) && (lock === name || !name);
  button.textContent = locked ? t`Locked` : t`Lock`;
  button.setAttribute("aria-pressed", locked);
  button.title = locked
    ? t`Unlock (L): the take follows the sheet again`
    : t`Lock (L): this take is shown whatever else changes`;
  drawStrip(timeline, row.querySelector(".strip"), takes, { name, used, lock });
}

/** A small picture of each, from the middle of its way. */
function drawStrip(timeline, strip, takes, { name, used, lock }) {
  const of = takes.map((take) => take.name).join();
  if (strip.dataset.of !== of) {
    strip.dataset.of = of;
    strip.replaceChildren(...takes.map((take, i) => thumbnail(timeline, take, i)));
  }
  for (const [i, button] of [...strip.children].entries()) {
    const own = takes[i].name;
    button.setAttribute("aria-pressed", own === name);
    button.classList.toggle("used", own === used);
    button.dataset.mark = own === lock ? "lock" : own === used ? "✓" : "";
    const told = [t`Take ${i + 1}`, own];
    if (own === lock) told.push(t`locked`);
    else if (own === used) told.push(t`used`);
    if (button.title !== told.join(", ")) button.title = told.join(", ");
  }
}

function thumbnail(timeline, { name, frames }, index) {
  const button = Object.assign(document.createElement("button"), { type: "button" });
  button.dataset.take = name;
  const picture = document.createElement("i");
  const image = Object.assign(new Image(), { draggable: false, alt: "" });
  image.onload = () => {
    const aspect = shapeOf(timeline) || 1.6;
    picture.style.aspectRatio = aspect;
    layCell(image, Math.floor(frames / 2), frames, aspect);
    picture.append(image);
  };
  image.src = takeUrl(timeline, name);
  button.append(picture, String(index + 1));
  return button;
}
