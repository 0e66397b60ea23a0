"""docs/patches.md, made of the figures that benchmarks/patches.py measured."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Row = dict[str, Any]

HEAD = """# ComfyUI's patches, guiders, samplers and schedulers on the native MODEL

Made by `python benchmarks/patches.py`, once in each ComfyUI; do not edit. nano (128x128, 16 frames,
temperature 0.5) is sampled by KSampler with euler on sgm_uniform, 8 steps at cfg 3, unless said
otherwise, with and without the node, on one thread of a CPU.

- **Distance**: RMS difference of the sampled latents from the run without the node, over their
  spread. Below 1e-5, which is rounding, it is *no effect*.
- **Contrast**: spread of the latents over that of the run without the node.
- **Time**: over that of the run without it.
- **Axes**: for guidance functions. The function is tried on random numbers three times: as a clip
  (b c f h w), as the same numbers in one tall picture (b c f\u00b7h w), and as frames in a batch of
  pictures (b\u00b7f c h w). Right is what gives one of the other two: it acts over *the clip*, over
  *each frame*, or on *each place* alone. Anything else is *wrong*. *Not tried*: it calls the model.
- *refused*: this pack ends the run before it starts, and says why. Its distance and contrast are
  what would have come without the refusal.
- *fails in its own node*: the error is ComfyUI's and comes before this pack has a say.
- *for other models*: it takes an object that exists for other models only, and was not tried.

Toon Sample has its own sampler. Of these it follows what changes weights or the schedule, and names
what it ignores.
"""

SECTIONS = {
    "patches": (
        "Nodes that take a MODEL and give one",
        "Every such node of ComfyUI, found in its own list of nodes.",
        ("distance", "contrast", "time", "axes"),
    ),
    "conditioning": (
        "What comes in CONDITIONING and LATENT",
        "ConditioningSetArea has no frames and so no place in a clip.",
        ("distance", "contrast", "time"),
    ),
    "guiders": (
        "Guiders",
        "SamplerCustomAdvanced with euler, at cfg 3.",
        ("distance", "contrast", "time"),
    ),
    "samplers": (
        "Samplers",
        "12 steps on sgm_uniform. Distance and contrast are against DDIM at eta 0 with 50 steps, "
        "time against euler. *The clip of DDIM*: distance up to 0.35; *another clip*: farther, with "
        "contrast in 0.8 to 1.2, as fresh noise at each step makes it.",
        ("distance", "contrast", "time"),
    ),
    "schedulers": (
        "Schedulers",
        "euler, 12 steps, measured as the samplers are.",
        ("distance", "contrast", "time"),
    ),
    "weights": (
        "weight_dtype of Toon Load Model",
        "Against `default`, which is fp32 on this CPU. Times on a GPU are others.",
        ("distance", "contrast", "time"),
    ),
}


def page(folder: Path) -> str:
    """Of all NAME.json in a folder, one for each ComfyUI."""
    found = [json.loads(p.read_text(encoding="utf-8")) for p in folder.glob("*.json")]
    found.sort(key=lambda f: [int(n) for n in f["comfyui"].split(".")])
    parts = [HEAD]
    for key, (title, text, columns) in SECTIONS.items():
        parts.append("\n".join(section(title, text, columns, key, found)))
    return "\n".join(parts)


def section(
    title: str, text: str, columns: tuple[str, ...], key: str, found: list[Row]
) -> Iterator[str]:
    """The newest ComfyUI's figures; where an older one's verdict differs, or it lacks the row, the
    row says so."""
    versions = [f["comfyui"] for f in found]
    tables = {f["comfyui"]: {r["name"]: r for r in f.get(key, [])} for f in found}
    newest = tables[versions[-1]] if versions else {}
    names = sorted({n for t in tables.values() for n in t}, key=lambda n: (n.lower(), n))
    yield f"## {title}\n\n{text}\n"
    yield "| Node | " + " | ".join([*versions, *(c.capitalize() for c in columns), "Note"]) + " |"
    yield "|---" * (2 + len(versions) + len(columns)) + "|"
    for name in names:
        row = newest.get(name) or next(t[name] for t in tables.values() if name in t)
        verdicts = [tables[v][name]["verdict"] if name in tables[v] else "" for v in versions]
        cells = [name, *verdicts, *(shown(row.get(c)) for c in columns), note(row)]
        yield "| " + " | ".join(cells) + " |"
    yield ""


def shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.2g}" if isinstance(value, float) and abs(value) < 0.1 else str(value)


def note(row: Row) -> str:
    text = row.get("note", "")
    if "unguarded" in row and row["unguarded"] != text:
        text = f"{text} Without the refusal: {row['unguarded']}".strip()
    return text.replace("|", "\\|").replace("\n", " ")
