"""What the page is told about the nodes."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from dataclasses import make_dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from place import ROOT, comfyui_folder

from toon_core.images import Fit
from toon_core.sketch.control import SketchControl

if TYPE_CHECKING:
    from inprocess import Comfy

LOAD = """
import sys, asyncio, logging
comfyui, folder = sys.argv[1:]
sys.path.insert(0, comfyui)
import comfy.options
from comfy.cli_args import args
args.cpu, args.database_url = True, "sqlite:///:memory:"
import utils.extra_config, nodes
assert asyncio.run(nodes.load_custom_node(folder)), "did not load"
print(*sorted(n for n in nodes.NODE_CLASS_MAPPINGS if n.startswith("Toon")))
print(nodes.EXTENSION_WEB_DIRS)
"""


def infos(comfy: Comfy) -> dict[str, Any]:
    found = {k: v for k, v in comfy.nodes.NODE_CLASS_MAPPINGS.items() if k.startswith("Toon")}
    return {k: v.GET_NODE_INFO_V1() for k, v in found.items()}


def test_pack_loads_from_an_odd_folder(tmp_path: Path, comfy: Comfy) -> None:
    folder = tmp_path / "Odd name-1.0 (copy)"
    folder.mkdir()
    for name in ("__init__.py", "nodes", "toon_core", "cast"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    command = [sys.executable, "-c", LOAD, str(comfyui_folder()), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-2].split() == sorted(infos(comfy))


def test_everything_has_a_tooltip_and_a_place(comfy: Comfy) -> None:
    missing = []
    for name, info in infos(comfy).items():
        assert info["category"].split("/")[0] == "ToonTween" and info["description"]
        for kind in ("required", "optional"):
            group = info["input"].get(kind, {})
            missing += [f"{name}.{k}" for k, v in group.items() if not v[1].get("tooltip")]
        outputs = info["output_tooltips"]
        assert len(outputs) == len(info["output"])
        missing += [f"{name} output {i}" for i, text in enumerate(outputs) if not text]
    assert len(infos(comfy)) >= 8 and missing == []


def test_fit_and_context_are_the_releases_by_default(comfy: Comfy) -> None:
    assert default(comfy, "ToonEncodeKeys", "fit") == Fit((64, 64), (64, 64)).mode
    assert default(comfy, "ToonApplySketch", "context") == SketchControl.context


def default(comfy: Comfy, node: str, widget: str) -> Any:
    found = infos(comfy)[node]["input"]
    return {**found["required"], **found.get("optional", {})}[widget][1]["default"]


def test_nodes_are_found_by_what_people_look_for(comfy: Comfy) -> None:
    """Where ComfyUI has such words at all."""
    for name, info in infos(comfy).items():
        assert "tooncrafter" in info.get("search_aliases", ["tooncrafter"]), name
    words = infos(comfy)["ToonSample"].get("search_aliases", ["interpolation", "inbetween"])
    assert {"interpolation", "inbetween"} <= {*words}


@pytest.mark.parametrize("newer", [True, False])
def test_only_what_comfyui_knows_is_given_to_it(
    comfy: Comfy, monkeypatch: pytest.MonkeyPatch, newer: bool
) -> None:
    [ours] = [m for n, m in sys.modules.items() if n.endswith("ToonTween.nodes.schema")]
    known = ["node_id", "inputs", *(["search_aliases"] if newer else [])]
    Schema = make_dataclass("Schema", known)
    monkeypatch.setattr(ours, "io", SimpleNamespace(Schema=Schema))
    field = {"advanced": None} if newer else {}
    inputs = [SimpleNamespace(id=name, **field) for name in "ab"]
    words = {"search_aliases": ["tween"], "advanced": ["b"]}
    made = ours.schema(node_id="Some", inputs=inputs, **words)
    assert [vars(i).get("advanced") for i in made.inputs] == [None, True if newer else None]
    if newer:
        assert made.search_aliases == ["toontween", "tooncrafter", "tween"]
    with pytest.raises(ValueError, match="Some has no input c"):
        ours.schema(node_id="Some", inputs=inputs, advanced=["c"])


def test_nano_is_first_and_default(comfy: Comfy) -> None:
    for node in ("ToonLoadModel", "ToonLoadSketchEncoder"):
        options = infos(comfy)[node]["input"]["required"]["file"][1]
        assert options["options"][0] == options["default"] == "nano (built in)"


def test_root_package_needs_no_comfyui() -> None:
    spec = importlib.util.spec_from_file_location("pack_alone", ROOT / "__init__.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.WEB_DIRECTORY == "./js"
