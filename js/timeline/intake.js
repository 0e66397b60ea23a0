/** What comes in: new keys and sketches, pictures by other names, and rendered frames as keys. */

import { addKeys, addSketches, promote } from "./adding.js";
import { seenAt } from "./film.js";
import { baseName, missingIn, renamed, upload } from "./pictures.js";
import { endOf, FPS, indexOf } from "./sheet.js";
import { t } from "./words.js";

const PROMOTED = "toontween"; // below the input folder, as nodes/promote.py has it

/** Asks for files, and gives them to `then`. */
export function choose({ parts }, then, several = true) {
  const { files } = parts;
  files.multiple = several;
  files.onchange = () => {
    const chosen = [...files.files];
    files.value = ""; // or the same file again is no change
    then(chosen);
  };
  files.click();
}

/** Pictures as keys or sketches, from a frame on; without one as `put` does it. */
export async function addPictures(timeline, files, row, frame) {
  const names = await send(timeline, files);
  if (!names?.length) return;
  const add = row === "sketches" ? addSketches : addKeys;
  const items = names.map((image) => ({ image }));
  put(timeline, add, items, frame);
}

/** Keys or sketches on a frame; without one where the ruler was clicked, or else keys behind the
 * last one and sketches in the selected segment, or the first. */
export function put(timeline, add, items, frame) {
  const { sheet, memory, key } = timeline;
  const apart = Math.max(1, Math.round((sheet.fps ?? FPS) / 2));
  const last = sheet.keys.at(-1)?.frame ?? -apart;
  const index = key ? indexOf(sheet, key.id) : 0;
  const middle = Math.floor(((sheet.keys[index]?.frame ?? 0) + endOf(sheet, index)) / 2);
  const at = frame ?? memory.cursor ?? (add === addKeys ? last + apart : middle);
  const next = add(sheet, items, Math.max(0, at), apart);
  memory.cursor = null;
  timeline.edit(next);
  if (add === addKeys) {
    const before = new Set(sheet.keys.map((one) => one.id));
    timeline.select("key", next.keys.find((one) => !before.has(one.id)).id, true);
    return;
  }
  const before = new Set(sheet.sketches);
  const added = (next.sketches ?? []).filter((one) => !before.has(one));
  if (added.length) timeline.select("sketch", String(added[0].frame), true);
  if (added.length < items.length) {
    timeline.say(t`There is no drawing between keys that a sketch could lead.`);
  }
}

/** Another picture for the selected key or sketch. */
export async function replacePicture(timeline, files, change) {
  const names = await send(timeline, files.slice(0, 1));
  if (names?.length) timeline.edit(change(names[0]));
}

/** Files that were moved, by their names; one for one missing picture whatever its name. */
export async function relink(timeline, files) {
  const lost = [...new Set(missingIn(timeline).map(({ image }) => image))];
  const names = await send(timeline, files);
  if (!names) return;
  const found = new Map();
  for (const image of lost) {
    const at = files.findIndex((file) => baseName(file.name) === baseName(image));
    if (at >= 0) found.set(image, names[at]);
  }
  if (lost.length === 1 && files.length === 1) found.set(lost[0], names[0]);
  timeline.edit(renamed(timeline.sheet, found));
  if (!found.size) timeline.say(t`None of these files is called as ${baseName(lost[0])}.`);
}

/** The rendered frame that is looked at becomes a breakdown, its picture an input file. */
export async function makeKey(timeline) {
  const { sheet, player } = timeline;
  player.stop();
  const frame = player.at;
  const seen = seenAt(timeline, frame);
  if (!timeline.editable || !seen.file || seen.drawing === 0) {
    const number = frame + 1;
    timeline.say(t`Frame ${number} shows a key, or was not rendered as the sheet stands: press Run.`);
    return;
  }
  const names = await send(timeline, [seen], async () => {
    const answer = await fetch(seen.url);
    if (!answer.ok) throw new Error(t`${seen.file}: the server answered ${answer.status}`);
    const name = `frame_${String(frame + 1).padStart(4, "0")}.png`; // counted from 1, as is shown
    return upload([new File([await answer.blob()], name, { type: "image/png" })], PROMOTED);
  });
  if (!names?.length || timeline.sheet !== sheet) return;
  const next = promote(sheet, seen.index, frame, names[0]);
  timeline.edit(next);
  timeline.memory.cursor = null;
  timeline.select("key", next.keys.find((key) => key.frame === frame).id, true);
}

async function send(timeline, files, how = () => upload(files)) {
  if (!timeline.editable || !files.length) return undefined;
  timeline.say(t`Sending the pictures …`);
  try {
    const names = await how();
    timeline.drag = null; // it would go on from the sheet as it was
    timeline.say("");
    return names;
  } catch (error) {
    timeline.say(t`The pictures were not taken: ${error.message}`);
    return undefined;
  }
}
