"""docs/patches.md, made of the figures that benchmarks/patches.py measured."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Row = dict[str, Any]

HEAD = """# ComfyUI's patches, guiders, samplers and schedulers on the native MODEL

Made by `python benchmarks/patches.py`, once in each ComfyUI; do not edit. nano (128x128, 16 frames,
temperature 0.5) is sampled by KSampler with euler on sgm_uniform, 4 steps at cfg 3, unless said
otherwise, with and without the node.

- **Distance**: RMS difference of the sampled latents from the run without the node, over their
  spread. Below 1e-4, which is rounding, it is *no effect*.
- **Contrast**: spread of the latents over that of the run without the node.
- **Work**: clips through the UNet, over those of the run without the node.
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
        ("distance", "contrast", "work", "axes"),
    ),
    "conditioning": (
        "What comes in CONDITIONING and LATENT",
        "Beside the positive CONDITIONING a second one, that of image_only, acts in the part that "
        "the node sets.",
        ("distance", "contrast", "work"),
    ),
    "guiders": (
        "Guiders",
        "SamplerCustomAdvanced with euler, at cfg 3.",
        ("distance", "contrast", "work"),
    ),
    "samplers": (
        "Samplers",
        "6 steps on sgm_uniform. Distance and contrast are against DDIM at eta 0 with 30 steps, "
        "work against euler. *The clip of DDIM*: distance up to 0.35; *another clip*: farther, "
        "with contrast in 0.8 to 1.2, as fresh noise at each step makes it. heun and dpm_fast are "
        "refused where the first sigma is more than 150 times the second, on sgm_uniform below "
        "about 15 steps: at 12 their contrast is 1.13 and 1.14, at 20 it is 0.96 and 1.00.",
        ("distance", "contrast", "work"),
    ),
    "schedulers": (
        "Schedulers",
        "euler, 6 steps, measured as the samplers are.",
        ("distance", "contrast", "work"),
    ),
    "weights": (
        "weight_dtype of Toon Load Model",
        "Against `default`, which is fp32 on a CPU.",
        ("distance", "contrast", "work"),
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
        notes = [note(row), *(older(v, tables[v].get(name), row) for v in versions[:-1])]
        cells = [name, *verdicts, *(shown(row.get(c)) for c in columns), " ".join(notes).strip()]
        yield "| " + " | ".join(cells) + " |"
    yield ""


def older(version: str, row: Row | None, newest: Row) -> str:
    """What an older ComfyUI's row says, where its verdict is another."""
    if row is None or row["verdict"] == newest["verdict"]:
        return ""
    return f"In {version}: {note(row)}" if note(row) else ""


def shown(value: Any) -> str:
    """Figures of three digits."""
    return "" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


def note(row: Row) -> str:
    text = row.get("note", "")
    if "unguarded" in row and row["unguarded"] != text:
        text = f"{text} Without the refusal: {row['unguarded']}".strip()
    return text.replace("|", "\\|").replace("\n", " ")
