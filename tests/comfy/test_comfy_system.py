"""Workflows of core nodes as systems of an evaluation, in the real server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from discs import make_testset
from PIL import Image
from place import comfyui_folder

from train.eval.options import Settings
from train.eval.run import evaluate

if TYPE_CHECKING:
    from headless import Headless


def node(kind: str, title: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs, "_meta": {"title": title}}


def holding(folder: Path, **changed: dict[str, Any]) -> Path:
    """A workflow that holds the first key and ends with the last."""
    nodes = {
        "1": node("LoadImage", "first", image="a.png"),
        "2": node("LoadImage", "last", image="b.png"),
        "3": node("RepeatImageBatch", "intervals", image=["1", 0], amount=1),
        "4": node("ImageBatch", "all", image1=["3", 0], image2=["2", 0]),
        "5": node("PreviewImage", "frames", images=["4", 0]),
    }
    file = folder / "holding.json"
    file.write_text(json.dumps(nodes | changed))
    return file


@pytest.fixture
def testset(tmp_path: Path) -> Path:
    return make_testset(tmp_path / "held_out")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(out=tmp_path / "out", size=64, models=tmp_path)


def picture(file: Path) -> np.ndarray:
    return np.asarray(Image.open(file).convert("RGB"))


def check(testset: Path, out: Path, clips: tuple[str, ...]) -> None:
    """Each clip came back, in its order: the first key held, then the last."""
    for clip in clips:
        made = [picture(out / "frames" / "holding" / clip / f"frame_{i:03d}.png") for i in range(6)]
        first, last = (picture(testset / clip / f"frame_{i:03d}.png") for i in (0, 5))
        assert all(np.array_equal(frame, first) for frame in made[:-1])
        assert np.array_equal(made[-1], last) and not np.array_equal(first, last)


def test_a_workflow_of_core_nodes_is_scored(
    server: Headless, testset: Path, settings: Settings
) -> None:
    before = sorted((server.base / "input").rglob("*"))
    system = f"comfy:{holding(settings.models)}@{server.url}"
    row = evaluate([system], testset, settings, workers=2)["systems"]["holding"]
    check(testset, settings.out, ("fast", "middle", "slow"))
    assert row["end_frame_error"]["mean"] == 0 and row["psnr"]["n"] == 3
    assert sorted((server.base / "input").rglob("*")) == before, "keys leave nothing there"
    manifest = json.loads((settings.out / "manifest.json").read_text())
    assert manifest["systems"]["holding"]["workflow"] == "holding.json"


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"3": node("RepeatImageBatch", "x", image=["1", 0], amount=2)}, "gave 3 frames of fast"),
        (
            {
                "5": node("PreviewImage", "frames", images=["6", 0]),
                "6": node(
                    "ImageScale",
                    "x",
                    image=["4", 0],
                    upscale_method="area",
                    width=32,
                    height=48,
                    crop="disabled",
                ),
            },
            "gave frames of 32x48 pixels of fast, which has 64x64",
        ),
        # newer servers name the title and the id instead of the class
        ({"4": node("NoSuchNode", "x")}, "refuses .*(NoSuchNode|'x' not found.* '#4')"),
        (
            {
                "4": node("ImageBatch", "all", image1=["3", 0], image2=["6", 0]),
                "6": node("ImageFromBatch", "x", image=["2", 0], batch_index="z", length=1),
            },
            "refuses .*ImageFromBatch",
        ),
    ],
)
def test_what_a_workflow_gives_wrongly_is_one_clear_error(
    server: Headless,
    testset: Path,
    settings: Settings,
    changed: dict[str, Any],
    words: str,
) -> None:
    system = f"comfy:{holding(settings.models, **changed)}@{server.url}"
    with pytest.raises(ValueError, match=words):
        evaluate([system], testset, settings, limit=1)


def test_a_comfyui_is_started_from_its_folder_and_ended(testset: Path, settings: Settings) -> None:
    system = f"comfy:{holding(settings.models)}@{comfyui_folder()}"
    assert evaluate([system], testset, settings, limit=1)["systems"]["holding"]["psnr"]["n"] == 1
    check(testset, settings.out, ("fast",))
    assert "Starting server" in (settings.out / "comfyui_0.log").read_text(errors="replace")
