"""The bundled official workflow on the golden model: the golden frames come out."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from conftest import GOLDEN, HERE, to_image
from graphs import Prompt, deviation
from parity_index import Case
from philox import weight

from toon_core.schedule import Schedule
from toon_core.weights.configure import CONFIG_KEY

if TYPE_CHECKING:
    from inprocess import Comfy

WORKFLOW = HERE.parent / "comfy" / "prompts" / "interpolate_official.json"


@pytest.fixture
def official_file(toon: Comfy, tiny: Any, golden: dict[str, Case]) -> str:
    """The golden model under the name that the workflow asks for: a pickle of every tensor that
    the release's own manifest of it lists, unused ones too, and of the schedule's tables.

    Only the configuration beside them is ours: shapes do not tell the heads of unreleased widths.
    """
    manifest = GOLDEN / golden["e2e/t8"].weights()["manifest"]
    state = Schedule(tiny.config.schedule).buffers()
    for name, shape in json.loads(manifest.read_text()).items():
        values = np.empty(shape, dtype=np.float32)
        weight(name, name, values)
        state[name] = torch.from_numpy(values)
    name = workflow()["1"]["inputs"]["file"]
    contents = {"state_dict": state, CONFIG_KEY: json.dumps(tiny.config.to_dict())}
    torch.save(contents, toon.base / "models" / "checkpoints" / name)
    toon.folder_paths.filename_list_cache.clear()
    return name


def workflow() -> Prompt:
    """As the page sends it."""
    return json.loads(WORKFLOW.read_text(encoding="utf-8"))


def on_golden_keys(toon: Comfy, case: Case) -> Prompt:
    """The workflow with the case's keys, prompt, size and steps; all else stays."""
    prompt = workflow()
    keys, sampler = prompt["3"]["inputs"], prompt["4"]["inputs"]
    for name, image in (("first_image", "image1"), ("last_image", "image2")):
        prompt[name] = toon.give(to_image(case.input(image)))
        keys[name] = [name, 0]
    del prompt["2"]
    height, width = case.input("image1").shape[-2:]
    keys.update(width=width, height=height, length=case.scalar("T"), prompt=case.scalar("prompt"))
    sampler["steps"] = case.scalar("S")
    return prompt


def test_official_workflow_gives_the_golden_frames(
    toon: Comfy,
    official_file: str,
    golden: dict[str, Case],
    golden_noise: list,
    expected: dict[str, torch.Tensor],
) -> None:
    prompt = on_golden_keys(toon, golden["e2e/t8"])
    assert prompt["1"]["inputs"]["file"] == official_file
    run = toon.run(prompt, keep=["3", "4", "5"])
    assert run.success, run.error
    positive = run.value("3", 0)
    assert deviation(positive[0][0], expected["t8/context_cond"]) < 1e-3
    latents = run.value("4")["samples"] * 0.18215
    assert deviation(latents, expected["t8/samples"]) < 1e-3
    frames = expected["t8/frames_final"]
    wanted = ((frames + 1) / 2).clamp(0, 1).permute(1, 2, 3, 0)
    assert (run.value("5") - wanted).abs().max() < 1e-3 * frames.abs().max() / 2
    assert len(run.outputs["6"]["images"]) == len(wanted) and run.outputs["8"]["images"]
    _, sampler = golden_noise
    sampler.finish()
