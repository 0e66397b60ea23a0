"""What the page is told about the nodes."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from place import ROOT, comfyui_folder

from toon_core.images import Fit
from toon_core.presets import RELEASED
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


@pytest.mark.parametrize(
    ("node", "widget", "field"),
    [
        ("ToonEncodeKeys", "width", "width"),
        ("ToonEncodeKeys", "height", "height"),
        ("ToonEncodeKeys", "length", "frames"),
        ("ToonEncodeKeys", "fs", "fps"),
        ("ToonEncodeKeys", "seed", "seed"),
        ("ToonSample", "steps", "steps"),
        ("ToonSample", "eta", "eta"),
        ("ToonSample", "spacing", "spacing"),
        ("ToonSample", "cfg_scale", "cfg_scale"),
        ("ToonSample", "guidance_rescale", "guidance_rescale"),
        ("ToonSample", "seed", "seed"),
        ("ToonSample", "temperature", "temperature"),
        ("ToonSetSchedule", "temperature", "temperature"),
        ("ToonApplySketch", "strength", "sketch_scale"),
        ("ToonDecode", "replace_middle_frames", "replace_middle_frames"),
        ("ToonScheduleSigmas", "steps", "steps"),
        ("ToonScheduleSigmas", "spacing", "spacing"),
        ("ToonDDIMSampler", "eta", "eta"),
        ("ToonRescaleGuidance", "guidance_rescale", "guidance_rescale"),
        ("ToonGuideBranches", "cfg_scale", "cfg_scale"),
    ],
)
def test_defaults_are_the_released_recipe(comfy: Comfy, node: str, widget: str, field: str) -> None:
    assert default(comfy, node, widget) == getattr(RELEASED, field)


@pytest.mark.parametrize(
    ("node", "widget", "released"),
    [
        ("ToonSample", "cfg_image", RELEASED.cfg_image or 0.0),
        ("ToonGuideBranches", "cfg_image", RELEASED.cfg_scale),  # the release's third branch
        ("ToonEncodeKeys", "fit", Fit((64, 64), (64, 64)).mode),
        ("ToonApplySketch", "context", SketchControl.context),
    ],
)
def test_defaults_that_are_no_field_of_the_recipe(
    comfy: Comfy, node: str, widget: str, released: Any
) -> None:
    assert default(comfy, node, widget) == released


def default(comfy: Comfy, node: str, widget: str) -> Any:
    found = infos(comfy)[node]["input"]
    return {**found["required"], **found.get("optional", {})}[widget][1]["default"]


def test_nano_is_first_and_default(comfy: Comfy) -> None:
    for node in ("ToonLoadModel", "ToonLoadSketchEncoder"):
        options = infos(comfy)[node]["input"]["required"]["file"][1]
        assert options["options"][0] == options["default"] == "nano (built in)"


def test_root_package_needs_no_comfyui() -> None:
    spec = importlib.util.spec_from_file_location("pack_alone", ROOT / "__init__.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.WEB_DIRECTORY == "./js"
