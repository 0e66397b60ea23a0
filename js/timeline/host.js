/**
 * What ComfyUI's page needs from a widget made of HTML, and nothing of the timeline itself. The
 * page draws nodes in two ways: LiteGraph, on a canvas with elements above it, and Nodes 2.0, in
 * HTML. Version numbers are those of comfyui-frontend-package.
 */

import { api } from "../../../scripts/api.js";
import { app } from "../../../scripts/app.js";

const MARGIN = 10; // that LiteGraph leaves on each side of an element
const SOON = [0, 60, 300, 1000]; // ms after which Nodes 2.0 has put its components into the page

/** Our element as the node's widget, whose value is what `get` and `set` say. */
export function addWidget(node, name, type, element, { get, set, minHeight }) {
  element.classList.add("widget-expands"); // 1.32: else Nodes 2.0 does not let it grow
  element.dataset.widget = name;
  const widget = node.addDOMWidget(name, type, element, {
    getValue: get,
    setValue: set,
    getMinHeight: () => minHeight + 2 * MARGIN,
    hideOnZoom: false,
    // By default focus and click bring the node to the front, which is a state for undo.
    selectOn: [],
  });
  // 1.43 to 1.58: the side panel writes its own width here, and LiteGraph would draw with it.
  Object.defineProperty(widget, "width", { get: () => undefined, set() {}, configurable: true });
  return widget;
}

/** A state for undo. Edits by keyboard would make none by themselves. */
export function checkpoint() {
  app.canvas?.emitBeforeChange?.();
  app.canvas?.emitAfterChange?.();
  clearTimeout(settling);
  // Not by the clock: a busy page's timers are late, but they come one after the other.
  settling = setTimeout(() => {
    settling = 0;
    for (const then of waiting.splice(0)) then();
  }, SETTLING);
}

// 1.49 to 1.58: 50 ms after a state the page makes whatever has changed since a part of it.
const SETTLING = 80;
const waiting = [];
let settling = 0;

/** Calls `then` at once, or when a state for undo is closed. */
export function onceSettled(then) {
  if (settling) waiting.push(then);
  else then();
}

export function redraw(node) {
  node.graph?.setDirtyCanvas?.(true, true);
}

/** Nodes 2.0 does not select a node whose press was stopped on the way. */
export function selectNode(node) {
  app.canvas?.selectNode?.(node);
}

const nodes2 = () => Boolean(globalThis.LiteGraph?.vueNodesMode);

/** A middle button's drag pans the graph also over the widget. True where it is one. */
export function pans(event) {
  const middle = event.button === 1 || (event.buttons & 4) !== 0;
  const passed = { pointerdown: "processMouseDown", pointermove: "processMouseMove" };
  if (middle) app.canvas?.[passed[event.type] ?? "processMouseUp"]?.(event);
  return middle;
}

/** The wheel zooms the graph also over the widget; Nodes 2.0 sees to that itself. */
export function zoomGraph(event) {
  if (nodes2()) return;
  event.preventDefault();
  app.canvas?.processMouseWheel?.(event);
}

export function chain(node, method, then) {
  const before = node[method];
  node[method] = function (...given) {
    const answer = before?.apply(this, given);
    then.apply(this, given);
    return answer;
  };
}

/** Calls `then` with the ui of the node and of those that its outputs go to, once they have run. */
export function onOutput(node, then) {
  const heard = ({ detail }) => {
    if (!isIn(node) || !detail?.output) return;
    const id = String(detail.display_node ?? detail.node).split(":").at(-1); // 5:3 is in a subgraph
    const other = node.graph.getNodeById(Number(id));
    const from = (link) => (node.graph.getLink?.(link) ?? node.graph.links?.get?.(link))?.origin_id;
    if (other?.inputs?.some(({ link }) => from(link) === node.id)) then(detail.output);
  };
  api.addEventListener("executed", heard);
  chain(node, "onExecuted", then);
  chain(node, "onRemoved", () => api.removeEventListener("executed", heard));
}

/** Whether a link gives the value: the page of 1.32 leaves the widget in Nodes 2.0 usable then. */
export function isLinked(node, name) {
  const socket = node.inputs?.find((input) => (input.widget?.name ?? input.name) === name);
  return socket?.link !== null && socket?.link !== undefined;
}

const remembered = new Map();
const address = (node) => `${node.graph?.id ?? ""}:${node.id}`;

/**
 * What belongs to a node but not into its value: selection, zoom. Undo makes every node anew, with
 * its old id, so it is kept here by that.
 */
export function memoryOf(node, fresh) {
  if (!isIn(node)) return (node.toonMemory ??= fresh());
  const at = address(node);
  if (!remembered.has(at)) remembered.set(at, node.toonMemory ?? fresh());
  return remembered.get(at);
}

// 1.58 configures a node that is in no graph, with the id of the one it was copied from.
const isIn = (node) => node.graph?.getNodeById?.(node.id) === node;

let focused = ""; // the address of the node whose element had the keyboard last

export function remembersFocus(node, element, selector) {
  element.addEventListener("focusin", (event) => {
    focused = event.target.closest(selector) ? address(node) : "";
  });
}

function forgetsFocus(event) {
  if (!event.target.closest?.("[data-toon-widget]")) focused = "";
}
document.addEventListener("pointerdown", forgetsFocus, true);
document.addEventListener("focusin", forgetsFocus, true);

/**
 * Calls `then` whenever the element has come into the page, or may have.
 *
 * Undo, another tab and a second load make new nodes with old ids; the component of Nodes 2.0 stays
 * and goes on showing the element of the node that is gone (1.32 to 1.58). Ours replaces it.
 */
export function onShown(node, element, { focus, then }) {
  element.dataset.toonWidget = "";
  const settle = () => {
    if (!isIn(node)) return;
    if (!element.isConnected && nodes2()) {
      const shown = document.querySelectorAll(`[data-node-id="${node.id}"] [data-toon-widget]`);
      const stale = [...shown].find((one) => one.dataset.widget === element.dataset.widget);
      stale?.replaceWith(element);
    }
    // The keyboard goes on where it was: else the next Ctrl+Z or arrow would be the page's.
    if (focused === address(node) && !element.contains(document.activeElement)) {
      element.querySelector(focus)?.focus({ preventScroll: true });
    }
    then();
  };
  const soon = () => SOON.forEach((ms) => setTimeout(settle, ms));
  chain(node, "onAdded", soon);
  chain(node, "onConfigure", soon);
  // It gets a size when it is shown, on a busy machine long after the above.
  const resized = new ResizeObserver(settle);
  resized.observe(element);
  chain(node, "onRemoved", () => resized.disconnect());
}
