/** What can be edited in the panel: of the selected key, its segment, a sketch, or the shot. */

import * as edits from "./edits.js";
import { CHARTS, exposureOf, keyOf, segmentOf, sketchOf } from "./sheet.js";
import { later } from "./words.js";

const NUMBER = /^\d+(\.\d+)?$/;
const numbers = (text) => text.split(/[\s,;]+/).filter(Boolean);

/** Text of a field -> value; undefined leaves the field out, and null is not understood. */
const parse = {
  text: (text) => text || undefined,
  whole: (text) => (text === "" ? undefined : /^\d+$/.test(text) ? Number(text) : null),
  number: (text) => (text === "" ? undefined : NUMBER.test(text) ? Number(text) : null),
  share: (text) => Number(text) || undefined,
  exposure(text) {
    const list = numbers(text);
    if (!list.length) return undefined;
    if (!list.every((one) => /^[1-9]\d*$/.test(one))) return null;
    if (list.length > 1) return list.map(Number);
    return Number(list[0]) <= 4 ? Number(list[0]) : null;
  },
  chart(text) {
    if (!text.trim()) return undefined;
    if (CHARTS.includes(text.trim())) return text.trim();
    const list = numbers(text);
    return list.every((one) => NUMBER.test(one) && Number(one) <= 1) ? list.map(Number) : null;
  },
};

const written = (value) => (Array.isArray(value) ? value.join(", ") : String(value ?? ""));

/** A field: input is how it looks, and understand how its text is read; label, title and hint are
 * called for their texts. */
const field = (name, label, input, understand, more) => ({
  ...{ name, label, input, understand },
  ...more,
});

const ofKey = (all) =>
  all.map((one) => ({
    get: (sheet, id) => written(keyOf(sheet, id)[one.name] ?? one.least),
    set: (sheet, id, value) => edits.setKey(sheet, id, { [one.name]: value }),
    ...one,
  }));

const ofSegment = (all) =>
  all.map((one) => ({
    get: (sheet, id) => written(segmentOf(sheet, id)[one.name] ?? one.least),
    set: (sheet, id, value) => edits.setSegment(sheet, id, { [one.name]: value }),
    ...one,
  }));

const ofSketch = (all) =>
  all.map((one) => ({
    get: (sheet, id) => written(sketchOf(sheet, Number(id))[one.name] ?? one.least),
    set: (sheet, id, value) => edits.setSketch(sheet, Number(id), { [one.name]: value }),
    ...one,
  }));

const ofSheet = (all) =>
  all.map((one) => ({
    get: (sheet) => written(sheet[one.name] ?? one.least),
    set: (sheet, _, value) => edits.setSheet(sheet, { [one.name]: value }),
    ...one,
  }));

/** A choice of {the sheet's word: the page's}, whose first answer is the sheet's default, which is not written down. */
const choice = (name, label, answers, title) =>
  field(name, label, "select", (text) => (text === Object.keys(answers)[0] ? undefined : text), {
    answers,
    title,
    least: Object.keys(answers)[0],
  });

const slow = (name, label, title) =>
  field(name, label, "range", parse.share, { least: 0, title });

const exposure = (fallback) =>
  field("exposure", later`Exposure`, "text", parse.exposure, {
    title: later`Frames that each drawing is shown: 1, 2 (on twos), 3, 4, or a list like 2, 2, 1`,
    hint: fallback,
  });

/** An emptied field changes nothing: every key has a picture. */
const withPicture = (sheet, image, set, id) =>
  image === undefined ? sheet : set(sheet, id, { image });

/** Of what names its picture by a number and not by a file. */
const place = field("image", later`Picture`, "number", parse.whole, {
  title: later`Place in the images that are connected, counted from 0`,
  min: 0,
  when: (item) => typeof item.image === "number",
});

export const KEY = ofKey([
  field("frame", later`Frame`, "number", parse.whole, {
    title: later`Counted from 1`,
    get: (sheet, id) => String(keyOf(sheet, id).frame + 1),
    set: (sheet, id, value) => (value ? edits.moveKey(sheet, id, value - 1) : sheet),
  }),
  choice("kind", later`Mark`, { key: later`key`, breakdown: later`breakdown` },
    later`A label; both end a segment`),
  choice("motion", later`Motion`, { auto: later`auto`, through: later`through`, stop: later`stop` },
    later`Whether the motion goes on through this key at one speed; auto: judged by the pictures`),
  { ...place, set: (sheet, id, image) => withPicture(sheet, image, edits.setKey, id) },
  field("note", later`Note`, "text", parse.text, { wide: true }),
]);

export const SEGMENT = ofSegment([
  choice("mode", later`Mode`, { tween: later`tween`, hold: later`hold` },
    later`hold: the key stands until the next one`),
  exposure((sheet, id) => written(exposureOf(sheet, id))),
  slow("slow_out", later`Slow out`, later`How slowly the first key is left`),
  slow("slow_in", later`Slow in`, later`How slowly the next key is reached`),
  field("chart", later`Chart`, "text", parse.chart, {
    title: later`Where the drawings lie on the way: a name, or a place of 0 to 1 for each`,
    offers: CHARTS,
    hint: later`by slow out and in`,
  }),
  field("prompt", later`Prompt`, "area", parse.text, {
    wide: true,
    hint: (sheet) => sheet.prompt ?? "",
  }),
  field("seed", later`Seed`, "text", parse.whole, { hint: later`from the key` }),
  field("takes", later`Takes`, "number", (text) => parse.whole(text) || undefined, {
    least: 1,
    title: later`How many are made; the first is shown until one is locked`,
  }),
  field("lock", later`Lock`, "text", parse.text, {
    title: later`The name of the take that is shown whatever else changes`,
    hint: later`no take`,
  }),
]);

export const SKETCH = ofSketch([
  { ...place, set: (sheet, id, image) => withPicture(sheet, image, edits.setSketch, Number(id)) },
  field("strength", later`Strength`, "text", parse.number, { hint: later`the model's` }),
  field("start", later`From`, "range", parse.share, { least: 0, title: later`Part of the sampling` }),
  field("end", later`To`, "range", (text) => (text === "1" ? undefined : Number(text)), {
    least: 1,
    title: later`Part of the sampling`,
  }),
]);

export const SHOT = ofSheet([
  field("length", later`Length`, "number", parse.whole, {
    title: later`Frames of the shot`,
    set: (sheet, _, value) => (value ? edits.setLength(sheet, value) : sheet),
  }),
  field("fps", later`Fps`, "number", (text) => parse.number(text) || undefined, {
    least: 24,
    step: "any",
    title: later`Frames a second`,
  }),
  exposure(() => "1"),
  field("seed", later`Seed`, "text", parse.whole, { hint: () => "123" }),
  field("width", later`Width`, "text", parse.whole, { hint: later`first key's` }),
  field("height", later`Height`, "text", parse.whole, { hint: later`first key's` }),
  choice("fit", later`Fit`, { pad: later`pad`, crop: later`crop`, stretch: later`stretch` },
    later`How pictures of another size come to it`),
  field("loop", later`Loop`, "check", (on) => (on ? true : undefined), {
    title: later`The last segment ends at the first key`,
    get: (sheet) => Boolean(sheet.loop),
  }),
  field("prompt", later`Prompt`, "area", parse.text, { wide: true, hint: later`What happens` }),
  field("negative", later`Avoid`, "area", parse.text, { wide: true }),
]);
