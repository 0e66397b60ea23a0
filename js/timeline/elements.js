/** Elements on a track: they stay the same from one drawing to the next, and only what has changed
 * of them is set. */

export function place(element, left, width) {
  element.style.left = `${left}px`;
  element.style.width = `${width}px`;
}

let made = 0; // for names that are unique in the page

export function option(className) {
  const element = document.createElement("div");
  element.className = className;
  element.id = `toon-timeline-${(made += 1)}`;
  element.setAttribute("role", "option");
  return element;
}

/** Elements that stay the same from one drawing to the next, one for each item in sight. */
export function reuse(track, items, name, make, update) {
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

export function mark(element, classes) {
  for (const [name, on] of Object.entries(classes)) element.classList.toggle(name, on);
}

export function setPath(path, lines, width) {
  if (path.getAttribute("d") !== lines) path.setAttribute("d", lines);
  if (path.ownerSVGElement.style.width !== width) path.ownerSVGElement.style.width = width;
}

// What is set again to what it is costs a layout: too much for hundreds of keys in a drag.
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function describe(element, text) {
  if (element.title === text) return;
  element.title = text;
  element.setAttribute("aria-label", text);
}

export function setBackground(element, url) {
  if (element.dataset.url === url) return; // or the picture flickers
  element.dataset.url = url;
  element.style.backgroundImage = url ? `url("${url}")` : "";
}
