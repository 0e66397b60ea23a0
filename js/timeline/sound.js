/** The sound that a sheet names, as a waveform under its frames. */

import { api } from "../../../scripts/api.js";
import { FPS } from "./sheet.js";
import { viewAddress } from "./pictures.js";
import { t } from "./words.js";

const RATE = 8000; // samples a second, enough for what is drawn
const PEAKS = 100; // a second
const HEIGHT = 28;
const heard = new Map(); // by file: its peaks, [] where there are none

/** Peaks of a file, PEAKS a second; undefined until they are there, and then `ready` is called. */
function peaksOf(file, ready) {
  if (heard.has(file)) return heard.get(file);
  heard.set(file, undefined);
  listen(file).then(
    (peaks) => heard.set(file, peaks),
    () => heard.set(file, []),
  ).then(ready);
  return undefined;
}

async function listen(file) {
  const answer = await api.fetchApi(viewAddress(file));
  if (!answer.ok) throw new Error(`${file}: ${answer.status}`);
  const decoder = new OfflineAudioContext(1, 1, RATE);
  const samples = (await decoder.decodeAudioData(await answer.arrayBuffer())).getChannelData(0);
  const each = RATE / PEAKS;
  return Array.from({ length: Math.floor(samples.length / each) }, (_, i) => {
    let most = 0;
    for (let at = i * each; at < (i + 1) * each; at += 1) {
      most = Math.max(most, Math.abs(samples[at]));
    }
    return most;
  });
}

/** Of the sheet's file, or else of sound that came to Toon Render Shot over a link:
 * {name, peaks, rate: of them a second, offset}; null for a shot without. */
function soundOf({ sheet, memory, draw }) {
  const { file, offset = 0 } = sheet.audio ?? {};
  if (typeof file === "string") {
    return { name: file, peaks: peaksOf(file, draw) ?? [], rate: PEAKS, offset };
  }
  const { peaks, rate } = memory.rendered ?? {};
  if (!Array.isArray(peaks) || !(rate > 0)) return null;
  if (!linked.has(peaks)) linked.set(peaks, peaks.map((most) => most / 255));
  return { name: t`Sound of Toon Render Shot`, peaks: linked.get(peaks), rate, offset: 0 };
}

const linked = new WeakMap();

export function drawSound(svg, { timeline, x, px, sight }) {
  const { fps, length } = timeline.sheet;
  const sound = soundOf(timeline);
  svg.toggleAttribute("hidden", !sound);
  if (!sound) return;
  svg.setAttribute("width", x(length));
  const { peaks, rate, offset } = sound;
  const perFrame = rate / (fps ?? FPS);
  const wide = Math.max(2, px / 4); // pixels between two lines
  const lines = [];
  const from = x(Math.max(0, sight.first));
  for (let at = from; at < x(Math.min(length, sight.last + 1)); at += wide) {
    const frame = (at - x(0)) / px;
    const second = frame / (fps ?? FPS) - offset;
    const begin = Math.floor(second * rate);
    const end = Math.max(begin + 1, Math.ceil(begin + (wide / px) * perFrame));
    const loud = Math.max(0, ...peaks.slice(Math.max(0, begin), Math.max(0, end)));
    const half = Math.max(0.5, (loud * HEIGHT) / 2);
    lines.push(`M${at.toFixed(1)} ${HEIGHT / 2 - half}v${2 * half}`);
  }
  svg.innerHTML = `<title></title><path d="${lines.join("")}"/>`;
  svg.firstChild.textContent = sound.name;
}
