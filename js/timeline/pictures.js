/** Pictures: where their thumbnails come from, and how new ones get into ComfyUI's input folder. */

import { api } from "../../../scripts/api.js";

const KEYS = "keys"; // below the input folder, for what is dropped and pasted
const THROUGH = ["ImageBatch", "BatchImagesNode", "Reroute"]; // that pass pictures on in order

/** Of a file below ComfyUI's input folder, or that for output; more: of the query. */
export function viewAddress(file, type = "input", more = {}) {
  const cut = file.lastIndexOf("/");
  const names = { filename: file.slice(cut + 1), subfolder: cut < 0 ? "" : file.slice(0, cut) };
  return `/view?${new URLSearchParams({ ...names, type, ...more })}`;
}

const urls = new Map(); // of hundreds of keys, at every drawing

/** The same as an address for the page's elements. */
export function urlOf(file, type, more) {
  if (type) return api.apiURL(viewAddress(file, type, more));
  if (!urls.has(file)) urls.set(file, api.apiURL(viewAddress(file)));
  return urls.get(file);
}

/**
 * The thumbnail's address, "" where none is known. A number is a place in the batch at the node's
 * input, whose pictures are known where Load Image or Toon Example Shot nodes make it, else once
 * the node ran.
 */
export function pictureUrl(timeline, image, input = "images") {
  const url = typeof image === "number" ? numberedUrl(timeline, image, input) : fileUrl(image);
  if (!url) return "";
  if (!known.has(url)) lookFor(url, timeline.draw);
  return url;
}

const fileUrl = (file) => (file && typeof file === "string" ? urlOf(file) : "");

function numberedUrl({ node, memory }, number, input) {
  const made = memory.pictures[input]?.[number];
  return batchUrls(node, input)[number] ?? (made ? urlOf(made, "temp") : "");
}

function batchUrls(node, name) {
  const slot = node.inputs?.findIndex((input) => input.name === name) ?? -1;
  return slot < 0 ? [] : urlsBehind(node, slot, new Set());
}

function urlsBehind(node, slot, seen) {
  const link = node.inputs[slot]?.link;
  if (link === null || link === undefined) return [];
  const { origin_id: id } = node.graph?.getLink?.(link) ?? node.graph?.links?.get?.(link) ?? {};
  const source = node.graph?.getNodeById?.(id);
  if (!source || seen.has(source)) return [undefined];
  const chosen = (name) => source.widgets?.find((widget) => widget.name === name)?.value;
  if (source.type === "LoadImage") return [fileUrl(chosen("image"))];
  if (source.type === "ToonLoadShot") return exampleUrls(chosen("shot"));
  if (!THROUGH.includes(source.type)) return [undefined];
  const further = new Set([...seen, source]);
  return source.inputs.flatMap((_, i) => urlsBehind(source, i, further));
}

const MOST = 16; // drawings of an example

/** Of the drawings that this pack brings, beside this file. */
const exampleUrls = (shot) =>
  Array.from({ length: MOST }, (_, n) => new URL(`../example/${shot}/${n}.png`, import.meta.url).href);

const known = new Map(); // by address: "asked", "there" or "missing"

export const isMissing = (url) => known.get(url) === "missing";

/** A picture that was missing may be there by now. */
export function lookAgain() {
  for (const [url, state] of known) if (state === "missing") known.delete(url);
}

function lookFor(url, ready) {
  known.set(url, "asked");
  const picture = new Image();
  picture.onload = () => known.set(url, "there");
  picture.onerror = () => {
    known.set(url, "missing");
    ready();
  };
  picture.src = url;
}

/** Pictures among what was dropped or pasted. */
export const picturesIn = (transfer) =>
  [...(transfer?.files ?? [])].filter((file) => file.type.startsWith("image/"));

/** Sends pictures to the server, in order -> their names below the input folder. */
export async function upload(files, folder = KEYS) {
  const names = [];
  for (const file of files) {
    const body = new FormData();
    body.append("image", file, file.name || "pasted.png");
    body.append("subfolder", folder);
    const answer = await api.fetchApi("/upload/image", { method: "POST", body });
    if (!answer.ok) throw new Error(`${file.name}: the server answered ${answer.status}`);
    const { name, subfolder } = await answer.json();
    names.push(subfolder ? `${subfolder}/${name}` : name);
    known.delete(urlOf(names.at(-1)));
  }
  return names;
}

export const baseName = (file) => String(file).split("/").at(-1).toLowerCase();

/** Keys and sketches whose file is not there. */
export function missingIn(timeline) {
  const { keys, sketches } = timeline.sheet;
  const lost = ({ image }) =>
    typeof image === "string" && isMissing(urlOf(image));
  return [...keys, ...(sketches ?? [])].filter(lost);
}

/** The sheet with pictures by other names: by their old name, a new one. */
export function renamed(sheet, names) {
  const renew = (item) => ({ ...item, image: names.get(item.image) ?? item.image });
  const next = { ...sheet, keys: sheet.keys.map(renew) };
  if (sheet.sketches) next.sketches = sheet.sketches.map(renew);
  return next;
}
