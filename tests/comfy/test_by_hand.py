"""A graph made by hand, as the README says, with every widget as the page sets it, gives the
picture of the bundled workflow."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import demo
import numpy as np
from bundled import picture
from graph_to_prompt import prompt_from_graph
from place import ROOT

if TYPE_CHECKING:
    from headless import Headless

# What the README's steps connect; node by node in its order.
LINKS: dict[str, dict[str, Any]] = {
    "ToonLoadModel": {},
    "ToonLoadCast": {},
    "ToonEncodeKeys": {
        "conditioner": ["ToonLoadModel", 1],
        "toon_vae": ["ToonLoadModel", 2],
        "first_image": ["ToonLoadCast", 0],
        "last_image": ["ToonLoadCast", 1],
        "prompt": ["ToonLoadCast", 3],
    },
    "ToonSample": {
        "model": ["ToonLoadModel", 0],
        "positive": ["ToonEncodeKeys", 0],
        "negative": ["ToonEncodeKeys", 1],
        "latent": ["ToonEncodeKeys", 3],
    },
    "ToonDecode": {"latent": ["ToonSample", 0], "toon_vae": ["ToonLoadModel", 2]},
}
WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}


def as_the_page_sets_it(kind: str, info: dict[str, Any]) -> dict[str, Any]:
    """A node just added: its links, and the default of every widget that has none."""
    declared = {**info["input"]["required"], **info["input"].get("optional", {})}
    values = {
        name: options["default"]
        for name, (type_, options) in declared.items()
        if type_ in WIDGETS and name not in LINKS[kind]
    }
    return {"class_type": kind, "inputs": {**values, **LINKS[kind]}}


def frames_of(server: Headless, prompt: dict[str, Any], node: str) -> list[np.ndarray]:
    run = server.run(prompt)
    assert run.status == "success", demo.explain(run)
    return [picture(server, item) for item in run.outputs[node]["images"]]


def test_a_graph_made_by_hand_gives_the_bundled_picture(server: Headless) -> None:
    info = server.get("/object_info")
    steps = (ROOT / "README.md").read_text(encoding="utf-8").split("by hand:")[1].split("## ")[0]
    titles = re.findall(r"^\d\. (Toon [A-Z]\w+(?: [A-Z]\w+)*)", steps, flags=re.MULTILINE)
    assert titles == [info[kind]["display_name"] for kind in LINKS]
    by_hand = {kind: as_the_page_sets_it(kind, info[kind]) for kind in LINKS}
    by_hand["frames"] = {"class_type": "PreviewImage", "inputs": {"images": ["ToonDecode", 0]}}
    graph = json.loads(demo.CLIP.read_text(encoding="utf-8"))
    prompt = prompt_from_graph(graph, info)
    [shown] = [key for key, node in prompt.items() if node["class_type"] == "PreviewImage"]
    ours, theirs = frames_of(server, by_hand, "frames"), frames_of(server, prompt, shown)
    assert len(ours) == len(theirs) == 16
    assert all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))
