"""What the denoiser is conditioned on in training, with its dropout."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
import torch
from einops import rearrange
from torch import Tensor, nn

from toon_core.conditioning.encode import join
from toon_core.conditioning.preprocess import clip_pixels
from toon_core.devices import moved
from toon_core.model import ToonModel
from toon_core.vae.autoencoder import Autoencoder, Posterior
from train.engine.batches import Batch, SampleRNG

Predict = Callable[..., Tensor]


def predictor(unet: nn.Module, ends: Tensor, context: Tensor, fs: Tensor) -> Predict:
    """predict(x_t, t, chosen=all) -> v of the chosen clips, under a batch's conditions."""

    def predict(x_t: Tensor, t: Tensor, chosen: Tensor | slice = slice(None)) -> Tensor:
        joined = torch.cat([x_t, ends], dim=1)
        return unet(joined[chosen], t[chosen], context[chosen], fs[chosen])

    return predict


def batch_latents(vae: Autoencoder, batch: Batch, rng: SampleRNG, scale: float) -> Tensor:
    """Scaled samples (b z f h w) of cached posteriors, or of the video's."""
    device = vae.quant_conv.weight.device
    if "moments" in batch:
        moments = moved(batch["moments"], device)
    else:
        moments = clip_moments(vae, moved(batch["video"], device))
    return scale * sample_moments(moments, rng)


@torch.no_grad()
def clip_moments(vae: Autoencoder, video: Tensor) -> Tensor:
    """video (b 3 f h w) in [-1, 1] -> mean and log variance of the unscaled latents, each frame
    encoded for itself, (b 2 z f h/8 w/8)."""
    posterior = vae.encode(rearrange(video, "b c f h w -> (b f) c h w"))
    both = torch.stack([posterior.mean, posterior.logvar], 1)
    return rearrange(both, "(b f) m z h w -> b m z f h w", f=video.shape[2])


def sample_moments(moments: Tensor, rng: SampleRNG) -> Tensor:
    """Unscaled samples (b z f h w) of `clip_moments`, computed now or read from a cache: both
    draw the same noise."""
    mean, logvar = moments.float().unbind(1)
    noise = rng.normal(*rearrange(mean, "b z f h w -> b f z h w").shape[1:])
    noise = moved(rearrange(noise, "b f z h w -> b z f h w"), mean.device, mean.dtype)
    return Posterior(mean, logvar).sample(noise)


def rates(batch: Batch, device: torch.device) -> Tensor:
    """`fs` of a batch, (b,) frames per second."""
    return moved(torch.as_tensor(batch["fs"]), device)


def dropped(rng: SampleRNG, p: float) -> tuple[list[bool], list[bool]]:
    """Which samples lose their prompt and which their image: one u per sample, no prompt for
    u < 2p, a grey image for p <= u < 3p, so that a share p loses each, and p both."""
    u = np.float32(rng.uniform().tolist())  # a list, which fake tensors have, too
    one, two, three = np.float32([p, 2 * p, 3 * p])
    return (u < two).tolist(), ((u >= one) & (u < three)).tolist()


class ContextEncoder(nn.Module):
    """Context tokens of a batch. The projector is a submodule; so are the towers where they train
    too, else only their outputs are used, which may come from a cache."""

    def __init__(self, model: ToonModel, drop: float, train_towers: bool) -> None:
        """drop: share p of each kind of condition dropout. ValueError for a model without CLIP
        towers or projector."""
        super().__init__()
        if model.text is None or model.image is None or model.resampler is None:
            raise ValueError(
                "base= is a file without CLIP towers or projector, which training needs: give the "
                "full checkpoint instead of the pruned one"
            )
        self.resampler, self.drop = model.resampler, drop
        self.towers = {"text": model.text, "image": model.image}  # a dict: no submodules
        self.trained_towers = nn.ModuleList(self.towers.values() if train_towers else [])

    def forward(self, batch: Batch, rng: SampleRNG) -> Tensor:
        """(b L d) from `prompt` and the first frame (`first` (b 3 h w), or `video`), or from
        cached tower tokens `text` and `image`."""
        no_prompt, grey = dropped(rng, self.drop)
        with torch.set_grad_enabled(bool(self.trained_towers) and torch.is_grad_enabled()):
            text, image = self._text(batch, no_prompt), self._image(batch, grey)
        return join(text, self.resampler(image), len(no_prompt))

    def _text(self, batch: Batch, no_prompt: list[bool]) -> Tensor:
        if "text" not in batch:
            pairs = zip(no_prompt, batch["prompt"], strict=True)
            return self.towers["text"](["" if none else prompt for none, prompt in pairs])
        return _replaced(batch["text"], no_prompt, self.no_prompt)

    def _image(self, batch: Batch, grey: list[bool]) -> Tensor:
        if "image" in batch:
            return _replaced(batch["image"], grey, self.grey)
        picture = batch["first"] if "first" in batch else batch["video"][:, :, 0]
        mask = moved(torch.tensor(grey), picture.device).view(-1, 1, 1, 1)
        return self._image_tower(picture.masked_fill(mask, 0.0))

    def _image_tower(self, pictures: Tensor) -> Tensor:
        tower = self.towers["image"]
        device = next(tower.parameters()).device
        return tower(clip_pixels(moved(pictures, device), tower.image_size))

    @cached_property
    @torch.no_grad()
    def no_prompt(self) -> Tensor:
        """The empty prompt's tokens."""
        return self.towers["text"]([""])

    @cached_property
    @torch.no_grad()
    def grey(self) -> Tensor:
        """A mid grey image's tokens."""
        return self._image_tower(torch.zeros(1, 3, 224, 224))


def _replaced(tokens: Tensor, where: list[bool], by: Tensor) -> Tensor:
    mask = moved(torch.tensor(where), by.device).view(-1, 1, 1)
    return torch.where(mask, by, moved(tokens, by.device, by.dtype))
