"""Train a base from nothing: denoiser, projector and CLIP towers on a trained autoencoder.

    python -m train.pretrain data=CLIPS out=RUN [autoencoder=RUN2/autoencoder.safetensors] \\
        [preset=nano | shape=FILE.yaml] [init=RUN3/model.safetensors]

Where no autoencoder is given, one is trained first by `train.autoencoder`, of as many steps, in
RUN/autoencoder. For small models of one's own, as nano is. The loss is that of `train.rectify`
(paper eq. 2); the result is a whole model file. data= may be what `train.cache autoencoder=...`
made.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import torch

import toon_core
from toon_core import presets
from toon_core.config import ToonConfig
from toon_core.model import ToonModel
from toon_core.vae.autoencoder import Autoencoder
from toon_core.weights.infer import decoder_kind
from train import autoencoder
from train.autoencoder import AutoencoderConfig, AutoencoderRecipe
from train.data.cachefile import FACTS
from train.denoising import DenoiserObjective, DenoiserRecipe, DenoisingConfig
from train.engine import loop
from train.engine.command import errors_told
from train.engine.config import parse
from train.engine.result import finished, load_part
from train.losses.decoded import DecodedDistance
from train.losses.perceptual import perceptual
from train.scale import shape
from train.unrolled import UnrolledObjective

log = logging.getLogger("toon.train")

# Options that an autoencoder trained beside has, too: all but those of the learning itself.
SHARED = (
    *("data", "height", "width", "frames", "buckets", "windows", "steps", "minutes", "batch"),
    *("accumulate", "dtype", "device", "seed", "workers", "threads", "save_every", "keep"),
    *("sample_every", "sheet_clips", "log_every", "dry_run", "preset", "shape"),
)


@dataclass(kw_only=True)
class PretrainConfig(DenoisingConfig):
    autoencoder: str = ""  # result of `train.autoencoder`; none: trained first, in out/autoencoder
    preset: str = "nano"  # the model's shape
    shape: str = ""  # or a YAML file: ToonConfig's fields, a part also in the release's options
    init: str = ""  # a model file whose denoiser, projector and towers to go on from
    # Not the paper's, for a model that samples in few steps with little noise.
    unrolled: int = 0  # train on its own samples, of so many steps,
    unrolled_temperature: float = 0.3  # at this temperature
    # Not the paper's: estimates of x0 that also look right when decoded.
    lambda_p: float = 0.0  # weight of LPIPS on them
    style: float = 0.0  # so much of the distance of Gram matrices is added to it
    perceptual: str = "auto"  # or vgg, alex, hed
    models: str = "models"  # folder of files of other networks, here LPIPS's
    perceptual_drawn: int = 2  # inner frames a clip in LPIPS
    perceptual_crop: int = 64  # random squares of them of this side, in pixels (0: whole frames)

    def model_shape(self) -> ToonConfig:
        return shape(self)


class PretrainRecipe(DenoiserRecipe):
    parts = ("moments", "first")  # the towers are trained, and see pictures and words

    def __init__(self, config: PretrainConfig, device: torch.device) -> None:
        model = new_model(config).to(device)
        if config.init:
            go_on_from(model, config.init)
        model.vae.requires_grad_(False).eval()
        decoded = decoded_distance(config, model, device) if config.lambda_p else None
        super().__init__(config, model, device, objective_of(config, model, decoded))


def objective_of(
    config: PretrainConfig, model: ToonModel, decoded: DecodedDistance | None
) -> DenoiserObjective:
    """The squared error of eq. 2, or of the model's own samples. ValueError on options that
    cannot be."""
    steps, temperature = config.unrolled, config.unrolled_temperature
    if steps < 0 or not 0 <= temperature <= 1:
        raise ValueError(
            f"unrolled={steps} unrolled_temperature={temperature}: expected 0 or more steps, and "
            "a temperature of 0 to 1"
        )
    if steps and config.fsdp:
        raise ValueError("unrolled: clips take different numbers of steps, which fsdp cannot do")
    if not steps:
        return DenoiserObjective(model, config, train_towers=True, decoded=decoded)
    return UnrolledObjective(model, config, True, decoded, steps, temperature)


def decoded_distance(
    config: PretrainConfig, model: ToonModel, device: torch.device
) -> DecodedDistance:
    """The term that `lambda_p` weighs. ValueError where the clips are too short or small for it,
    or the autoencoder's decoder is not the plain one."""
    measure = perceptual(config.perceptual, config.models, config.style)
    side = config.perceptual_crop
    if measure is None or side % 8 or not 0 <= side <= min(config.height, config.width):
        raise ValueError(
            f"perceptual={config.perceptual} perceptual_crop={side}: with lambda_p above 0 give a "
            "network, and a multiple of 8 no larger than the frames (0: whole frames)"
        )
    if config.frames < 3:
        raise ValueError(f"frames={config.frames}: lambda_p needs inner frames, so at least 3")
    frames = config.perceptual_drawn
    return DecodedDistance(
        model.vae, measure.to(device), model.config.scale_factor, frames, side // 8
    )


