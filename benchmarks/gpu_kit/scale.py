"""How large the kit measures: the official model on a GPU, or less than nano on a CPU, where the
same code is rehearsed."""

from __future__ import annotations

import copy
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from benchmarks.baseline import WARM, Case, seconds, wake
from toon_core import presets
from toon_core.config import ToonConfig
from toon_core.model import ToonModel
from toon_core.pipeline import interpolate
from toon_core.recipe import Recipe
from toon_core.weights.load import make_tower_buffers
from train.engine.estimate import track_peak


@dataclass(frozen=True)
class Scale:
    """device: cuda or cpu; small: nano with two levels, two steps in place of 50, and of items that
    differ in a name or a number one or two."""

    device: str
    small: bool

    @property
    def config(self) -> ToonConfig:
        if not self.small:
            return presets.official_512()
        whole = presets.nano()
        two = replace(whole.unet, channel_mult=(1, 2), attention_resolutions=(2, 1))
        return replace(whole, unet=two)

    @property
    def size(self) -> tuple[int, int]:
        """Of latents."""
        return (8, 8) if self.small else (40, 64)

    @property
    def halves(self) -> tuple[torch.dtype, ...]:
        """Number types in half precision, the usual one first."""
        if self.device == "cpu":
            return (torch.bfloat16,)
        return (torch.float16, torch.bfloat16)

    @property
    def half(self) -> torch.dtype:
        return self.halves[0]

    @property
    def clips(self) -> int:
        """Whole ones that are timed."""
        return 1 if self.small else 2

    @property
    def repeats(self) -> int:
        return 1 if self.small else 5

    @property
    def recipe(self) -> Recipe:
        return replace(presets.RELEASED, steps=2 if self.small else 50)

    def case(self, name: str, dtype: torch.dtype) -> Case:
        size = (4, 4) if self.small and name != "unet" else self.size
        return Case(name, self.device, dtype, self.config, size)

    def model(self, dtype: torch.dtype) -> ToonModel:
        """All parts, with random weights."""
        torch.manual_seed(0)
        model = ToonModel(self.config, device=self.device, dtype=dtype)
        wake(model)
        make_tower_buffers(model, torch.device(self.device))
        return model.eval().requires_grad_(False)

    def clip(self, model: ToonModel) -> Callable[[], Tensor]:
        """The whole way from two keys to frames."""
        h, w = (8 * side for side in self.size)
        generator = torch.Generator(self.device).manual_seed(0)
        options: dict[str, Any] = {"generator": generator, "device": self.device}
        first, last = (torch.rand(1, 3, h, w, **options) * 2 - 1 for _ in range(2))
        first, last = first.to(model.dtype), last.to(model.dtype)
        return lambda: interpolate(model, first, last, "a cat jumps", recipe=self.recipe)

    def about(self) -> dict[str, Any]:
        """What figures hang on."""
        name = platform.processor() or platform.machine()
        if self.device == "cuda":
            name = torch.cuda.get_device_name()
        return {"device": name, "torch": torch.__version__, "small": self.small}


def in_fp32(model: ToonModel) -> ToonModel:
    """A copy as the release holds its weights; autocast keeps its copies of what may be trained."""
    wide = copy.deepcopy(model).float()
    make_tower_buffers(wide, next(model.parameters()).device)
    return wide.requires_grad_(True)


def median_seconds(run: Callable[[], Any], scale: Scale) -> float:
    for _ in range(WARM[scale.device]):
        run()
    return sorted(seconds(run, scale.device) for _ in range(scale.repeats))[scale.repeats // 2]


class Peak:
    """Bytes: of tensors, and of what the allocator took for them (a GPU's)."""

    def __init__(self) -> None:
        self.tensors = self.reserved = 0

    @property
    def figures(self) -> dict[str, float]:
        return {"peak_gb": self.tensors / 1e9, "reserved_gb": self.reserved / 1e9}


@contextmanager
def peak(device: str) -> Iterator[Peak]:
    """The most that is held inside, with what was there before; on a CPU of the whole process."""
    found = Peak()
    with track_peak(torch.device(device)) as most:
        yield found
    found.tensors = most.bytes
    found.reserved = torch.cuda.max_memory_reserved() if device == "cuda" else most.bytes
