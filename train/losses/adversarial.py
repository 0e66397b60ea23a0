"""A patch discriminator, its hinge losses, and the weight that balances them."""

from __future__ import annotations

from collections import deque

import torch
from einops import rearrange
from torch import Tensor, distributed, nn
from torch.nn.functional import relu

from train.engine.batches import Batch, SampleRNG

LAYERS = 3  # convolutions of stride 2: a patch is 70 pixels
NORM_WIDTH = 16  # channels a group


class Discriminator(nn.Module):
    """PatchGAN (Isola et al. 2017, 3.2.2 and appendix 6.1.2) on single frames: one logit for every
    patch; an objective of its own beside the decoder's.

    Three convolutions of stride 2 that double the width up to 8 times, one of stride 1, and the
    logits; leaky ReLU 0.2, no norm after the first, weights from N(0, 0.02). Where the paper has
    batch norm this has group norm: a clip's logits must not depend on how the batch is cut into
    processes and micro-batches.
    """

    SMALLEST = 2 ** (LAYERS + 2)  # pixels of a frame's side
    other_forwards = ("generator_loss",)  # where a sharded one must be gathered, too

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        if width % NORM_WIDTH:
            raise ValueError(f"disc_width={width}: expected a multiple of {NORM_WIDTH}")
        self.net = PatchLogits(width)
        # Truth and output of the decoder's parts of this step, not yet judged.
        self._pairs: deque[tuple[Tensor, Tensor]] = deque()

    def generator_loss(self, fake: Tensor) -> Tensor:
        """What the decoder minimises, of clips (b 3 f h w): -E[D(G)] (Lim and Ye 2017; Miyato et
        al. 2018, eq. 17)."""
        return -self.net(fake).mean()

    def add(self, real: Tensor, fake: Tensor) -> None:
        """Clips (b 3 f h w) of a part of this step and what the decoder made of them, detached, for
        `forward` to judge in the same order."""
        self._pairs.append((real, fake))

    def forward(self, batch: Batch, rng: SampleRNG) -> tuple[Tensor, dict[str, Tensor]]:
        """The discriminator's loss on the next clips that were added; 0 where there are none, as
        before gan_start."""
        if not self._pairs:
            return sum(p.sum() for p in self.parameters()) * 0.0, {}
        real, fake = (self.net(clip) for clip in self._pairs.popleft())
        return hinge(real, fake), {"real": real.mean(), "fake": fake.mean()}


class PatchLogits(nn.Module):
    """The discriminator's network: (b 3 f h w) in [-1, 1] -> logits ((b f) 1 h' w')."""

    def __init__(self, width: int) -> None:
        super().__init__()
        widths = [3, *(width * min(2**i, 8) for i in range(LAYERS + 1))]
        stages: list[nn.Module] = []
        for i in range(LAYERS + 1):
            stages.append(_conv(widths[i], widths[i + 1], 2 if i < LAYERS else 1))
            if i > 0:
                stages.append(nn.GroupNorm(widths[i + 1] // NORM_WIDTH, widths[i + 1]))
            stages.append(nn.LeakyReLU(0.2))
        self.net = nn.Sequential(*stages, _conv(widths[-1], 1, 1))

    def forward(self, clip: Tensor) -> Tensor:
        if min(clip.shape[-2:]) < Discriminator.SMALLEST:
            size = "x".join(map(str, clip.shape[-2:]))
            raise ValueError(
                f"the discriminator needs frames of at least {Discriminator.SMALLEST} pixels, "
                f"given {size}; take larger crops"
            )
        return self.net(rearrange(clip, "b c f h w -> (b f) c h w"))


def _conv(dim: int, out: int, stride: int) -> nn.Module:
    conv = nn.Conv2d(dim, out, 4, stride, padding=1)
    nn.init.normal_(conv.weight, std=0.02)
    nn.init.zeros_(conv.bias)
    return conv


def hinge(real: Tensor, fake: Tensor) -> Tensor:
    """E[max(0, 1 - D(x))] + E[max(0, 1 + D(G))] (Lim and Ye 2017; Miyato et al. 2018,
    eq. 16); logits of any shape."""
    return relu(1 - real).mean() + relu(1 + fake).mean()


def adaptive_weight(
    reconstruction: Tensor, adversarial: Tensor, *, delta: float = 1e-6, most: float = 1e4
) -> Tensor:
    """|grad L_rec| / (|grad L_GAN| + delta), clamped to 0..most (Esser et al. 2021, eq. 7).

    Both are gradients at the decoder's last layer, of this process's mean loss; they are averaged
    over the processes first, so that all take the weight of the whole batch. Detached.
    """
    pair = torch.stack([reconstruction.detach().float(), adversarial.detach().float()])
    if distributed.is_available() and distributed.is_initialized():
        distributed.all_reduce(pair)
        pair /= distributed.get_world_size()
    given, wanted = (gradient.norm() for gradient in pair)
    return (given / (wanted + delta)).clamp(0.0, most)
