"""The core's own pipeline at work on the segments of a shot."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .. import pipeline
from ..conditioning.encode import BranchTexts, Keys, encode_branches
from ..guidance import Branches
from ..model import ToonModel
from ..recipe import Recipe
from ..sketch.control import SketchControl, place
from ..sketch.encoder import SketchEncoder, misfit
from ..vae.autoencoder import Posterior, stack_references
from ..vae.clips import decode
from .making import FRAMES, Job, Maker, Picture, Recent, Step

MOST_AT_ONCE = 8  # clips


class PipelineMaker(Maker):
    """A whole model, of one device."""

    def __init__(
        self,
        model: ToonModel,
        recipe: Recipe,
        identity: str,
        sketch_encoder: SketchEncoder | None = None,
        sketch_identity: str = "",
    ) -> None:
        text, image, projector = model.text, model.image, model.resampler
        if text is None or image is None or projector is None:
            raise ValueError("this model has no CLIP encoders (a pruned file): give a complete one")
        if sketch_encoder is not None and (
            wrong := misfit(sketch_encoder.config, model.config.unet)
        ):
            raise ValueError(f"the sketch encoder does not belong to this model ({wrong})")
        self._encoders = text, image, projector
        self.model, self.recipe, self.identity = model, recipe, identity
        self._sketch_encoder, self.sketch_identity = sketch_encoder, sketch_identity
        self.device = next(model.parameters()).device
        self._encoded: Recent[tuple[Posterior, list[Tensor]]] = Recent()
        self._memory = 0  # bytes that one clip took, where that is measured

    def room(self) -> int:
        """Clips that may be made at once: one on a CPU, which would not be faster with more and so
        gives the same bytes whatever else is made; elsewhere as many as the first one's memory goes
        into what is free."""
        if self.device.type != "cuda" or not self._memory:
            return 1
        free, _ = torch.cuda.mem_get_info(self.device)
        return max(1, min(MOST_AT_ONCE, int(0.8 * free // self._memory)))

    @torch.inference_mode()
    def clip(self, jobs: Sequence[Job], step: Step) -> tuple[Tensor, list[Tensor]]:
        r, model = self.recipe, self.model
        before = self._allocated()
        draw = _together([pipeline.seeded(job.seed, self.device) for job in jobs])
        keys = self._keys(jobs, draw)
        latents = pipeline.sample(
            model,
            keys,
            self._branches(jobs),
            torch.tensor([job.fs for job in jobs], device=self.device),
            r,
            self._control(jobs[0]),
            draw,
            True,
            lambda i, total, x0, x: step((i + 1) / total, x0),
        )
        z = latents / model.config.scale_factor
        twice, still = r.replace_middle_frames, self._still(jobs) if r.keep_still else None
        frames = decode(model.vae, z, keys.references, twice, still=still)
        pixels = ((frames.float().movedim(1, -1).cpu() + 1) * 127.5).round().clamp(0, 255)
        if self.device.type == "cuda" and len(jobs) == 1:
            self._memory = torch.cuda.max_memory_allocated(self.device) - before
        return latents, list(pixels.to(torch.uint8))

    def _still(self, jobs: Sequence[Job]) -> tuple[Tensor, Tensor]:
        firsts, lasts = zip(*((job.first.pixels, job.last.pixels) for job in jobs), strict=True)
        return torch.cat(firsts), torch.cat(lasts)

    def _allocated(self) -> int:
        if self.device.type != "cuda":
            return 0
        torch.cuda.reset_peak_memory_stats(self.device)
        return torch.cuda.memory_allocated(self.device)

    def _keys(self, jobs: Sequence[Job], draw: pipeline.Draw) -> Keys:
        """As `encode_keys`, each key encoded once for both its segments."""
        config = self.model.config
        side = [n // config.vae.downsample for n in jobs[0].first.pixels.shape[-2:]]
        drawn = draw((len(jobs) * FRAMES, config.vae.z_channels, *side))
        ends, references = [], []
        for job, noise in zip(jobs, drawn.unflatten(0, (len(jobs), FRAMES)), strict=True):
            (begin, a), (end, b) = (self._encode(p) for p in (job.first, job.last))
            for i, posterior, picture in ((0, begin, job.first), (-1, end, job.last)):
                latent = config.scale_factor * posterior.sample(noise[i][None].to(posterior.mean))
                ends.append(latent if picture.latent is None else picture.latent)
            references.append(stack_references(a, b))
        concat = ends[0].new_zeros(len(jobs), config.vae.z_channels, FRAMES, *side)
        concat[:, :, 0], concat[:, :, -1] = torch.cat(ends[::2]), torch.cat(ends[1::2])
        return Keys(concat, [torch.cat(level) for level in zip(*references, strict=True)])

    def _encode(self, picture: Picture) -> tuple[Posterior, list[Tensor]]:
        def encode() -> tuple[Posterior, list[Tensor]]:
            pixels = picture.pixels.to(self.device, next(self.model.vae.parameters()).dtype)
            return self.model.vae.encode_with_features(pixels)

        return self._encoded.get(picture.digest, encode)

    def _branches(self, jobs: Sequence[Job]) -> Branches:
        grey, made = self.recipe.grey_uncond_image, []
        for job in jobs:
            whole = job.first.whole.to(self.device, self.model.dtype)
            text, image, projector = self._encoders
            texts = BranchTexts.of(text, job.prompt, job.negative)
            made.append(encode_branches(texts, image, projector, whole, grey=grey))
        return Branches(*(torch.cat(tokens) for tokens in zip(*map(_parts, made), strict=True)))

    def _control(self, job: Job) -> SketchControl | None:
        """Of sketches that all act alike, as those of one segment do."""
        if not job.sketches:
            return None
        assert self._sketch_encoder is not None
        hints = list(job.sketches.values())
        lines = {t: hint.lines[0] for t, hint in job.sketches.items()}
        size = job.first.pixels.shape[-2:]
        scale = hints[0].strength
        return SketchControl(
            encoder=self._sketch_encoder,
            sketches=place(lines, FRAMES, *size).to(self.device),
            scale=self.recipe.sketch_scale if scale is None else scale,
            start=hints[0].start,
            end=hints[0].end,
        )


def _together(draws: Sequence[pipeline.Draw]) -> pipeline.Draw:
    """Of a batch, each clip's numbers from its own draw."""
    return lambda shape: torch.cat([draw((shape[0] // len(draws), *shape[1:])) for draw in draws])


def _parts(branches: Branches) -> tuple[Tensor, ...]:
    return tuple(tokens for tokens in vars(branches).values() if tokens is not None)
