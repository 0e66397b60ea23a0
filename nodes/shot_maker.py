"""Takes of a shot, made by ComfyUI's MODEL with everything that patches it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..toon_core.conditioning.encode import Keys
from ..toon_core.images import Fit
from ..toon_core.recipe import Recipe
from ..toon_core.shots.making import FRAMES, Job, Maker, Picture, Recent, Step
from ..toon_core.sketch.control import place
from ..toon_core.vae.autoencoder import Posterior, stack_references
from . import clips, finite, host, keys, memory
from .decode import Decoding
from .model import native
from .noise import posterior_noise
from .sampling import Sampling
from .sketch import check_family, with_sketches
from .sketch_patch import Sketches
from .types import CLIP_KEY, Clip, LoadedAutoencoder, LoadedConditioner, LoadedSketchEncoder

SAMPLED = 0.8  # part of a clip's time that is sampling; the rest is decoding


class ComfyMaker(Maker):
    """The parts that Toon Load Model gives, and for pruned files ComfyUI's CLIP and CLIP_VISION."""

    def __init__(
        self,
        model: Any,
        conditioner: LoadedConditioner,
        toon_vae: LoadedAutoencoder,
        recipe: Recipe,
        identity: str,
        *,
        sketch_encoder: LoadedSketchEncoder | None = None,
        sketch_identity: str = "",
        clip: Any = None,
        clip_vision: Any = None,
    ) -> None:
        self.model, self.conditioner, self.toon_vae = model, conditioner, toon_vae
        self.recipe, self.identity = recipe, identity
        self._sketch_encoder, self.sketch_identity = sketch_encoder, sketch_identity
        if sketch_encoder is not None:
            check_family(native(model), sketch_encoder)
        self._encoders = clips.encoders(conditioner, clip, clip_vision, None, None)
        self._encoded: Recent[tuple[Posterior, list[Tensor]]] = Recent()

    def clip(self, jobs: Sequence[Job], step: Step) -> tuple[Tensor, list[Tensor]]:
        [job] = jobs
        r, inner = self.recipe, native(self.model)
        encoded = self._keys(job)
        size = (job.first.pixels.shape[-2], job.first.pixels.shape[-1])
        shape = tuple(encoded.concat.shape)
        carried = Clip(
            references=encoded.references,
            fit=Fit(size, size),
            shape=shape,
            keys=(job.first.pixels, job.last.pixels),
        )
        latent = {"samples": torch.zeros(shape), CLIP_KEY: carried}
        run = Sampling(self._sketched(job), inner, latent, self._conditionings(job, encoded), r)

        def after(i: int, total: int, x0: Tensor, x: Tensor) -> None:
            step(SAMPLED * (i + 1) / total, x0)

        z = run.sample(job.seed, after)

        def decoded() -> Tensor:
            return Decoding(
                self.toon_vae, carried, z, r, lambda part: host.stop_if_cancelled()
            ).run("auto")

        frames = finite.made_again(self.toon_vae, finite.DECODER, decoded, lambda made: [made])
        pixels = (frames.float().movedim(1, -1).cpu() + 1) * 127.5
        return z, list(pixels.round().clamp(0, 255).to(torch.uint8))

    def _conditionings(self, job: Job, encoded: Keys) -> tuple[Any, Any, Any]:
        text, image = self._encoders
        branches = keys.token_branches(
            self.conditioner, text, image, job.first.whole, job.prompt, job.negative
        )
        shared = {"concat_latent_image": encoded.concat, "fs": job.fs}
        made = [keys.conditioning(tokens, shared) for tokens in vars(branches).values()]
        positive, negative, image_only = made
        return positive, negative, image_only if self.recipe.cfg_image else None

    def _keys(self, job: Job) -> Keys:
        """As `keys.key_latents`, each key encoded once for both its segments."""
        config = self.toon_vae.config.vae
        h, w = (side // config.downsample for side in job.first.pixels.shape[-2:])
        noise = posterior_noise(job.seed, 1, FRAMES, config.z_channels, h, w)
        (begin, a), (end, b) = (self._encode(p) for p in (job.first, job.last))
        concat = torch.zeros(1, config.z_channels, FRAMES, h, w)
        for i, posterior, picture in ((0, begin, job.first), (-1, end, job.last)):
            own = (
                posterior.sample(noise[:, i].to(posterior.mean))
                if picture.latent is None
                else picture.latent
            )
            concat[:, :, i] = own
        return Keys(concat, stack_references(a, b))

    def _encode(self, picture: Picture) -> tuple[Posterior, list[Tensor]]:
        """On the intermediate device, where the pictures of a whole shot have room."""
        loaded = self.toon_vae
        size = (picture.pixels.shape[-2], picture.pixels.shape[-1])

        def run() -> tuple[Posterior, list[Tensor]]:
            host.load([loaded.patcher], memory.encode(loaded, 1, size))
            pixels = picture.pixels.to(loaded.patcher.load_device, loaded.module.dtype)
            return loaded.module.encode_with_features(pixels)

        def encode() -> tuple[Posterior, list[Tensor]]:
            posterior, features = finite.made_again(
                loaded, finite.ENCODER, run, lambda made: (made[0].mean, *made[1])
            )
            mean, logvar = (
                host.to_intermediate(x).float() for x in (posterior.mean, posterior.logvar)
            )
            return Posterior(mean, logvar), [host.to_intermediate(f) for f in features]

        return self._encoded.get(picture.digest, encode)

    def _sketched(self, job: Job) -> Any:
        """The MODEL, with the job's sketches."""
        if not job.sketches:
            return self.model
        assert self._sketch_encoder is not None
        hints = list(job.sketches.values())
        lines = {t: hint.lines[0] for t, hint in job.sketches.items()}
        strength = self.recipe.sketch_scale if hints[0].strength is None else hints[0].strength
        added = Sketches(
            encoder=self._sketch_encoder.module,
            hints=place(lines, FRAMES, *job.first.pixels.shape[-2:]),
            frames=frozenset(lines),
            scale=strength,
            start=hints[0].start,
            end=hints[0].end,
            context="full",
        )
        return with_sketches(self.model, self._sketch_encoder, added)
