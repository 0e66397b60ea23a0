"""The bundled workflows in tests: what their files hold, what is wrong with them on the page."""

from __future__ import annotations

import io
import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boxes
import numpy as np
import tiny_files
from graph_to_prompt import COMMENTS
from PIL import Image
from place import ROOT
from workflow_pages import PAGES

if TYPE_CHECKING:
    from browser import Browser
    from headless import Headless

PROMPTS = Path(__file__).parent / "prompts"
WORKFLOWS = ROOT / "workflows"
SMALL, LARGE = (128, 128), (512, 320)
SMALL_NANO = "nano_small.safetensors"  # runs in the place of nano
FILES = {
    f"checkpoints/{SMALL_NANO}": tiny_files.small_nano,
    "checkpoints/tooncrafter_512_interp.ckpt": tiny_files.official,
    "diffusion_models/tooncrafter_512_interp-fp16.safetensors": tiny_files.pruned,
    "text_encoders/sd2_clip_vit_h.safetensors": tiny_files.text_encoder,
    "clip_vision/clip_vision_h.safetensors": tiny_files.image_encoder,
    "frame_interpolation/rife_v4.26.safetensors": tiny_files.rife,
}
EXAMPLES = ("ToonLoadCast", "ToonLoadShot")
ENDS = ("SaveVideo", "PreviewImage")
# They show a live preview.
SAMPLERS = ("ToonSample", "ToonRenderShot", "KSampler", "SamplerCustomAdvanced")


def graph_of(name: str) -> dict[str, Any]:
    return json.loads((WORKFLOWS / f"{PAGES[name].file}.json").read_text(encoding="utf-8"))


def prompt_of(name: str) -> dict[str, Any]:
    return json.loads((PROMPTS / f"{name}.json").read_text(encoding="utf-8"))


def note_of(graph: dict[str, Any]) -> str:
    [note] = [node for node in graph["nodes"] if node["type"] in COMMENTS]
    [text] = note["widgets_values"]
    return text


def check_thumbnail(name: str) -> None:
    with Image.open(WORKFLOWS / f"{PAGES[name].file}.jpg") as image:
        assert image.format == "JPEG" and image.size == (512, 320)
        assert len(set(image.resize((16, 10)).get_flattened_data())) > 40


def without_examples(graph: dict[str, Any]) -> tuple[set[str], set[int], set[str]]:
    """On the note's way to own keys the examples go, and what it says to delete -> these titles,
    all nodes that go, and the inputs of others that are then open."""
    named = {
        title
        for told in re.findall(r"delete ([^.]+)\.", note_of(graph))
        for title in re.findall(r"\*(.+?)\*", told)
    }
    titles = {node["id"]: node.get("title") or node["type"] for node in graph["nodes"]}
    gone = {key for key, title in titles.items() if title in {*named, *EXAMPLES}}
    inputs = {node["id"]: node["inputs"] for node in graph["nodes"]}
    opened = {
        inputs[target][slot]["name"]
        for _, source, _, target, slot, _ in graph["links"]
        if source in gone and target not in gone
    }
    return named, gone, opened


def assert_same(made: dict[str, Any], tested: dict[str, Any], info: dict[str, Any]) -> None:
    """Node by node; core's nodes may have inputs that came after the tested prompt was written,
    and have a value of it as that of an inner choice (`format.codec` for `codec`)."""
    assert {k: node["class_type"] for k, node in made.items()} == {
        k: node["class_type"] for k, node in tested.items()
    }
    for key, node in tested.items():
        ours, wanted = made[key]["inputs"], node["inputs"]
        added = ours.keys() - wanted.keys()
        if node["class_type"].startswith("Toon") or not added:
            assert ours == wanted, key
        declared = info[node["class_type"]]["input"]
        known = {name for group in ("required", "optional") for name in declared.get(group, {})}
        assert {name.split(".")[0] for name in added} <= known, key
        for name, value in wanted.items():
            assert value in [v for k, v in ours.items() if k == name or k.endswith(f".{name}")]


def picture(server: Headless, item: dict[str, str]) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(server.view(item))), dtype=float)


def check_opened(browser: Browser, name: str, renderer: str, info: dict[str, Any]) -> None:
    """Opens it: no complaint, the tested prompt, and a graph to look at."""
    opened = browser.open(graph_of(name), renderer)
    assert opened.complaints == [], renderer
    assert_same(opened.prompt, prompt_of(name), info)
    assert looks_wrong(browser) == [], renderer


def run_and_look(browser: Browser) -> tuple[list[str], list[dict[str, str]]]:
    """-> the nodes whose live preview, pictures or movie no one could see; the movies' files."""
    kinds = {box.id: box.kind for box in boxes.nodes(browser)}
    ends = {key: kind for key, kind in kinds.items() if kind in ENDS}
    waiting = {key: kind for key, kind in kinds.items() if kind in SAMPLERS} | ends
    browser.queue()
    for _ in range(600):
        waiting = {k: v for k, v in waiting.items() if not boxes.media_shown(browser, k)}
        if not waiting and all(map(browser.output, ends)):
            break
        browser.evaluate(boxes.PAUSE, 100)
    movies = [browser.output(key)["images"] for key, kind in ends.items() if kind == "SaveVideo"]
    return [*waiting.values()], [movie for [movie] in movies]


def looks_wrong(browser: Browser, patience: float = 10.0) -> list[str]:
    """Once the page has come to rest: where the machine is busy it also rests on the way."""
    end = time.monotonic() + patience
    while True:
        found = boxes.crowding(boxes.settled_nodes(browser), boxes.groups(browser))
        if not found or time.monotonic() > end:
            return found
