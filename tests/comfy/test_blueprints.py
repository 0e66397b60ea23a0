"""The subgraph blueprints: ComfyUI lists them, the page puts them into a graph, and they run."""

from __future__ import annotations

import json
import urllib.error
from typing import TYPE_CHECKING, Any

import boxes
import pytest
import tiny_files
from blueprints import BLUEPRINTS, Blueprint
from place import PACK, ROOT

if TYPE_CHECKING:
    from browser import Browser
    from headless import Headless

SLATE = {
    "nodes": [{"id": 1, "type": "Note", "pos": [0, -200], "size": [200, 90], "order": 0}],
    **{"links": [], "groups": [], "config": {}, "extra": {}, "version": 0.4},
    **{"last_node_id": 1, "last_link_id": 0},
}
SLATE["nodes"][0] |= {"flags": {}, "mode": 0, "properties": {}, "widgets_values": ["a slate"]}
# By the page's own list, and its own way from there into a graph.
ADD = """name => {
    const page = document.querySelector('#vue-app').__vue_app__.config.globalProperties
    const {nodes, definitions} = page.$pinia._s.get('subgraph').getBlueprint(name)
    app.canvas._deserializeItems({nodes, subgraphs: definitions.subgraphs}, {position: [0, 0]})
    const node = app.graph.nodes.find(node => node.subgraph)
    return JSON.stringify({title: node.title, inputs: node.inputs.map(input => input.name),
        outputs: node.outputs.map(output => output.name),
        widgets: Object.fromEntries(node.widgets.map(widget => [widget.name, widget.value]))}) }"""
# A full run of the official recipe is no CPU's work: the stand-in's clip is small and short.
CONNECT = """small => {
    const node = app.graph.nodes.find(node => node.subgraph)
    const keys = LiteGraph.createNode('ToonLoadCast')
    const frames = LiteGraph.createNode('PreviewImage')
    for (const [added, x] of [[keys, -500], [frames, 500]]) {
        app.graph.add(added); added.pos = [x, 0] }
    const slot = name => node.inputs.findIndex(input => input.name === name)
    keys.connect(0, node, slot('first_image')); keys.connect(1, node, slot('last_image'))
    node.connect(0, frames, 0)
    node.widgets.find(widget => widget.name === 'prompt').value = 'waves a hand'
    for (const inner of node.subgraph.nodes) for (const widget of inner.widgets ?? [])
        if (widget.name in small) widget.value = small[widget.name]
    return frames.id }"""
WIDTH, HEIGHT, STEPS = 128, 64, 3


@pytest.fixture(scope="module")
def listed(server: Headless) -> dict[str, str] | None:
    """Name -> id of the blueprints of this pack; None where ComfyUI has no blueprints."""
    try:
        found = server.get("/global_subgraphs")
    except urllib.error.HTTPError:
        return None
    ours = {k: v for k, v in found.items() if v["info"]["node_pack"] == f"custom_nodes.{PACK}"}
    return {value["name"]: key for key, value in ours.items()}


def test_all_are_listed(server: Headless, listed: dict[str, str] | None) -> None:
    files = {file.stem: file for file in (ROOT / "subgraphs").glob("*.json")}
    assert files.keys() == {part.file for part in BLUEPRINTS}
    if listed is None:
        return
    assert listed.keys() == files.keys()
    for name, key in listed.items():
        given = json.loads(server.get(f"/global_subgraphs/{key}")["data"])
        assert given == json.loads(files[name].read_text(encoding="utf-8"))


@pytest.mark.parametrize("part", BLUEPRINTS, ids=[part.file for part in BLUEPRINTS])
def test_two_pictures_in_frames_out(
    server: Headless, browser: Browser, listed: dict[str, str] | None, part: Blueprint
) -> None:
    if listed is None:
        return
    model = server.base / "models" / "checkpoints" / "tooncrafter_512_interp.ckpt"
    model.parent.mkdir(parents=True, exist_ok=True)
    tiny_files.official(model)
    for number, renderer in enumerate(browser.renderers()):
        assert browser.open(SLATE, renderer).complaints == []
        node = json.loads(browser.evaluate(ADD, f"SubgraphBlueprint.{listed[part.file]}"))
        assert node["title"] == part.file and node["outputs"] == ["images"]
        assert {"first_image", "last_image", "prompt"} <= {*node["inputs"]}
        assert {"prompt", "seed"} <= node["widgets"].keys()
        # The page names a widget of a node inside in its own way: "file", or "1: file".
        [file] = [value for name, value in node["widgets"].items() if name.endswith("file")]
        small = {"steps": STEPS, "seed": number}
        if "official" in part.file:
            small |= {"width": WIDTH, "height": HEIGHT}
        frames = browser.evaluate(CONNECT, small)
        assert len(browser.run(frames)["images"]) == 16
        assert only(browser.prompt(), "ToonEncodeKeys")["prompt"] == "waves a hand"
        assert only(browser.prompt(), "ToonLoadModel")["file"] == file
        assert boxes.media_appears(browser, frames)


def only(prompt: dict[str, Any], kind: str) -> dict[str, Any]:
    """The inputs of the one node of a kind."""
    [found] = [node["inputs"] for node in prompt.values() if node["class_type"] == kind]
    return found
