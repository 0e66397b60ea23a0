"""The model at work on segments: two keys, sketches, a prompt and a seed -> frames."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain

import torch
from torch import Tensor

from .. import pipeline
from ..conditioning.encode import Keys, encode_branches
from ..denoiser import Branches
from ..model import ToonModel
from ..recipe import Recipe
from ..sketch.control import SketchControl, bright_lines, place
from ..sketch.encoder import SketchEncoder
from ..vae.autoencoder import Posterior, stack_references
from ..vae.clips import decode
from .plan import FRAMES
from .sheet import derived_seed
from .spacing import way_of

KEPT = 3  # encoded keys: a segment's two, and one more for a breakdown

Step = Callable[[float, Tensor], object]


@dataclass(frozen=True)
class Picture:
    """A key for the model: pixels (1 3 h w) in [-1, 1] at its size; whole (1 3 h w) as it is shown,
    for the image tokens; latent (1 z h w), scaled, where it was made by the model."""

    digest: str
    pixels: Tensor
    whole: Tensor
    latent: Tensor | None = None


@dataclass(frozen=True)
class Hint:
    """A sketch (1 1 h w) in [0, 1], drawn either way, at the model's size."""

    lines: Tensor
    strength: float | None
    start: float
    end: float


@dataclass(frozen=True, kw_only=True)
class Job:
    """One take to make; sketches by the number of the made frame."""

    first: Picture
    last: Picture
    prompt: str
    negative: str
    seed: int
    fs: int
    levels: int = 0
    sketches: Mapping[int, Hint] = field(default_factory=dict)


class Maker:
    """A model that makes takes, with its recipe; `identity` names the model and what patches it."""

    def __init__(
        self,
        model: ToonModel,
        recipe: Recipe,
        identity: str,
        sketch_encoder: SketchEncoder | None = None,
    ) -> None:
        text, image, projector = model.text, model.image, model.resampler
        if text is None or image is None or projector is None:
            raise ValueError("this model has no CLIP encoders (a pruned file): give a complete one")
        self.encoders = text, image, projector
        self.model, self.recipe, self.identity = model, recipe, identity
        self.sketch_encoder = sketch_encoder
        self.device = next(model.parameters()).device
        self._encoded: OrderedDict[str, tuple[Posterior, list[Tensor]]] = OrderedDict()

    @torch.inference_mode()
    def make(self, job: Job, on_step: Step = lambda part, x0: None) -> Tensor:
        """-> frames (f h w 3) uint8. on_step(part of the job in 0..1, x0 (b z f h w)).

        Random numbers come from the job's seed alone, in the release's order: posterior noise, x_T,
        one a step; a denser pass has seeds of its own.
        """
        passes = 2 ** (job.levels + 1) - 1
        clips = self._clips(job, lambda done, part, x0: on_step((done + part) / passes, x0))
        return torch.cat([clip[min(n, 1) :] for n, clip in enumerate(clips)])

    def _clips(self, job: Job, on_pass: Callable[[int, float, Tensor], object]) -> list[Tensor]:
        """Those of the last pass, in order, each ending with the frame that the next begins with.

        Level by level: between each two pictures a clip is made, whose middle one comes between
        them for the next level. No closure refers to itself here: that would keep the pictures of
        every segment until Python looks for circles.
        """
        pictures, seeds, done = [job.first, job.last], [job.seed], 0
        for level in range(job.levels + 1):
            clips, between = [], []
            for first, last, seed in zip(pictures[:-1], pictures[1:], seeds, strict=True):
                part = replace(job, first=first, last=last, seed=seed)
                latents, frames = self._clip(part, partial(on_pass, done))
                clips.append(frames)
                if level < job.levels:
                    between.append(self._breakdown(latents, frames, _middle(frames), seed))
                done += 1
            pictures = [*chain(*zip(pictures, between, strict=False)), pictures[-1]]
            seeds = [derived_seed(seed, half) for seed in seeds for half in ("begin", "end")]
        return clips

    def _clip(self, job: Job, step: Step) -> tuple[Tensor, Tensor]:
        """16 frames: scaled latents (1 z f h w), and (f h w 3) uint8."""
        r, model = self.recipe, self.model
        draw = pipeline.seeded(job.seed, self.device)
        keys = self._keys(job, draw)
        branches = self._branches(job)
        latents = pipeline.sample(
            model,
            keys,
            branches,
            torch.full((1,), job.fs, device=self.device),
            r,
            self._control(job),
            draw,
            True,
            lambda i, total, x0, x: step((i + 1) / total, x0),
        )
        z = latents / model.config.scale_factor
        frames = decode(model.vae, z, keys.references, r.replace_middle_frames)[0]
        pixels = ((frames.float().movedim(0, -1).cpu() + 1) * 127.5).round().clamp(0, 255)
        return latents, pixels.to(torch.uint8)

    def _keys(self, job: Job, draw: pipeline.Draw) -> Keys:
        """As `encode_keys`, each key encoded once for both its segments."""
        config = self.model.config
        side = [n // config.vae.downsample for n in job.first.pixels.shape[-2:]]
        noise = draw((FRAMES, config.vae.z_channels, *side))
        (begin, a), (end, b) = (self._encode(p) for p in (job.first, job.last))
        concat = noise.new_zeros(1, config.vae.z_channels, FRAMES, *side, dtype=begin.mean.dtype)
        for i, posterior, picture in ((0, begin, job.first), (-1, end, job.last)):
            latent = config.scale_factor * posterior.sample(noise[i][None].to(posterior.mean))
            concat[:, :, i] = latent if picture.latent is None else picture.latent
        return Keys(concat, stack_references(a, b))

    def _encode(self, picture: Picture) -> tuple[Posterior, list[Tensor]]:
        if picture.digest not in self._encoded:
            pixels = picture.pixels.to(self.device, next(self.model.vae.parameters()).dtype)
            self._encoded[picture.digest] = self.model.vae.encode_with_features(pixels)
        self._encoded.move_to_end(picture.digest)
        while len(self._encoded) > KEPT:
            self._encoded.popitem(last=False)
        return self._encoded[picture.digest]

    def _branches(self, job: Job) -> Branches:
        whole = job.first.whole.to(self.device, self.model.dtype)
        grey = self.recipe.grey_uncond_image
        return encode_branches(*self.encoders, whole, job.prompt, job.negative, grey=grey)

    def _control(self, job: Job) -> SketchControl | None:
        """Of sketches that all act alike, as those of one segment do."""
        if not job.sketches:
            return None
        assert self.sketch_encoder is not None
        hints = list(job.sketches.values())
        lines = {t: bright_lines(hint.lines)[0] for t, hint in job.sketches.items()}
        size = job.first.pixels.shape[-2:]
        scale = hints[0].strength
        return SketchControl(
            encoder=self.sketch_encoder,
            sketches=place(lines, FRAMES, *size).to(self.device),
            scale=self.recipe.sketch_scale if scale is None else scale,
            start=hints[0].start,
            end=hints[0].end,
        )

    def _breakdown(self, latents: Tensor, frames: Tensor, i: int, seed: int) -> Picture:
        """A made frame as a key, its latent as the model made it."""
        pixels = frames[i].permute(2, 0, 1)[None].float() / 127.5 - 1
        return Picture(f"breakdown {seed} {i}", pixels, pixels, latents[:, :, i])


def _middle(frames: Tensor) -> int:
    """The made frame halfway, by the motion measured."""
    way = way_of(frames)
    return min(range(1, len(way) - 1), key=lambda t: abs(way[t] - 0.5))
