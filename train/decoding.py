"""The decoder's objective: L1, LPIPS and the adversarial loss (paper eq. 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from toon_core.vae.autoencoder import Autoencoder
from train.autoencoder import encode_clip
from train.conditions import sampled
from train.crops import random_crop
from train.engine.draws import Draws
from train.engine.objective import Batch
from train.losses.adversarial import Adversary, adaptive_weight, hinge_generator
from train.losses.gradients import value_and_gradient, with_gradient
from train.losses.matching import matching, watched
from train.losses.perceptual import Perceptual
from train.redenoised import Redenoiser
from train.vae_start import last_layer

if TYPE_CHECKING:
    from train.decoder import DecoderConfig


class DecoderObjective(nn.Module):
    """L1 + lambda_p LPIPS + lambda_d L_GAN of the decoder (paper eq. 5)."""

    def __init__(
        self,
        vae: Autoencoder,
        config: DecoderConfig,
        scale_factor: float,
        measure: Perceptual | None,
        adversary: Adversary | None,
        redenoiser: Redenoiser | None = None,
    ) -> None:
        super().__init__()
        self.decoder, self.config, self.scale_factor = vae.decoder, config, scale_factor
        self._others = (vae, measure, adversary)  # no submodules: not trained here
        self._redenoiser = redenoiser

    def forward(self, batch: Batch, draws: Draws) -> tuple[Tensor, dict[str, Tensor]]:
        vae, _, adversary = self._others
        with torch.no_grad():
            video, z, references = self._encoded(batch, draws)
            z = self._disturbed(z, batch, draws)
        with watched(vae.decoder) as seen:
            out = vae.decode(z, references if vae.config.references else None)
        loss, gradient, values = self._reconstruction(out, video, draws)
        if adversary is not None and draws.step >= self.config.gan_start:
            gan, gan_gradient = value_and_gradient(lambda x: hinge_generator(adversary(x)), out)
            weight = self.config.gan_weight * self._balance(out, gradient, gan_gradient)
            loss, gradient = loss + weight * gan, gradient + weight * gan_gradient
            values |= {"gan": gan, "lambda_d": weight}
            adversary.pairs.append((video, out.detach()))
        loss = with_gradient(out, loss, gradient)
        if not self.config.matching:
            return loss, values
        found = matching(seen, video, draws)
        return loss + self.config.matching * found, values | {"matching": found.detach()}

    def _encoded(self, batch: Batch, draws: Draws) -> tuple[Tensor, Tensor, list[Tensor]]:
        """The frames, their unscaled latents, and both keys' features. Cached posteriors serve
        whole frames; then only the keys pass the encoder."""
        vae, device = self._others[0], self.decoder.conv_in.weight.device
        video = random_crop(batch["video"], self.config.crop, draws).to(device)
        if "moments" not in batch or self.config.crop:
            return video, *encode_clip(vae, video, draws)
        keys = rearrange(video[:, :, [0, -1]], "b c k h w -> (b k) c h w")
        features = vae.encode_with_features(keys)[1]
        references = [rearrange(m, "(b k) c h w -> b c k h w", k=2) for m in features]
        return video, sampled(batch["moments"].to(device), draws), references

    def _disturbed(self, z: Tensor, batch: Batch, draws: Draws) -> Tensor:
        """Latents (b z f h w) with a denoiser's errors, and noise of a strength that each clip
        draws."""
        if self._redenoiser is not None:
            z = self._redenoiser(z * self.scale_factor, batch, draws) / self.scale_factor
        if not self.config.latent_noise:
            return z
        strength = self.config.latent_noise * draws.uniform(1, 1, 1, 1) / self.scale_factor
        return z + (strength * draws.normal(*z.shape[1:])).to(z)

    def _reconstruction(
        self, out: Tensor, video: Tensor, draws: Draws
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Value and gradient of L1 + lambda_p LPIPS over all frames."""
        measure, c = self._others[1], self.config
        l1, gradient = value_and_gradient(l1_loss, out, video)
        if measure is None or not c.lambda_p:
            return l1, gradient, {"l1": l1}
        rows, drawn = self._drawn(out, draws)
        frames, truth = (x.transpose(1, 2)[rows, drawn].flatten(0, 1) for x in (out, video))
        lpips, part = value_and_gradient(measure, frames, truth, at_once=c.perceptual_frames)
        of_frames = torch.zeros_like(gradient).transpose(1, 2)
        of_frames[rows, drawn] = part.unflatten(0, drawn.shape)
        gradient = gradient + c.lambda_p * of_frames.transpose(1, 2)
        return l1 + c.lambda_p * lpips, gradient, {"l1": l1, "lpips": lpips}

    def _drawn(self, clip: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Index of the frames (b n) of clips (b c f h w) that LPIPS sees."""
        b, f = clip.shape[0], clip.shape[2]
        count = min(self.config.perceptual_drawn or f, f)
        drawn = draws.order(f)[:, :count] if count < f else torch.arange(f).expand(b, f)
        return torch.arange(b, device=clip.device)[:, None], drawn.to(clip.device)

    def _balance(self, out: Tensor, reconstruction: Tensor, adversarial: Tensor) -> Tensor:
        """The adaptive weight, from gradients carried on to the last layer. Those at the output
        are tiny (a mean over all pixels): counted per pixel, no half precision loses them."""
        layer, n = last_layer(self._others[0]), out.numel()
        found = (
            torch.autograd.grad(out, [layer], (n * g).to(out.dtype), retain_graph=True)[0]
            for g in (reconstruction, adversarial)
        )
        return adaptive_weight(*(g.float() / n for g in found))
