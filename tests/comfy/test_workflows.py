"""The bundled workflows: as files, in the real server, on the real page."""

from __future__ import annotations

import io
import json
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import boxes
import demo
import numpy as np
import pytest
import tiny_files
from boxes import Box
from graph_to_prompt import COMMENTS, prompt_from_graph
from PIL import Image
from place import ROOT
from workflow_pages import PAGES

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
SHOTS = {  # and their frames
    "shot_nano": 72,
    "shot_reroll_nano": 72,
    "shot_sketches_nano": 16,
    "shot_loop_nano": 24,
    "shot_from_video_nano": 31,
    "shot_interpolated_nano": 71,
}
# What is free once a note's way to own keys was gone, where it is not Toon Example Shot that goes.
EXAMPLES = ("ToonLoadCast", "ToonLoadShot")
OPENED = {
    "shot_sketches_nano": {"images", "sketches"},
    "shot_from_video_nano": {"images"},  # of Create Video, whose place Load Video takes
}
HEARD = ("shot_nano", "shot_reroll_nano", "shot_loop_nano", "shot_interpolated_nano")
FILES = {
    "checkpoints/tooncrafter_512_interp.ckpt": tiny_files.official,
    "diffusion_models/tooncrafter_512_interp-fp16.safetensors": tiny_files.pruned,
    "text_encoders/sd2_clip_vit_h.safetensors": tiny_files.text_encoder,
    "clip_vision/clip_vision_h.safetensors": tiny_files.image_encoder,
}
# In place of 50 steps at 512x320, where a stand-in runs: the decoder looks from every pixel at
# every pixel of both keys, which no CPU does in a test's time, however narrow the model.
STEPS, WIDTH, HEIGHT = 4, 128, 64
ENDS = ("SaveVideo", "PreviewImage")
# They show a live preview.
SAMPLERS = ("ToonSample", "ToonRenderShot", "KSampler", "SamplerCustomAdvanced")
each_clip = pytest.mark.parametrize("name", SIZES)
each_shot = pytest.mark.parametrize("name", SHOTS)
each = pytest.mark.parametrize("name", [*SIZES, *SHOTS])


@pytest.fixture(scope="module")
def stocked(server: Headless) -> Headless:
    """The server with a stand-in for every file that a workflow asks for."""
    for name, make in FILES.items():
        path = server.base / "models" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        make(path)
    return server


@pytest.fixture
def able(stocked: Headless, name: str) -> Headless:
    """That server, if its ComfyUI has the workflow's nodes, which older ones lack."""
    lacking = set(PAGES[name].needs) - stocked.get("/object_info").keys()
    if lacking:
        pytest.skip(f"this ComfyUI has no {', '.join(sorted(lacking))}")
    return stocked


def graph_of(name: str) -> dict[str, Any]:
    return json.loads((WORKFLOWS / f"{PAGES[name].file}.json").read_text(encoding="utf-8"))


def prompt_of(name: str) -> dict[str, Any]:
    return json.loads((PROMPTS / f"{name}.json").read_text(encoding="utf-8"))


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


@each
def test_thumbnail_and_note(name: str) -> None:
    with Image.open(WORKFLOWS / f"{PAGES[name].file}.jpg") as image:
        assert image.format == "JPEG" and image.size == (512, 320)
        assert len(set(image.resize((16, 10)).get_flattened_data())) > 40
    graph = graph_of(name)
    [note] = [node for node in graph["nodes"] if node["type"] in COMMENTS]
    [text] = note["widgets_values"]
    files = [Path(file).name for file in FILES if Path(file).name in json.dumps(prompt_of(name))]
    assert "own key frames" in text and all(file in text for file in files)
    assert bool(files) == (SIZES.get(name) == LARGE)
    loaded = re.findall(r'"model_name": "(.+?)"', json.dumps(prompt_of(name)))
    assert all(file in text for file in loaded) and bool(loaded) == bool(PAGES[name].needs)


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
    gone = {key for key, title in titles.items() if title in {*named, *EXAMPLES}}
    inputs = {node["id"]: node["inputs"] for node in graph["nodes"]}
    opened = {
        inputs[target][slot]["name"]
        for _, source, _, target, slot, _ in graph["links"]
        if source in gone and target not in gone
    }
    if name in SHOTS:
        assert gone and opened == OPENED.get(name, {"images", "audio"})
        return
    assert len(gone) == len(named) + 1
    keys = {"first_image", "last_image", "prompt"}
    assert opened == (keys | {"sketches"} if name == "sketch_guided_nano" else keys)


@each_clip
def test_runs_in_the_server(stocked: Headless, name: str) -> None:
    """What the file holds, as the demo reads it."""
    info = stocked.get("/object_info")
    prompt = prompt_from_graph(graph_of(name), info)
    assert_same(prompt, prompt_of(name), info)
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


@each_shot
def test_a_shot_runs_in_the_server(able: Headless, name: str) -> None:
    """Its movie has the sheet's frames, and sound where there is some."""
    info = able.get("/object_info")
    prompt = prompt_from_graph(graph_of(name), info)
    assert_same(prompt, prompt_of(name), info)
    prompt["4"]["inputs"]["steps"] = 1
    run = able.run(prompt)
    assert run.status == "success", demo.explain(run)
    data = able.view(run.outputs["5"]["images"][0])
    frames = demo.decode(data)
    assert [frame.size for frame in frames] == [SMALL] * SHOTS[name]
    assert np.abs(np.subtract(frames[0], frames[SHOTS[name] // 2], dtype=float)).mean() > 1
    with av.open(io.BytesIO(data)) as movie:
        assert len(movie.streams.audio) == (name in HEARD)
    report = json.loads((folder_of(able, prompt) / "report.json").read_text(encoding="utf-8"))
    assert [key["difference"] for key in report["keys"]] == [0] * len(report["keys"])


def folder_of(server: Headless, prompt: dict[str, Any]) -> Path:
    return server.base / "output" / "toontween" / prompt["4"]["inputs"]["name"]


def picture(server: Headless, item: dict[str, str]) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(server.view(item))), dtype=float)


@each
def test_opens_on_the_page(able: Headless, browser: Browser, name: str) -> None:
    """In each of the page's renderers: no complaint, the tested prompt, and a graph to look at,
    where it can run also after a run with its live previews, pictures and movies. A shot takes
    long, and runs in one of them."""
    info, runs_in = able.get("/object_info"), None
    if name in SHOTS:
        runs_in = list(SHOTS).index(name) % 2
    for number, renderer in enumerate(browser.renderers()):
        opened = browser.open(graph_of(name), renderer)
        assert opened.complaints == [], renderer
        assert_same(opened.prompt, prompt_of(name), info)
        assert looks_wrong(browser) == [], renderer
        if PAGES[name].runs and runs_in in (None, number):
            boxes.anew(browser, seed=number, steps=2)
            never_shown, movies = run_and_look(browser)
            assert (never_shown, looks_wrong(browser)) == ([], []), renderer
            assert all(able.view(movie)[4:8] == b"ftyp" for movie in movies)


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


def test_crowding_is_noticed() -> None:
    group = Box(id=0, kind="Group", left=0, top=0, right=100, bottom=200)
    node = Box(id=1, kind="A", left=10, top=10, right=90, bottom=90)
    below = replace(node, id=2, kind="B", top=100, bottom=190)
    assert boxes.crowding([node, below], [group]) == []
    assert boxes.crowding([replace(node, bottom=120), below], [group]) == ["A 1 and B 2 overlap"]
    assert boxes.crowding([node, replace(below, bottom=220)], [group]) == ["B 2 is in no group"]
