"""Where the reference attention of a decoder should look: at the places of the keys that show what
the true frame shows.

Not the paper's. A frame's own latents give most of its picture, so little pulls at the attention,
and to find the one right place among 2 h w a short training is not enough. The right places are
known, though: those of the keys whose patch is near the frame's own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn.functional import unfold

from toon_core.vae.references import ReferenceAttention
from train.engine.batches import SampleRNG

Attended = tuple[ReferenceAttention, Tensor, Tensor]  # itself, x ((b f) c h w), keys (b c 2 h w)
NEAR = 0.003  # mean squared difference of two patches, in [-1, 1], that divides a weight by e
PLACES = 64  # of each frame, drawn at random


@contextmanager
def record_attention(decoder: nn.Module) -> Iterator[list[Attended]]:
    """Within it, what each reference attention of the decoder is given."""
    attended: list[Attended] = []

    def keep(module: nn.Module, given: tuple) -> None:
        x, _, keys = given
        attended.append((module, x, keys))

    attentions = [m for m in decoder.modules() if isinstance(m, ReferenceAttention)]
    hooks = [module.register_forward_pre_hook(keep) for module in attentions]
    try:
        yield attended
    finally:
        for hook in hooks:
            hook.remove()


def matching(attended: list[Attended], video: Tensor, rng: SampleRNG) -> Tensor:
    """Divergence of the attention from `targets` in nats, a mean over modules and drawn places.
    video (b c f h w) in [-1, 1]: the true frames, the first and the last the keys."""
    found = []
    for module, x, keys in attended:
        size = x.shape[-2:]
        drawn = rng.order(size.numel())[:, :PLACES].to(x.device)
        wanted = targets(video, size, drawn)
        logs = wanted.clamp(min=1e-9).log() - attention(module, x, keys, drawn)
        found.append((wanted * logs).sum(-1).mean())
    return torch.stack(found).mean()


def attention(module: ReferenceAttention, x: Tensor, keys: Tensor, drawn: Tensor) -> Tensor:
    """Logarithm of the weight, a mean over the heads, that the places `drawn` (b n) of every frame
    give to each place of the keys: (b f n 2hw)."""
    q = _at(rearrange(module.queries(x), "(b f) p c -> b f p c", b=len(keys)), drawn)
    k = module.keys(keys)
    q, k = (rearrange(y, "b ... (m d) -> b m ... d", m=module.heads).float() for y in (q, k))
    weights = torch.einsum("b m f n d, b m k d -> b m f n k", q, k) * q.shape[-1] ** -0.5
    return weights.log_softmax(-1).logsumexp(1) - math.log(module.heads)


@torch.no_grad()
def targets(video: Tensor, size: torch.Size, drawn: Tensor) -> Tensor:
    """(b f n 2hw), softmax over the keys' places of minus the squared difference between patches
    of twice a place's side."""
    side = video.shape[-1] // size[-1]
    frames = rearrange(video, "b c f h w -> (b f) c h w").float()
    patches = unfold(frames, 2 * side, padding=side // 2, stride=side)
    patches = rearrange(patches, "(b f) d p -> b f p d", b=len(video))
    own, keys = _at(patches, drawn), rearrange(patches[:, [0, -1]], "b k p d -> b (k p) d")
    apart = torch.cdist(own.flatten(1, 2), keys).square() / patches.shape[-1]
    return (-apart / NEAR).softmax(-1).unflatten(1, own.shape[1:3])


def _at(values: Tensor, drawn: Tensor) -> Tensor:
    """Of values (b f p c) those at the places drawn (b n): (b f n c)."""
    index = drawn[:, None, :, None].expand(-1, values.shape[1], -1, values.shape[-1])
    return values.gather(2, index)
