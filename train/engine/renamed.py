"""Names that options had before: taken as what they are called now, or refused by name.

A checkpoint or a config.yaml that was written when options had other names goes on: what was
moved is moved, and of what is gone the one value that the code still has is dropped.
"""

from __future__ import annotations

import logging
from typing import Any

from omegaconf import OmegaConf

from train.engine.files import printable
from train.engine.options import options_of

log = logging.getLogger("toon.train")

MOVED = {
    "optimizer": "optim.name",
    **{
        name: f"optim.{name}"
        for name in ("betas", "weight_decay", "warmup", "cosine", "clip_norm", "ema")
    },
    **{
        name: f"run.{name}"
        for name in (
            *("minutes", "accumulate", "checkpointing", "fsdp", "device", "workers", "threads"),
            *("save_every", "keep", "log_every", "sample_every", "sheet_clips"),
        )
    },
    "redenoise": "sdedit",
    "lambda_p": "perceptual.weight",
    "style": "perceptual.style",
    "models": "perceptual.models",
    "perceptual_drawn": "perceptual.frames",
    "sheet_steps": "sheet.steps",
    "sheet_cfg": "sheet.cfg_scale",
    "sheet_temperature": "sheet.temperature",
}
ANY = object()
BASE = "it follows the recipe of the base now: steps and temperature stand in its file"
# Gone, with the value that is now the only one, and what to do about another.
GONE: dict[str, tuple[Any, str]] = {
    "attention": (ANY, ""),  # the same result by another kernel
    "perceptual_frames": (ANY, ""),  # memory, not the result
    "unrolled_temperature": (ANY, ""),
    "perceptual_drawn": (ANY, ""),
    "perceptual_crop": (ANY, ""),
    "perceptual": (ANY, ""),
    "models": (ANY, ""),
    "lambda_p": (0.0, "docs/nano.md says what it did"),
    "style": (0.0, "docs/nano.md says what it did"),
    "unrolled": (0, "docs/nano.md says what it did"),
    "weighting": ("plain", "errors of all timesteps weigh alike"),
    "semantic_frame": ("first", "the first frame feeds the image condition, as at inference"),
    "disc_dims": (2, "the discriminator sees frames"),
    "disc_layers": (3, "the discriminator has three layers of stride 2"),
    "identity_time_mix": (True, "new convolutions over time start as no change"),
    "fold_post_quant": (True, "what a plain decoder's post_quant_conv did is kept"),
    "redenoise_of": (15, BASE),
    "redenoise_temperature": (1.0, BASE),
    "edges": (0.5, "it is a constant of train/recipes/autoencoder.py"),
    "kl": (1e-6, "it is a constant of train/recipes/autoencoder.py"),
    "calibrate": (True, "latents are always scaled to unit deviation at the end"),
    "outer": (True, "embeddings and the outer convolutions count as spatial"),
    "bisection": (0.8, "it is a constant of train/recipes/sketch.py"),
    "first": (False, "give first_step=1, where the noise is of any strength"),
    "depth": (4, "it is a constant of train/recipes/sketch.py"),
}


def renamed(given: dict[str, Any], schema: Any) -> dict[str, Any]:
    """Nested options with the names of now. ValueError for a value that is gone."""
    known = {own.name for own in options_of(schema)}
    groups = {name.partition(".")[0] for name in known if "." in name}
    if "optim" not in groups:  # no run's options, whose names have never changed
        return given
    found = OmegaConf.create()
    for name, value in given.items():
        if name in known or (name in groups and isinstance(value, dict)):
            OmegaConf.update(found, name, value, merge=True)
        elif name == "perceptual" and f"{name}.net" in known:
            OmegaConf.update(found, "perceptual.net", value)
        elif MOVED.get(name) in known:
            OmegaConf.update(found, MOVED[name], value)
        elif name in GONE:
            only, instead = GONE[name]
            if only is not ANY and value != only:
                raise ValueError(f"{name}={printable(str(value), 80)}: is gone; {instead}")
            log.info("%s is no option any more, and left out", name)
        else:
            found[name] = value
    return OmegaConf.to_container(found)
