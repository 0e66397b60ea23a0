"""The bundled workflows: as files, in the real server, on the real page."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import demo
import numpy as np
import pytest
import tiny_files
from graph_to_prompt import COMMENTS, prompt_from_graph
from PIL import Image
from place import ROOT

if TYPE_CHECKING:
    from browser import Browser
    from headless import Headless

PROMPTS = Path(__file__).parent / "prompts"
WORKFLOWS = ROOT / "workflows"
SMALL, LARGE = (128, 128), (512, 320)
SIZES = {
    "interpolate_nano": SMALL,
    "interpolate_official": LARGE,
    "interpolate_pruned": LARGE,
    "interpolate_ksampler": SMALL,
    "sketch_guided_nano": SMALL,
}
FILES = {
    "checkpoints/tooncrafter_512_interp.ckpt": tiny_files.official,
    "diffusion_models/tooncrafter_512_interp-fp16.safetensors": tiny_files.pruned,
    "text_encoders/sd2_clip_vit_h.safetensors": tiny_files.text_encoder,
    "clip_vision/clip_vision_h.safetensors": tiny_files.image_encoder,
}
# In place of 50 steps at 512x320, where a stand-in runs: the decoder looks from every pixel at
# every pixel of both keys, which no CPU does in a test's time, however narrow the model.
STEPS, WIDTH, HEIGHT = 4, 128, 64
TITLE = 30  # height of a node's title, above its position
each = pytest.mark.parametrize("name", SIZES)


@pytest.fixture(scope="module")
def stocked(server: Headless) -> Headless:
    """The server with a stand-in for every file that a workflow asks for."""
    for name, make in FILES.items():
        path = server.base / "models" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        make(path)
    return server


def graph_of(name: str) -> dict[str, Any]:
    return json.loads((WORKFLOWS / f"{name}.json").read_text(encoding="utf-8"))


def prompt_of(name: str) -> dict[str, Any]:
    return json.loads((PROMPTS / f"{name}.json").read_text(encoding="utf-8"))


def plain(prompt: dict[str, Any]) -> dict[str, Any]:
    return {k: {key: node[key] for key in ("class_type", "inputs")} for k, node in prompt.items()}


def test_every_bundled_workflow_is_tested() -> None:
    assert {file.stem for file in WORKFLOWS.glob("*.json")} == SIZES.keys()
    assert {file.stem for file in PROMPTS.glob("*.json")} == SIZES.keys()


@each
def test_thumbnail_and_note(name: str) -> None:
    with Image.open(WORKFLOWS / f"{name}.jpg") as image:
        assert image.format == "JPEG" and image.size == (512, 320)
        assert len(set(image.resize((16, 10)).get_flattened_data())) > 40
    graph = graph_of(name)
    [note] = [node for node in graph["nodes"] if node["type"] in COMMENTS]
    [text] = note["widgets_values"]
    files = [Path(file).name for file in FILES if Path(file).name in json.dumps(prompt_of(name))]
    assert "own key frames" in text and all(file in text for file in files)
    assert bool(files) == (SIZES[name] == LARGE)


@each
def test_the_way_to_own_keys_leaves_no_node_without_its_input(name: str) -> None:
    """Toon Example Keys and what the note says to delete go; own pictures come in their place."""
    graph = graph_of(name)
    [text] = next(node["widgets_values"] for node in graph["nodes"] if node["type"] in COMMENTS)
    named = {
        title
        for told in re.findall(r"delete ([^.]+)\.", text)
        for title in re.findall(r"\*(.+?)\*", told)
    }
    titles = {node["id"]: node.get("title") or node["type"] for node in graph["nodes"]}
    gone = {key for key, title in titles.items() if title in {*named, "ToonLoadCast"}}
    assert len(gone) == len(named) + 1
    inputs = {node["id"]: node["inputs"] for node in graph["nodes"]}
    opened = {
        inputs[target][slot]["name"]
        for _, source, _, target, slot, _ in graph["links"]
        if source in gone and target not in gone
    }
    keys = {"first_image", "last_image", "prompt"}
    assert opened == (keys | {"sketches"} if name == "sketch_guided_nano" else keys)


@each
def test_nodes_stand_apart_inside_their_groups(name: str) -> None:
    graph = graph_of(name)
    boxes = [(n["pos"][0], n["pos"][1] - TITLE, *corner(n)) for n in graph["nodes"]]
    for i, a in enumerate(boxes):
        for b in boxes[i + 1 :]:
            assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1], (a, b)
    groups = [group["bounding"] for group in graph["groups"]]
    for left, top, right, bottom in boxes:
        assert any(
            x <= left and y <= top and right <= x + w and bottom <= y + h for x, y, w, h in groups
        )


def corner(node: dict[str, Any]) -> tuple[float, float]:
    return node["pos"][0] + node["size"][0], node["pos"][1] + node["size"][1]


@each
def test_runs_in_the_server(stocked: Headless, name: str) -> None:
    """What the file holds, as the demo reads it."""
    prompt = prompt_from_graph(graph_of(name), stocked.get("/object_info"))
    assert plain(prompt) == prompt_of(name)
    size = SIZES[name]
    if size == LARGE:
        size = WIDTH, HEIGHT
        prompt["4"]["inputs"]["steps"] = STEPS
        prompt["3"]["inputs"].update(width=WIDTH, height=HEIGHT)
    run = stocked.run(prompt)
    assert run.status == "success", demo.explain(run)
    for node in (key for key, value in prompt.items() if value["class_type"] == "SaveVideo"):
        movie = demo.decode(stocked.view(run.outputs[node]["images"][0]))
        assert [frame.size for frame in movie] == [size] * 16
    frames = [picture(stocked, item) for item in run.outputs["6"]["images"]]
    assert len(frames) == 16 and all(frame.std() > 1 for frame in frames)
    assert np.abs(frames[0] - frames[-1]).mean() > 0


def picture(server: Headless, item: dict[str, str]) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(server.view(item))), dtype=float)


@each
def test_opens_on_the_page(stocked: Headless, browser: Browser, name: str) -> None:
    opened = browser.open(graph_of(name))
    assert opened.complaints == []
    assert plain(opened.prompt) == prompt_of(name)


def test_a_run_on_the_page_ends_in_its_pictures(stocked: Headless, browser: Browser) -> None:
    graph = graph_of("interpolate_nano")
    [sample] = [node for node in graph["nodes"] if node["type"] == "ToonSample"]
    sample["widgets_values"][0] = 3  # steps: quicker, and not in the server's cache
    assert browser.open(graph).complaints == []
    [movie] = browser.run(8)["images"]
    assert stocked.view(movie)[4:8] == b"ftyp"
    assert len(browser.run(6)["images"]) == 16
    browser.evaluate("() => new Promise(done => setTimeout(done, 2000))")
    assert browser.images_shown(6) > 0
