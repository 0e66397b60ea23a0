"""Parts of the bundled workflows as subgraph blueprints: nodes that ComfyUI lists for every graph.

The page folds the part's nodes into one. What comes from outside becomes that node's inputs, and
so do some of their widgets, which the one node then shows.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workflow_layout import PLACED

if TYPE_CHECKING:
    from browser import Browser

Graph = dict[str, Any]

FOLD = """async ([prompt, inside, widgets]) => {
    await app.loadApiJson(prompt, 'workflow')
    app.graph.arrange(80)
    const made = new Set(inside.map(id => app.graph.getNodeById(id)))
    const {subgraph, node} = app.graph.convertToSubgraph(made)
    for (const [name, places] of Object.entries(widgets)) {
        let input
        for (const [id, widget] of places) {
            const inner = subgraph.getNodeById(id)
            const slot = inner.inputs.find(slot => slot.name === widget)
            input ??= subgraph.addInput(name, slot.type)
            input.connect(slot, inner) } }
    return JSON.stringify({node: node.id, graph: app.graph.serialize()}) }"""
SIZE = [340, 220]
AWAY, END = 200, 120  # of the subgraph's two ends: distance from its nodes, and width


@dataclass(frozen=True, kw_only=True)
class Blueprint:
    """file: its name without ending, which is the node's name. prompt: the tested prompt that it
    is a part of. nodes: which of the prompt's. widgets: input -> the (node, widget) it sets."""

    file: str
    prompt: str
    description: str
    search_aliases: tuple[str, ...]
    nodes: tuple[int, ...]
    widgets: dict[str, tuple[tuple[int, str], ...]]


_INTERPOLATE = {
    "search_aliases": (
        *("tooncrafter", "toontween", "interpolation", "in-between", "inbetween", "tween"),
        *("cartoon", "anime", "keyframes", "first last frame"),
    ),
    "nodes": (1, 3, 4, 5),
    # The release has one seed for both.
    "widgets": {"seed": ((3, "seed"), (4, "seed")), "file": ((1, "file"),)},
}
BLUEPRINTS = (
    Blueprint(
        file="Toon Interpolate nano",
        prompt="interpolate_nano",
        description="Two pictures and a prompt in, 16 frames out, by the built-in nano model.",
        **_INTERPOLATE,
    ),
    Blueprint(
        file="Toon Interpolate official",
        prompt="interpolate_official",
        description="Two pictures and a prompt in, 16 frames out, by the official ToonCrafter "
        "checkpoint in models/checkpoints/tooncrafter_512_interp.ckpt.",
        **_INTERPOLATE,
    ),
)


def blueprint_graph(wanted: Blueprint, prompt: dict[str, Any], browser: Browser) -> Graph:
    """prompt: in API format. The page must be drawn with LiteGraph."""
    wishes = [prompt, list(wanted.nodes), wanted.widgets]
    folded = json.loads(browser.evaluate(FOLD, wishes))
    [subgraph] = folded["graph"]["definitions"]["subgraphs"]
    [node] = [n for n in folded["graph"]["nodes"] if n["id"] == folded["node"]]
    identity = str(uuid.uuid5(uuid.NAMESPACE_URL, f"toontween/{wanted.file}"))
    _name(subgraph, identity, wanted)
    _alone(node, identity, wanted)
    about = {
        "BlueprintDescription": wanted.description,
        "BlueprintSearchAliases": list(wanted.search_aliases),
    }
    return {
        **{"revision": 0, "last_node_id": node["id"], "last_link_id": 0, "nodes": [node]},
        **{"links": [], "groups": [], "definitions": {"subgraphs": [subgraph]}},
        **{"config": {}, "extra": {**PLACED, **about}, "version": 0.4},
    }


def _name(subgraph: Graph, identity: str, wanted: Blueprint) -> None:
    subgraph.update(id=identity, name=wanted.file, description=wanted.description)
    subgraph.update(category="ToonTween", extra=dict(PLACED))
    for kind in ("inputs", "outputs"):
        for entry in subgraph[kind]:
            entry["id"] = str(uuid.uuid5(uuid.UUID(identity), f"{kind}/{entry['name']}"))
    left = min(node["pos"][0] for node in subgraph["nodes"])
    right = max(node["pos"][0] + node["size"][0] for node in subgraph["nodes"])
    top = min(node["pos"][1] for node in subgraph["nodes"])
    for end, x in (("inputNode", left - AWAY - END), ("outputNode", right + AWAY)):
        subgraph[end]["bounding"][:2] = [x, top]


def _alone(node: Graph, identity: str, wanted: Blueprint) -> None:
    """The one node, in no graph yet."""
    node.update(type=identity, title=wanted.file, pos=[0, 0], size=SIZE, order=0)
    node["properties"].pop("proxyWidgets", None)  # each version of the page makes its own
    for entry in node["inputs"]:
        entry["link"] = None
    for entry in node["outputs"]:
        entry["links"] = []
