"""Prompts of the pack's nodes, as the page would send them."""

from __future__ import annotations

from typing import Any

import torch

Prompt = dict[str, Any]
TINY = {"width": 64, "height": 64, "length": 4}


def node(kind: str, **inputs: Any) -> Prompt:
    return {"class_type": kind, "inputs": inputs}


def encode(comfy: Any, first: torch.Tensor, last: torch.Tensor, **changes: Any) -> Prompt:
    """Nodes 1 (model), 2 and 3 (keys), 4 (encoder)."""
    values = {
        "conditioner": ["1", 1],
        "toon_vae": ["1", 2],
        "first_image": ["2", 0],
        "last_image": ["3", 0],
        "prompt": "an anime scene",
        "negative_prompt": "",
        "fs": 10,
        "fit": "crop",
        "seed": 123,
        **TINY,
        **changes,
    }
    return {
        "1": node("ToonLoadModel", file="tiny.safetensors", weight_dtype="default"),
        "2": comfy.give(first),
        "3": comfy.give(last),
        "4": node("ToonEncodeKeys", **values),
    }


def sample(**changes: Any) -> Prompt:
    """Node 5, on the nodes of `encode`."""
    values = {
        "model": ["1", 0],
        "positive": ["4", 0],
        "negative": ["4", 1],
        "latent": ["4", 3],
        "steps": 5,
        "eta": 1.0,
        "spacing": "uniform_trailing",
        "cfg_scale": 7.5,
        "guidance_rescale": 0.7,
        "seed": 123,
        "cfg_image": 0.0,
        **changes,
    }
    return {"5": node("ToonSample", **values)}


def decode(**changes: Any) -> Prompt:
    """Node 6."""
    values = {
        "latent": ["5", 0],
        "toon_vae": ["1", 2],
        "replace_middle_frames": "on",
        "low_memory": "auto",
        "keep_still": "off",
        **changes,
    }
    return {"6": node("ToonDecode", **values)}


def picture(seed: int = 0, size: tuple[int, int] = (64, 64), count: int = 1) -> torch.Tensor:
    """A smooth random IMAGE."""
    generator = torch.Generator().manual_seed(seed)
    small = torch.rand(count, 3, 5, 5, generator=generator)
    large = torch.nn.functional.interpolate(small, size, mode="bilinear")
    return large.movedim(1, -1).contiguous()


def deviation(a: torch.Tensor, b: torch.Tensor) -> float:
    """max |a - b| / max |b|, the golden data's measure."""
    assert a.shape == b.shape, (a.shape, b.shape)
    return float((a - b).abs().max() / b.abs().max())
