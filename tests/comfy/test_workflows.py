"""The bundled workflows of one clip: as files, in the real server, on the real page."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import boxes
import demo
import numpy as np
import pytest
from boxes import Box
from bundled import (
    FILES,
    LARGE,
    SMALL,
    SMALL_NANO,
    assert_same,
    check_opened,
    check_thumbnail,
    graph_of,
    looks_wrong,
    note_of,
    picture,
    prompt_of,
    run_and_look,
    without_examples,
)
from graph_to_prompt import prompt_from_graph
from workflow_pages import PAGES

if TYPE_CHECKING:
    from browser import Browser
    from headless import Headless

SIZES = {
    "interpolate_nano": SMALL,
    "interpolate_official": LARGE,
    "interpolate_pruned": LARGE,
    "interpolate_ksampler": SMALL,
    "sketch_guided_nano": SMALL,
}
# In place of 50 steps at 512x320, where a stand-in runs: the decoder looks from every pixel at
# every pixel of both keys, which no CPU does in a test's time, however narrow the model.
STEPS, WIDTH, HEIGHT = 4, 128, 64
each = pytest.mark.parametrize("name", SIZES)


@each
def test_thumbnail_and_note(name: str) -> None:
    check_thumbnail(name)
    text = note_of(graph_of(name))
    files = [Path(file).name for file in FILES if Path(file).name in json.dumps(prompt_of(name))]
    assert "own key frames" in text and all(file in text for file in files)
    assert bool(files) == (SIZES[name] == LARGE)


@each
def test_the_way_to_own_keys_leaves_no_node_without_its_input(name: str) -> None:
    """Own pictures come in the place of Toon Example Keys."""
    named, gone, opened = without_examples(graph_of(name))
    assert len(gone) == len(named) + 1
    keys = {"first_image", "last_image", "prompt"}
    assert opened == (keys | {"sketches"} if name == "sketch_guided_nano" else keys)


@each
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


@each
def test_opens_on_the_page(stocked: Headless, browser: Browser, name: str) -> None:
    """In each of the page's renderers: no complaint, the tested prompt, and a graph to look at,
    where it can run also after a run, in one of them, with its live previews, pictures and movies.

    A busy page may show a preview at the node before the one that sent it, which grows by it: what
    a second opening and run do not show again is not the workflow's.
    """
    runs_in = list(SIZES).index(name) % 2
    info = stocked.get("/object_info")
    for number, renderer in enumerate(browser.renderers()):
        check_opened(browser, name, renderer, info)
        if PAGES[name].runs and number == runs_in:
            boxes.anew(browser, seed=number, steps=2, nano=SMALL_NANO)
            never_shown, movies = run_and_look(browser)
            if looks_wrong(browser):
                browser.open(graph_of(name), renderer)
                boxes.anew(browser, seed=number + 2, steps=2, nano=SMALL_NANO)
                never_shown, movies = run_and_look(browser)
            assert (never_shown, looks_wrong(browser)) == ([], []), renderer
            assert all(stocked.view(movie)[4:8] == b"ftyp" for movie in movies)


def test_crowding_is_noticed() -> None:
    group = Box(id=0, kind="Group", left=0, top=0, right=100, bottom=200)
    node = Box(id=1, kind="A", left=10, top=10, right=90, bottom=90)
    below = replace(node, id=2, kind="B", top=100, bottom=190)
    assert boxes.crowding([node, below], [group]) == []
    [overlap] = boxes.crowding([replace(node, bottom=120), below], [group])
    assert overlap == "A 1 (10 to 120) and B 2 (100 to 190) overlap"
    [outside] = boxes.crowding([node, replace(below, bottom=220)], [group])
    assert outside == "B 2 (100 to 220) is in no group"
