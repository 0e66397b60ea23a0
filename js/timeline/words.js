/** What the timeline says, in the language of the page: English where a text has no other. */

import { ja } from "./words/ja.js";
import { zh } from "./words/zh.js";
import { zhTW } from "./words/zh_TW.js";

const LANGUAGES = { ja, zh, "zh-TW": zhTW };
const known = new WeakMap(); // by template: its text in English
let words = {};

/** From now on in this language, as ComfyUI calls it. */
export function speak(language) {
  words = LANGUAGES[language] ?? {};
}

/** Tag of a template: t`Frame ${n} of ${all}` is looked up as "Frame {0} of {1}". */
export function t(strings, ...values) {
  if (!known.has(strings)) {
    known.set(strings, strings.reduce((text, part, i) => `${text}{${i - 1}}${part}`));
  }
  const english = known.get(strings);
  return (words[english] ?? english).replace(/\{(\d)\}/g, (_, i) => values[i]);
}

/** The same, of what is written down before the page's language is known: call it for the text. */
export const later = (...given) => () => t(...given);
