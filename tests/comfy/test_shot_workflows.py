"""The bundled workflows of shots: as files, in the real server, on the real page."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import boxes
import demo
import numpy as np
import pytest
from bundled import (
    SMALL,
    SMALL_NANO,
    assert_same,
    check_opened,
    check_thumbnail,
    graph_of,
    looks_wrong,
    note_of,
    prompt_of,
    run_and_look,
    without_examples,
)
from graph_to_prompt import prompt_from_graph
from workflow_pages import PAGES

if TYPE_CHECKING:
    from browser import Browser
    from headless import Headless

SHOTS = {  # and their frames
    "shot_nano": 72,
    "shot_reroll_nano": 72,
    "shot_sketches_nano": 16,
    "shot_loop_nano": 24,
    "shot_from_video_nano": 31,
    "shot_interpolated_nano": 71,
}
# What is free once a note's way to own keys was gone, where it is not Toon Example Shot that goes.
OPENED = {
    "shot_sketches_nano": {"images", "sketches"},
    "shot_from_video_nano": {"images"},  # of Create Video, whose place Load Video takes
}
HEARD = ("shot_nano", "shot_reroll_nano", "shot_loop_nano", "shot_interpolated_nano")
# Which run on the page, too, in which of its renderers: a shot takes long.
RUN = {"shot_nano": 0, "shot_sketches_nano": 1}
each = pytest.mark.parametrize("name", SHOTS)


@each
def test_thumbnail_and_note(name: str) -> None:
    check_thumbnail(name)
    text = note_of(graph_of(name))
    loaded = re.findall(r'"model_name": "(.+?)"', json.dumps(prompt_of(name)))
    assert "own key frames" in text and all(file in text for file in loaded)
    assert bool(loaded) == bool(PAGES[name].needs)


@each
def test_the_way_to_own_keys_leaves_no_node_without_its_input(name: str) -> None:
    _, gone, opened = without_examples(graph_of(name))
    assert gone and opened == OPENED.get(name, {"images", "audio"})


@each
def test_a_shot_runs_in_the_server(able: Headless, name: str) -> None:
    """Its movie has the sheet's frames, and sound where there is some."""
    info = able.get("/object_info")
    prompt = prompt_from_graph(graph_of(name), info)
    assert_same(prompt, prompt_of(name), info)
    prompt["1"]["inputs"]["file"] = SMALL_NANO
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


@each
def test_opens_on_the_page(able: Headless, browser: Browser, name: str) -> None:
    """In each of the page's renderers: no complaint, the tested prompt, and a graph to look at,
    also after a run with its live preview and movie."""
    info = able.get("/object_info")
    for number, renderer in enumerate(browser.renderers()):
        check_opened(browser, name, renderer, info)
        if RUN.get(name) == number:
            boxes.anew(browser, seed=number, steps=2, nano=SMALL_NANO)
            never_shown, movies = run_and_look(browser)
            assert (never_shown, looks_wrong(browser)) == ([], []), renderer
            assert all(able.view(movie)[4:8] == b"ftyp" for movie in movies)
