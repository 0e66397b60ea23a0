"""What the release does that costs time or memory and changes nothing, one switch a habit.

Each is written here in our own words, as a patch of this project's own classes for as long as it is
entered, from the list of `docs/performance.md`. All of them together are the naive baseline that
benchmarks compare with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

import torch
from einops import rearrange
from torch import Tensor

from toon_core.denoiser import Denoiser
from toon_core.layers import attention, blocks, context
from toon_core.unet.model import VideoUNet
from toon_core.vae import autoencoder, references, time_stack
from toon_core.vae import blocks as vae_blocks

Habit = Callable[[], AbstractContextManager[None]]


@contextmanager
def _replaced(*changes: tuple[Any, str, Any]) -> Iterator[None]:
    kept = [(owner, name, getattr(owner, name)) for owner, name, _ in changes]
    for owner, name, value in changes:
        setattr(owner, name, value)
    try:
        yield
    finally:
        for owner, name, value in kept:
            setattr(owner, name, value)


def scores() -> AbstractContextManager[None]:
    """Attention as two products with a whole map of scores, its softmax in fp32."""

    def attend(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
        q, k, v = (rearrange(x, "b n (m d) -> (b m) n d", m=heads).contiguous() for x in (q, k, v))
        map_ = torch.einsum("bid,bjd->bij", q, k) * q.shape[-1] ** -0.5
        out = torch.einsum("bij,bjd->bid", map_.float().softmax(-1).to(v.dtype), v)
        return rearrange(out, "(b m) n d -> b n (m d)", m=heads)

    places = (attention, vae_blocks)
    return _replaced(*((place, "attend", attend) for place in places))


def copied_keys() -> AbstractContextManager[None]:
    """Keys and values that frames share are copied for each of them."""

    def attend_frames(q: Tensor, kv: tuple[Tensor, Tensor], heads: int) -> Tensor:
        frames = q.shape[0] // kv[0].shape[0]
        k, v = (x.repeat_interleave(frames, dim=0) for x in kv)
        return attention.attend(q, k, v, heads)

    return _replaced(*((m, "attend_frames", attend_frames) for m in (attention, references)))


def fresh_keys() -> AbstractContextManager[None]:
    """Keys and values of the prompt anew in each pass."""
    inner = context.Context.keys_values

    def keys_values(self: context.Context, layer: Any) -> Any:
        return inner(self, layer) if self._cache is None else layer.project(self)

    return _replaced((context.Context, "keys_values", keys_values))


def volumes() -> AbstractContextManager[None]:
    """Convolutions over the frames as convolutions of volumes."""
    plain: Any = blocks._over_frames(torch.nn.Conv3d)

    def forward(self: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return torch.nn.functional.conv3d(x, weight, bias, padding=(1, 0, 0))

    return _replaced((plain, "_conv_forward", forward))


def _denoiser(**changed: Any) -> AbstractContextManager[None]:
    inner = Denoiser.__init__

    def init(self: Denoiser, *args: Any, **kwargs: Any) -> None:
        inner(self, *args, **{**kwargs, **changed})

    return _replaced((Denoiser, "__init__", init))


def embeddings() -> AbstractContextManager[None]:
    """Step and frame rate embedded in each pass, in every block and for every frame."""

    def forward(self: Any, x: Tensor, emb: Tensor, frames: int, shifts: Any = None) -> Tensor:
        rows = emb.repeat_interleave(x.shape[0] // emb.shape[0], dim=0)
        h = self.in_layers(x) + self.emb_layers(rows)[..., None, None]
        x = self.skip_connection(x) + self.out_layers(h)
        return x if self.temopral_conv is None else self.temopral_conv(x, frames)

    return _both(_denoiser(steps=()), _replaced((blocks.ResBlock, "forward", forward)))


def apart() -> AbstractContextManager[None]:
    """The projections of self-attention one by one."""
    return _denoiser(packed=False)


def branches() -> AbstractContextManager[None]:
    """The branches of the guidance one after the other."""
    return _denoiser(batched=False)


def prefix() -> AbstractContextManager[None]:
    """What the branches have in common, before they read their prompts, for each of them."""
    inner = VideoUNet.forward

    def forward(self: Any, x: Tensor, t: Tensor, kept: Any, fs: Tensor, **more: Any) -> Tensor:
        copies = kept.text.shape[0] // x.shape[0]
        x, t, fs = (v.repeat(copies, *[1] * (v.dim() - 1)) for v in (x, t, fs))
        kept.shifts = kept.shifts and kept.shifts.repeated(copies)
        return inner(self, x, t, kept, fs, **more)

    return _replaced((VideoUNet, "forward", forward))


def copies() -> AbstractContextManager[None]:
    """The two keys encoded as the frames of a clip, half of them the first, half the last."""
    inner = autoencoder.Autoencoder.encode_with_features

    def encode(self: Any, images: Tensor) -> Any:
        frames = images.repeat_interleave(8, dim=0)
        posterior, features = inner(self, frames)
        kept = autoencoder.Posterior(posterior.mean[::8], posterior.logvar[::8])
        return kept, [f[::8] for f in features]

    return _replaced((autoencoder.Autoencoder, "encode_with_features", encode))


def zeros() -> AbstractContextManager[None]:
    """The decoder adds zeros, made for it, wherever it mixes frames."""
    inner = time_stack.TimeStack._whole

    def whole(self: Any, clip: Tensor) -> Tensor:
        made = inner(self, clip)
        return made + torch.zeros_like(made)

    return _replaced((time_stack.TimeStack, "_whole", whole))


@contextmanager
def _both(*managers: AbstractContextManager[None]) -> Iterator[None]:
    with ExitStack() as stack:
        for manager in managers:
            stack.enter_context(manager)
        yield


# `autocast` is no patch but how the weights are held: see `baseline.py`.
UNET: dict[str, Habit] = {
    "scores": scores,
    "copied_keys": copied_keys,
    "fresh_keys": fresh_keys,
    "volumes": volumes,
    "embeddings": embeddings,
    "apart": apart,
    "prefix": prefix,
    "branches": branches,
}
DECODE: dict[str, Habit] = {
    "scores": scores,
    "copied_keys": copied_keys,
    "volumes": volumes,
    "zeros": zeros,
}
ENCODE: dict[str, Habit] = {"scores": scores, "copies": copies}


@contextmanager
def entered(habits: Sequence[Habit]) -> Iterator[None]:
    with ExitStack() as stack:
        for habit in habits:  # one upon the other: some patch the same method
            stack.enter_context(habit())
        yield