def new_model(config: PretrainConfig) -> ToonModel:
    """Untrained but for the autoencoder."""
    chosen = shape(config)
    if config.autoencoder:
        vae = load_autoencoder(config.autoencoder, chosen)
    elif config.dry_run:
        vae = Autoencoder(presets.plain(chosen).vae)
    else:
        raise ValueError("autoencoder is needed: give a result of train.autoencoder")
    model = ToonModel(replace(chosen, vae=vae.config))
    model.vae = vae
    return model


def load_autoencoder(path: str, chosen: ToonConfig) -> Autoencoder:
    """A result of `train.autoencoder`; the decoder's kind shows in the file. ValueError where it
    has another shape."""
    state = load_part(path, "vae")
    vae = Autoencoder(replace(chosen.vae, **decoder_kind(state)))
    try:
        vae.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(f"autoencoder={path}: another shape than preset or shape") from error
    return vae


def go_on_from(model: ToonModel, path: str) -> None:
    """Take another model's denoiser, projector and towers; ValueError where their shape differs."""
    other = toon_core.load(path, dtype=torch.float32, expect="toon")
    ours = model.config
    same = replace(other.config, vae=ours.vae, recipe=ours.recipe, preview=ours.preview)
    if same != ours:
        raise ValueError(f"init={path}: another shape than preset={model.config}")
    for part in ("unet", "resampler", "text", "image"):
        getattr(model, part).load_state_dict(getattr(other, part).state_dict())


def with_autoencoder(config: PretrainConfig) -> PretrainConfig | None:
    """The options with an autoencoder that is trained by them first, or was; None where its
    `minutes` were over before. After a dry run there is none."""
    for name, given in (("init", config.init), ("data", (Path(config.data) / FACTS).is_file())):
        if given:
            raise ValueError(
                f"{name}={getattr(config, name)} goes with the autoencoder it was made with: give "
                "that by autoencoder="
            )
    options = {name: getattr(config, name) for name in SHARED}
    first = AutoencoderConfig(**options, out=str(Path(config.out) / "autoencoder"))
    result = Path(first.out) / autoencoder.RESULT
    if not finished(result, first.steps):
        log.info("no autoencoder= is given: it is trained first, in %s", first.out)
        step = loop.run(AutoencoderRecipe, first).step
        if config.dry_run:
            return config
        if step < first.steps:
            log.warning("the autoencoder is not done; the same command goes on with it")
            return None
    return replace(config, autoencoder=str(result))


def main(arguments: list[str]) -> None:
    config = parse(PretrainConfig, arguments, __doc__).resolved()
    ready = config if config.autoencoder else with_autoencoder(config)
    if ready:
        loop.run(PretrainRecipe, ready)


if __name__ == "__main__":
    with errors_told():
        main(sys.argv[1:])
