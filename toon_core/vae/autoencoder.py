"""The autoencoder as a whole: posterior, reference features, decoding (architecture.md 6)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from einops import rearrange
from torch import Tensor, nn

from ..config import VAEConfig
from ..ops import Ops
from .decoder import Decoder, Progress
from .encoder import Encoder


@dataclass(frozen=True)
class Posterior:
    """Diagonal Gaussian of latents (n c h w), not yet scaled by 0.18215."""

    mean: Tensor
    logvar: Tensor

    @classmethod
    def of(cls, moments: Tensor) -> Posterior:
        mean, logvar = moments.chunk(2, dim=1)
        return cls(mean, logvar.clamp(-30.0, 20.0))

    @property
    def std(self) -> Tensor:
        return torch.exp(0.5 * self.logvar)

    def sample(self, noise: Tensor) -> Tensor:
        """mean + std noise; the release samples, it does not take the mean."""
        return self.mean + self.std * noise

    def kl(self) -> Tensor:
        """KL to the standard normal (Kingma and Welling 2014), (n,) nats."""
        terms = self.mean.square() + self.logvar.exp() - 1.0 - self.logvar
        return 0.5 * terms.sum(dim=(1, 2, 3))


class Autoencoder(nn.Module):
    """`decode` of a plain decoder applies `post_quant_conv`; the dual-reference path of the
    release skips it (architecture.md 6.3), though its files carry it."""

    def __init__(
        self,
        config: VAEConfig,
        *,
        ops: Any = nn,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        make = Ops(ops, dtype, device, config.norm_groups)
        z = config.z_channels
        self.encoder = Encoder(config, make)
        self.decoder = Decoder(config, make)
        self.quant_conv = make.Conv2d(2 * z, 2 * z, 1)
        self.post_quant_conv = make.Conv2d(z, z, 1)

    def encode(self, images: Tensor) -> Posterior:
        """(n 3 h w) in [-1, 1], h and w multiples of 8 -> posterior of (n z h/8 w/8)."""
        return self.encode_with_features(images)[0]

    def encode_with_features(self, images: Tensor) -> tuple[Posterior, list[Tensor]]:
        """Also the reference features: five maps (n c_i h_i w_i)."""
        moments, features = self.encoder(images)
        return Posterior.of(self.quant_conv(moments)), features

    def decode(
        self,
        z: Tensor,
        references: Sequence[Tensor] | None = None,
        *,
        frames_at_once: int | None = None,
        progress: Progress | None = None,
    ) -> Tensor:
        """z (b c f h w), unscaled (latent / 0.18215) -> frames (b 3 f 8h 8w), about [-1, 1].

        references: five maps (b c_i 2 h_i w_i), index 0 the first key. frames_at_once: per-frame
        work a few frames at a time, which changes memory and not the result; progress: called with
        the part that is done, up to 1.
        """
        clip = rearrange(z, "b c f h w -> b f c h w")
        if self.config.plain:
            flat = rearrange(clip, "b f c h w -> (b f) c h w")
            clip = rearrange(
                self.post_quant_conv(flat), "(b f) c h w -> b f c h w", f=clip.shape[1]
            )
        frames = self.decoder(clip, references, size=frames_at_once, progress=progress)
        return rearrange(frames, "b f c h w -> b c f h w")


def stack_references(first: Sequence[Tensor], last: Sequence[Tensor]) -> list[Tensor]:
    """Features of both keys (b c h w) -> (b c 2 h w) for each level."""
    return [torch.stack(pair, dim=2) for pair in zip(first, last, strict=True)]
