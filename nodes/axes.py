"""Whether a guidance function of another node acts on a clip as it does on a picture.

ComfyUI's own are written for pictures (b c h w). On a clip (b c f h w) a mean over "the last three
axes" or over "axes 1 to 3" is another one. So a function is tried on random numbers: as a clip, as
the same numbers in one tall picture (c, f h, w), and as its frames in a batch of pictures. It is
right where the clip's result is one of the other two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import BuiltinFunctionType, CellType, FunctionType, ModuleType
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

KINDS = ("sampler_cfg_function", "sampler_pre_cfg_function", "sampler_post_cfg_function")
SCALE = 3.0
SIGMA = 1.0  # clean and noise of one size
ROUNDING = 1e-3
GROWTH = 1.3
HARMLESS = (
    *(int, float, str, bytes, Tensor, torch.dtype, torch.device, type, type(None)),
    *(ModuleType, BuiltinFunctionType),
)


class NotPlain(Exception):
    """A function holds what a trial could change."""


@dataclass(frozen=True)
class Trial:
    """runs: on a clip at all. clip: as on one tall picture. frames: as on each frame alone. order:
    pictures of a batch may change places. growth: the size of the result at the run's first sigma
    over that at a middle one, from the same predictions."""

    runs: bool
    clip: bool
    frames: bool
    order: bool
    growth: float

    @property
    def fault(self) -> str:
        """What is wrong; empty where nothing is."""
        if not self.runs:
            return "it takes pictures (b c h w) and fails on a clip (b c f h w)"
        if not self.order:
            return "its axes are wrong here: it takes a batch for the frames of one clip"
        if not (self.clip or self.frames):
            return "its axes, made for pictures (b c h w), are wrong for a clip (b c f h w)"
        if self.growth > GROWTH:
            return "it leaves noise in this model's first step, which begins at pure noise"
        return ""


def tried(function: Any, kind: str, shape: Sequence[int], sigma: float) -> Trial | None:
    """For latents (b c f h w) of a run that begins at `sigma`. None for a function that cannot be
    tried: it calls the model, or keeps what a trial could change."""
    try:
        _copy(function)
    except NotPlain:
        return None
    generator = torch.Generator().manual_seed(0)
    x, cond, uncond = clip = torch.randn(3, 1, *shape[1:], generator=generator).unbind()
    here = _result(function, kind, clip)
    tall = _result(function, kind, [_tall(t) for t in clip])
    frames = _result(function, kind, [_frames(t) for t in clip])
    if here is None:
        return None if frames is None else Trial(False, False, False, True, 1.0)
    turned = _result(function, kind, [_frames(t).roll(1, 0) for t in clip])
    late = _result(function, kind, (x * sigma, cond, uncond), sigma)
    return Trial(
        runs=True,
        clip=_same(tall, here, _tall),
        frames=_same(frames, here, _frames),
        order=frames is None or _same(turned, frames, lambda t: t.roll(1, 0)),
        growth=float("inf") if late is None else float(late.std() / here.std()),
    )


def _tall(clip: Tensor) -> Tensor:
    return rearrange(clip, "b c f h w -> b c (f h) w")


def _frames(clip: Tensor) -> Tensor:
    return rearrange(clip, "b c f h w -> (b f) c h w")


def _same(found: Tensor | None, clip: Tensor, view: Callable[[Tensor], Tensor]) -> bool:
    if found is None or found.shape != view(clip).shape:
        return False
    return bool((found - view(clip)).abs().max() <= ROUNDING * clip.abs().max())


def _result(
    function: Any, kind: str, latents: Sequence[Tensor], sigma: float = SIGMA
) -> Tensor | None:
    """The x0-prediction after it, as ComfyUI would go on with; None where it fails."""
    x, cond, uncond = latents
    sigmas = torch.full((len(x),), sigma)
    positive: list[dict[str, Any]] = [{}]
    negative: list[dict[str, Any]] = [{}]
    args: dict[str, Any] = {"timestep": sigmas, "sigma": sigmas, "input": x, "model": None}
    args |= {"cond_scale": SCALE, "model_options": {}, "conds": [positive, negative]}
    args |= {"input_cond": positive, "input_uncond": negative}
    args |= {"cond_denoised": cond, "uncond_denoised": uncond}
    guided = uncond + SCALE * (cond - uncond)
    try:
        if kind == "sampler_pre_cfg_function":
            cond, uncond = _copy(function)({**args, "conds_out": [cond, uncond]})
            return uncond + SCALE * (cond - uncond)
        if kind == "sampler_cfg_function":
            return x - _copy(function)({**args, "cond": x - cond, "uncond": x - uncond})
        given = {"cond": positive, "uncond": negative, "denoised": guided}
        return _copy(function)({**args, **given})
    except Exception:  # of code that is not ours, on made-up input
        return None


def _copy(function: Any) -> FunctionType:
    """The function with variables of its own, so that nothing is left of a trial in what it
    remembers from step to step. NotPlain where it holds more than plain values."""
    if not isinstance(function, FunctionType):
        raise NotPlain
    try:
        values = [cell.cell_contents for cell in function.__closure__ or ()]
    except ValueError as error:  # a variable that is not set yet
        raise NotPlain from error
    copies = [_copy(v) if isinstance(v, FunctionType) else v for v in values]
    if not all(isinstance(v, (*HARMLESS, FunctionType)) for v in copies):
        raise NotPlain
    cells = tuple(CellType(v) for v in copies)
    code, globals_, name = function.__code__, function.__globals__, function.__name__
    made = FunctionType(code, globals_, name, function.__defaults__, cells)
    made.__kwdefaults__ = function.__kwdefaults__
    return made
