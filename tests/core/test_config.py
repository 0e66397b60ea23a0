"""Configurations, and the presets' names and shapes against the released files' manifests."""

import gzip
import json
from functools import cache
from pathlib import Path

import pytest
from torch import nn

from toon_core import official
from toon_core.config import ResamplerConfig, SketchConfig, ToonConfig, UNetConfig, VAEConfig
from toon_core.model import ToonModel
from toon_core.presets import (
    dynamicrafter_512,
    nano,
    nano_sketch,
    official_512,
    official_sketch,
    plain,
)
from toon_core.preview import Preview
from toon_core.schedule import Schedule
from toon_core.sketch.encoder import SketchEncoder

MANIFESTS = Path(__file__).resolve().parents[1] / "parity" / "manifests"
PREFIXES = {
    "unet": "model.diffusion_model.",
    "vae": "first_stage_model.",
    "text": "cond_stage_model.",
    "image": "embedder.",
    "resampler": "image_proj_model.",
}
# The image tower's files carry the text half, which nothing uses (architecture.md 5).
LEFTOVERS = tuple(
    f"embedder.model.{part}"
    for part in (
        "transformer.",
        "token_embedding.",
        "positional_embedding",
        "text_projection",
        "ln_final.",
        "logit_scale",
    )
)


def manifest(name: str) -> dict[str, list[int]]:
    return json.loads(gzip.decompress((MANIFESTS / f"manifest-{name}.json.gz").read_bytes()))


def shapes(module: nn.Module, prefix: str = "") -> dict[str, list[int]]:
    return {prefix + k: list(v.shape) for k, v in module.state_dict().items()}


@cache
def layout(config: ToonConfig) -> dict[str, list[int]]:
    model = ToonModel(config, device="meta")
    out = {k: list(v.shape) for k, v in model.schedule.buffers().items()}
    for name, child in model.named_children():
        out |= shapes(child, PREFIXES[name])
    return out


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("official-512-interp", official_512),
        ("dynamicrafter-512-interp", dynamicrafter_512),
    ],
)
def test_presets_have_the_released_names_and_shapes(name: str, make) -> None:
    want = {k: v for k, v in manifest(name).items() if not k.startswith(LEFTOVERS)}
    assert layout(make()) == want


def test_pruned_files_lack_the_towers() -> None:
    ours = layout(official_512())
    towers = (PREFIXES["text"], PREFIXES["image"])
    assert {k: v for k, v in ours.items() if not k.startswith(towers)} == manifest("pruned")


def test_sketch_preset() -> None:
    assert shapes(SketchEncoder(official_sketch(), device="meta")) == manifest("sketch-encoder")


def test_small_presets() -> None:
    model = ToonModel(nano(), device="meta")
    sketch = SketchEncoder(nano_sketch(), device="meta")
    assert nano().unet.channel_mult == nano_sketch().channel_mult
    assert sum(p.numel() for p in model.parameters()) < 20e6
    assert sum(p.numel() for p in sketch.parameters()) < 10e6
    assert ToonModel(plain(nano()), device="meta").vae.config.plain


@pytest.mark.parametrize("make", [official_512, dynamicrafter_512, nano])
def test_round_trip_through_json(make) -> None:
    config = make()
    assert ToonConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    preview = Preview(factors=((0.1, 0.2, 0.3),) * 4, bias=(0.4, 0.5, 0.6))
    pruned = ToonConfig(clip=None, resampler=None, preview=preview)
    assert ToonConfig.from_dict(json.loads(json.dumps(pruned.to_dict()))) == pruned


@pytest.mark.parametrize(
    ("part", "options", "says"),
    [
        (UNetConfig, {"use_flash": True}, "unknown option use_flash=True"),
        (UNetConfig, {"use_causal_attention": True}, "use_causal_attention=True is not supported"),
        (SketchConfig, {"legacy": True}, "legacy=True is not supported"),
        (VAEConfig, {"double_z": False}, "double_z=False is not supported"),
        (VAEConfig, {"attn_resolutions": [16]}, "attn_resolutions"),
        (ResamplerConfig, {"max_seq_len": 3}, "max_seq_len"),
    ],
)
def test_unknown_options_are_refused(part, options: dict, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        official.read(part, options)


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(ValueError, match="colour"):
        ToonConfig.from_dict({"colour": 1})
    with pytest.raises(ValueError, match="three numbers"):
        ToonConfig.from_dict({"preview": {"factors": [[1, 2]], "bias": [1, 2, 3]}})
    with pytest.raises(ValueError, match="UNetConfig"):
        ToonConfig.from_dict({"unet": {"colour": 1}})


def test_buffers_are_the_manifest_s() -> None:
    bare = {k: v for k, v in manifest("official-512-interp").items() if "." not in k}
    buffers = Schedule(official_512().schedule).buffers()
    assert {k: list(v.shape) for k, v in buffers.items()} == bare
