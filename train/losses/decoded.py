"""A perceptual distance for a denoiser: of what its estimate of x0 decodes to."""

from __future__ import annotations

import torch
from einops import rearrange
from torch import Tensor

from toon_core.vae.autoencoder import Autoencoder
from train.engine.draws import Draws
from train.losses.perceptual import Perceptual


class DecodedDistance:
    """LPIPS (Zhang et al. 2018) between what the plain decoder makes of estimated and of true
    latents, on random squares of random inner frames. Where motion is uncertain the squared error
    of eq. 2 asks for an average of all that may happen; this asks for a picture that looks like
    what happened. Berrada et al. 2025 compare the decoder's own features to the same end.
    """

    def __init__(
        self, vae: Autoencoder, measure: Perceptual, scale_factor: float, frames: int, side: int
    ) -> None:
        """frames a clip; side in latent pixels, 0: whole frames. ValueError for a decoder that
        needs references."""
        if not vae.config.plain:
            raise ValueError(
                "lambda_p: needs the plain decoder, and the autoencoder has the dual-reference "
                "one; give the result of train.autoencoder, and run train.decoder afterwards"
            )
        self.vae, self.measure, self.scale_factor = vae, measure, scale_factor
        self.frames, self.side = frames, side

    def __call__(self, estimate: Tensor, latents: Tensor, draws: Draws) -> Tensor:
        """Scaled latents (b z f h w), f at least 3 -> a number, with gradients to `estimate`."""
        both = self._pieces(torch.stack([estimate, latents.detach()], 1), draws)
        with torch.no_grad():
            truth = self._decoded(both[:, 1])
        return self.measure(self._decoded(both[:, 0]), truth)

    def _pieces(self, clips: Tensor, draws: Draws) -> Tensor:
        """The same frames and squares of all that belongs to a sample: (b k z f h w) ->
        (b*n k z s s)."""
        f, h, w = clips.shape[-3:]
        picked = 1 + draws.order(f - 2)[:, : self.frames]
        reach = self.side or max(h, w)
        y, x = (draws.integers(max(size - reach, 0) + 1) for size in (h, w))
        pieces = [
            clip[:, :, at, j : j + reach, i : i + reach]
            for clip, at, j, i in zip(clips, picked, y.tolist(), x.tolist(), strict=True)
        ]
        return rearrange(torch.stack(pieces), "b k z n h w -> (b n) k z h w")

    def _decoded(self, z: Tensor) -> Tensor:
        return self.vae.decode(z[:, :, None] / self.scale_factor)[:, :, 0]
