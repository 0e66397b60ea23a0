/** The sound of the shot, heard while it plays: the sheet's file, or that of the rendered movie. */

import { FPS } from "./sheet.js";
import { urlOf } from "./pictures.js";

const APART = 0.12; // seconds that it may be off before it is set right

export class Soundtrack {
  /** Brings the sound to where a frame is. */
  follow({ sheet, memory }, frame) {
    const { url, offset } = trackOf(sheet, memory);
    if (!url) return this.pause();
    if (this.url !== url) {
      this.pause();
      this.url = url;
      this.audio = new Audio(url);
    }
    const at = frame / (sheet.fps ?? FPS) - offset;
    const { audio } = this;
    if (at < 0 || at > (audio.duration || Infinity)) return this.pause();
    if (audio.paused || Math.abs(audio.currentTime - at) > APART) audio.currentTime = at;
    // Some pages are not allowed to: then the film runs without.
    if (audio.paused) audio.play().catch(() => {});
    return undefined;
  }

  pause() {
    this.audio?.pause();
  }
}

function trackOf({ audio }, { rendered, folder }) {
  const { file, offset = 0 } = audio ?? {};
  if (typeof file === "string") return { url: urlOf(file), offset };
  if (!rendered?.movie) return { url: "", offset: 0 };
  const more = { v: rendered.version };
  return { url: urlOf(`${folder}/${rendered.movie}`, "output", more), offset: 0 };
}
