"""Between keys and frames no tensor is float64, which MPS does not have; single numbers may be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from conftest import SKETCH
from graphs import Prompt, decode, encode, node, picture, sample
from test_native import EULER, advanced
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from toon_core.pipeline import interpolate
from toon_core.presets import Recipe

if TYPE_CHECKING:
    from inprocess import Comfy


class Doubles(TorchDispatchMode):
    """Names the operations that give float64 tensors of more than `allowed` values."""

    def __init__(self, allowed: int) -> None:
        super().__init__()
        self.allowed, self.found, self.convolutions = allowed, set(), 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        self.convolutions += ".conv" in str(func)
        for x in tree_leaves(out):
            if isinstance(x, Tensor) and x.dtype == torch.float64 and x.numel() > self.allowed:
                self.found.add(f"{func} {tuple(x.shape)}")
        return out


def test_the_watch_tells_two_numbers_from_one() -> None:
    with Doubles(1) as mode:
        torch.zeros(1).double()
        torch.zeros(2).double()
    assert mode.found == {"aten._to_copy.default (2,)"}


@torch.inference_mode()
def test_the_core_makes_none_from_keys_to_frames(tiny: Any) -> None:
    keys = [picture(i).movedim(-1, 1) * 2 - 1 for i in (1, 2)]
    with Doubles(0) as mode:
        interpolate(tiny, *keys, "a cat", recipe=Recipe(frames=4, steps=2))
    assert mode.found == set() and mode.convolutions > 100


def sketched(toon: Comfy) -> Prompt:
    """Nodes 7 to 9; 9 is the model with a sketch."""
    values = {"frames": "1", "strength": 0.6, "polarity": "auto", "context": "full"}
    links = {"model": ["1", 0], "sketch_encoder": ["7", 0], "latent": ["4", 3]}
    span = {"sketches": ["8", 0], "start_percent": 0.0, "end_percent": 1.0}
    return {
        "7": node("ToonLoadSketchEncoder", file=SKETCH),
        "8": toon.give(picture(3)),
        "9": node("ToonApplySketch", **values, **links, **span),
    }


@pytest.mark.parametrize("sampler", [None, EULER, node("ToonDDIMSampler", eta=1.0)])
def test_the_nodes_make_none_from_keys_to_frames(toon: Comfy, sampler: Prompt | None) -> None:
    """Toon Sample, then ComfyUI's samplers."""
    prompt = {**encode(toon, picture(1), picture(2)), **sketched(toon)}
    if sampler is None:
        prompt |= {**sample(model=["9", 0], steps=2), **decode()}
    else:
        prompt |= {**advanced(sampler, ["9", 0], cfg=2.0, steps=2), **decode(latent=["14", 0])}
    executor = toon.executor()
    toon.run(prompt, keep=["1", "7"], executor=executor)  # loading makes the schedule's tables
    with Doubles(1) as mode:
        run = toon.run(prompt, keep=["6"], executor=executor)
    assert run.success, run.error
    assert mode.found == set() and mode.convolutions > 100
