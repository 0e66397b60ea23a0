/** Toon Timeline in ComfyUI's page. The other files here only do something when this one asks. */

import { app } from "../../../scripts/app.js";
import { makeWidget } from "./widget.js";
import { speak } from "./words.js";

const TYPE = "TOON_TIMELINE"; // as in nodes/sheets.py

const style = document.createElement("link");
style.rel = "stylesheet";
style.href = new URL("style.css", import.meta.url).href;
document.head.append(style);

app.registerExtension({
  name: "toontween.timeline",
  getCustomWidgets: () => ({
    [TYPE](node, name, spec) {
      speak(app.extensionManager?.setting?.get("Comfy.Locale"));
      return makeWidget(node, name, [TYPE, spec[1]]);
    },
  }),
});
