"""The live preview: right colours, and a frame that changes."""

from __future__ import annotations

import sys
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from graphs import decode, node, sample
from place import ROOT
from torch import Tensor
from torch.nn.functional import interpolate

import toon_core
from toon_core.weights.checkpoint import read
from train.recipes.assemble import AssembleConfig, assemble, cast_keys

if TYPE_CHECKING:
    from inprocess import Comfy

NANO = ROOT / "weights" / "nano.safetensors"


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """nano as `train.assemble` makes it."""
    path = tmp_path_factory.mktemp("shipped") / "nano.safetensors"
    return assemble(AssembleConfig(base=str(NANO), out=str(path)))


def shown(config: Any, latent: Tensor) -> np.ndarray:
    """What ComfyUI's preview makes of a clip (1 4 f h w): (h w 3)."""
    import latent_preview

    [ours] = [m for n, m in sys.modules.items() if n.endswith("ToonTween.nodes.model")]
    previewer = latent_preview.get_previewer("cpu", ours.ToonModelConfig(config).latent_format)
    return np.asarray(previewer.decode_latent_to_preview(latent)).astype(float)


def correlations(a: np.ndarray, b: np.ndarray) -> list[float]:
    """Of each channel of (... 3)."""
    return [np.corrcoef(a[..., i].ravel(), b[..., i].ravel())[0, 1] for i in range(3)]


def test_nanos_preview_has_the_pictures_colours(toon: Comfy, shipped: Path) -> None:
    model = toon_core.load(shipped, dtype=torch.float32)
    keys = cast_keys()[::3]
    with torch.inference_mode():
        latents = model.config.scale_factor * model.vae.encode(keys).mean
    previews = np.stack([shown(model.config, z[None, :, None]) for z in latents])
    pictures = interpolate(keys, latents.shape[-2:], mode="area").movedim(1, -1).numpy()
    assert min(correlations(previews, pictures)) > 0.8
    assert np.abs(previews / 127.5 - 1 - pictures).mean() < 0.15


def test_a_file_without_factors_has_stable_diffusions(toon: Comfy, tiny: Any) -> None:
    import comfy.latent_formats

    loaded = toon.run(
        {"1": node("ToonLoadModel", file="tiny.safetensors", weight_dtype="default")}, keep=["1"]
    )
    found = loaded.value("1").model.latent_format
    assert read(toon.base / "models" / "checkpoints" / "tiny.safetensors").config.preview is None
    assert found.latent_rgb_factors == comfy.latent_formats.SD15().latent_rgb_factors
    assert found.latent_rgb_factors_bias is None


def test_it_is_the_middle_frame(ready: Any) -> None:
    """The first is the first key's, which is the same at every step; older ComfyUI can show no
    other."""
    from latent_preview import Latent2RGBPreviewer

    chooses = "latent_rgb_factors_reshape" in signature(Latent2RGBPreviewer).parameters
    run = ready.run({**sample(steps=3, cfg_scale=1.0), **decode()}, keep=["5"])
    last = np.asarray(run.previews[-1][1]).astype(float)
    model, made = run.value("1").model, run.value("5")["samples"]
    made = model.process_latent_in(made)
    frames = [shown(model.toon, made[:, :, i : i + 1]) for i in range(made.shape[2])]
    distances = [np.abs(frame - last).mean() for frame in frames]
    assert int(np.argmin(distances)) == (len(frames) // 2 if chooses else 0)
