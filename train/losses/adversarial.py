"""A patch discriminator, its hinge losses, and the weight that balances them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import torch
from einops import rearrange
from torch import Tensor, distributed, nn
from torch.nn.functional import relu

from train.engine.draws import Draws
from train.engine.objective import Batch

NORM_WIDTH = 16  # channels a group


class PatchDiscriminator(nn.Module):
    """PatchGAN (Isola et al. 2017, 3.2.2 and appendix 6.1.2): one logit for every patch.

    `layers` convolutions of stride 2 that double the width up to 8 times, one of stride 1, and
    the logits; leaky ReLU 0.2, no norm after the first, weights from N(0, 0.02). With 3 layers a
    patch is 70 pixels. Where the paper has batch norm this has group norm: a clip's logits must
    not depend on how the batch is cut into processes and micro-batches. dims 2: every frame by
    itself; 3: kernels also span 3 frames, with no stride in time.
    """

    def __init__(self, *, width: int = 64, layers: int = 3, dims: int = 2) -> None:
        super().__init__()
        if dims not in (2, 3):
            raise ValueError(f"dims={dims}: the discriminator sees frames (2) or clips (3)")
        if width % NORM_WIDTH:
            raise ValueError(f"width={width}: expected a multiple of {NORM_WIDTH}")
        self.dims, self.smallest = dims, 2 ** (layers + 2)
        widths = [3, *(width * min(2**i, 8) for i in range(layers + 1))]
        stages: list[nn.Module] = []
        for i in range(layers + 1):
            stages += self._stage(widths[i], widths[i + 1], 2 if i < layers else 1, norm=i > 0)
        self.net = nn.Sequential(*stages, self._conv(widths[-1], 1, 1))

    def _stage(self, dim: int, out: int, stride: int, norm: bool) -> list[nn.Module]:
        norms = [nn.GroupNorm(out // NORM_WIDTH, out)] if norm else []
        return [self._conv(dim, out, stride), *norms, nn.LeakyReLU(0.2)]

    def _conv(self, dim: int, out: int, stride: int) -> nn.Module:
        if self.dims == 2:
            conv = nn.Conv2d(dim, out, 4, stride, padding=1)
        else:
            conv = nn.Conv3d(dim, out, (3, 4, 4), (1, stride, stride), padding=1)
        nn.init.normal_(conv.weight, std=0.02)
        nn.init.zeros_(conv.bias)
        return conv

    def forward(self, clip: Tensor) -> Tensor:
        """(b 3 f h w) in [-1, 1] -> logits, (b f) 1 h' w' (2D) or (b 1 f h' w') (3D)."""
        if min(clip.shape[-2:]) < self.smallest:
            size = "x".join(map(str, clip.shape[-2:]))
            raise ValueError(
                f"the discriminator needs frames of at least {self.smallest} pixels, given "
                f"{size}; take larger crops or fewer disc_layers"
            )
        return self.net(rearrange(clip, "b c f h w -> (b f) c h w") if self.dims == 2 else clip)


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E[max(0, 1 - D(x))] + E[max(0, 1 + D(G))] (Lim and Ye 2017; Miyato et al. 2018,
    eq. 16); logits of any shape."""
    return relu(1 - real).mean() + relu(1 + fake).mean()


def hinge_generator(fake: Tensor) -> Tensor:
    """-E[D(G)] (Lim and Ye 2017; Miyato et al. 2018, eq. 17)."""
    return -fake.mean()


def adaptive_weight(
    reconstruction: Tensor, adversarial: Tensor, *, delta: float = 1e-6, most: float = 1e4
) -> Tensor:
    """|grad L_rec| / (|grad L_GAN| + delta), clamped to 0..most (Esser et al. 2021, eq. 7).

    Both are gradients at the decoder's last layer, of this process's mean loss; they are averaged
    over the processes first, so that all take the weight of the whole batch. Detached.
    """
    pair = mean_over_processes([reconstruction.detach().float(), adversarial.detach().float()])
    given, wanted = (gradient.norm() for gradient in pair)
    return (given / (wanted + delta)).clamp(0.0, most)


def mean_over_processes(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The tensors, averaged over the processes of the run where there are several."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return list(tensors)
    joined = torch.cat([x.flatten() for x in tensors])
    distributed.all_reduce(joined)
    pieces = (joined / distributed.get_world_size()).split([x.numel() for x in tensors])
    return [piece.view_as(x) for piece, x in zip(pieces, tensors, strict=True)]


class Adversary(nn.Module):
    """The discriminator, and its loss on what the decoder has just made, detached."""

    def __init__(self, *, width: int, layers: int, dims: int) -> None:
        super().__init__()
        self.net = PatchDiscriminator(width=width, layers=layers, dims=dims)
        # Truth and output of the decoder's pieces of this step, not yet judged.
        self.pairs: deque[tuple[Tensor, Tensor]] = deque()

    def forward(
        self, batch: Batch | Tensor, draws: Draws | None = None
    ) -> Tensor | tuple[Tensor, dict[str, Tensor]]:
        """As an objective; or of a clip alone, its logits: one door, where shards are gathered."""
        if isinstance(batch, Tensor):
            return self.net(batch)
        if not self.pairs:  # before gan_start
            return sum(p.sum() for p in self.parameters()) * 0.0, {}
        real, fake = (self.net(clip) for clip in self.pairs.popleft())
        loss = hinge_discriminator(real, fake)
        return loss, {"real": real.mean(), "fake": fake.mean()}
