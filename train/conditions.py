"""What the denoiser is conditioned on in training, with its dropout."""

from __future__ import annotations

from functools import cached_property

import torch
from einops import rearrange
from torch import Tensor, nn

from toon_core.conditioning.encode import join
from toon_core.conditioning.preprocess import clip_pixels
from toon_core.model import ToonModel
from toon_core.vae.autoencoder import Autoencoder, Posterior
from train.engine.draws import Draws
from train.engine.objective import Batch


def clip_latents(vae: Autoencoder, video: Tensor, draws: Draws, scale: float) -> Tensor:
    """video (b 3 f h w) in [-1, 1] -> scaled posterior samples (b z f h/8 w/8), each frame for
    itself."""
    return scale * sampled(clip_moments(vae, video), draws)


@torch.no_grad()
def clip_moments(vae: Autoencoder, video: Tensor) -> Tensor:
    """Mean and log variance of the unscaled latents of every frame, (b 2 z f h/8 w/8)."""
    posterior = vae.encode(rearrange(video, "b c f h w -> (b f) c h w"))
    both = torch.stack([posterior.mean, posterior.logvar], 1)
    return rearrange(both, "(b f) m z h w -> b m z f h w", f=video.shape[2])


def sampled(moments: Tensor, draws: Draws) -> Tensor:
    """Unscaled samples (b z f h w) of `clip_moments`, computed now or read from a cache: both
    draw the same noise."""
    mean, logvar = moments.float().unbind(1)
    noise = draws.normal(*rearrange(mean, "b z f h w -> b f z h w").shape[1:])
    return Posterior(mean, logvar).sample(rearrange(noise, "b f z h w -> b z f h w").to(mean))


def rates(batch: Batch, device: torch.device) -> Tensor:
    """`fs` of a batch, (b,) frames per second."""
    return torch.as_tensor(batch["fs"], device=device)


def dropped(draws: Draws, p: float) -> tuple[Tensor, Tensor]:
    """Which samples lose their prompt and which their image, (b,) each: one u per sample, no
    prompt for u < 2p, a grey image for p <= u < 3p (training.md)."""
    u = draws.uniform()
    return u < 2 * p, (u >= p) & (u < 3 * p)


SEMANTIC_FRAMES = ("first", "last", "random")


class Tokens(nn.Module):
    """Context tokens of a batch. The projector is a submodule; so are the towers where they are
    trained too, else only their outputs are used, which may come from a cache. `frame` of
    SEMANTIC_FRAMES is what the image tower sees of a clip."""

    def __init__(
        self, model: ToonModel, drop: float, train_towers: bool, frame: str = "first"
    ) -> None:
        super().__init__()
        if frame not in SEMANTIC_FRAMES:
            raise ValueError(
                f"semantic_frame={frame}: expected one of {', '.join(SEMANTIC_FRAMES)}"
            )
        if model.text is None or model.image is None or model.resampler is None:
            raise ValueError(
                "base= is a file without CLIP towers or projector, which training needs: give the "
                "full checkpoint instead of the pruned one"
            )
        self.resampler, self.drop, self.frame = model.resampler, drop, frame
        self._towers = (model.text, model.image)
        self.trained_towers = nn.ModuleList(self._towers if train_towers else [])

    def forward(self, batch: Batch, draws: Draws) -> Tensor:
        """(b L d) from `prompt` and `first` (b 3 h w), or from cached tower tokens `text` and
        `image`."""
        no_prompt, grey = dropped(draws, self.drop)
        if "image" not in batch and "first" not in batch:
            batch = batch | {"first": self._frame(batch["video"], draws)}
        with torch.set_grad_enabled(bool(self.trained_towers) and torch.is_grad_enabled()):
            text, image = self._text(batch, no_prompt), self._image(batch, grey)
        return join(text, self.resampler(image), len(no_prompt))

    def _frame(self, video: Tensor, draws: Draws) -> Tensor:
        """Of clips (b 3 f h w) the picture (b 3 h w) of the semantic branch."""
        if self.frame != "random":
            return video[:, :, 0 if self.frame == "first" else -1]
        numbers = draws.integers(video.shape[2])
        return torch.stack([clip[:, i] for clip, i in zip(video, numbers.tolist(), strict=True)])

    def _text(self, batch: Batch, no_prompt: Tensor) -> Tensor:
        if "text" not in batch:
            pairs = zip(no_prompt, batch["prompt"], strict=True)
            return self._towers[0](["" if none else prompt for none, prompt in pairs])
        return _chosen(no_prompt, self.no_prompt, batch["text"])

    def _image(self, batch: Batch, grey: Tensor) -> Tensor:
        if "image" not in batch:
            picture = batch["first"]
            return self._seen(picture.masked_fill(grey.view(-1, 1, 1, 1).to(picture.device), 0.0))
        return _chosen(grey, self.grey, batch["image"])

    def _seen(self, pictures: Tensor) -> Tensor:
        tower = self._towers[1]
        device = next(tower.parameters()).device
        return tower(clip_pixels(pictures.to(device), tower.image_size))

    @cached_property
    @torch.no_grad()
    def no_prompt(self) -> Tensor:
        """The empty prompt's tokens."""
        return self._towers[0]([""])

    @cached_property
    @torch.no_grad()
    def grey(self) -> Tensor:
        """A mid grey image's tokens."""
        return self._seen(torch.zeros(1, 3, 224, 224))


def _chosen(where: Tensor, there: Tensor, elsewhere: Tensor) -> Tensor:
    mask = where.view(-1, 1, 1).to(there.device)
    return torch.where(mask, there, elsewhere.to(there))
