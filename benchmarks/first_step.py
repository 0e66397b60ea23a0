"""How well a model knows at its first step where things go: its error over a cross-fade's.

    python benchmarks/first_step.py [model=weights/nano.safetensors count=24 noto=FOLDER ...]

At the noisiest timestep, from no noise, the denoiser estimates the clean latents of the inner
frames from the two keys alone. Printed is the mean squared error of that estimate where something
moves (the latents are further than 0.25 from their mean over time, in the mean over channels and
frames), over that of a cross-fade of the keys' latents; below 1 is better than a cross-fade. Sets:
held-out puppets of each level (a seed that no training takes), the cast, and with noto= a folder
of clips as train.heldout writes them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from nano_cast import cast  # noqa: E402

import toon_core  # noqa: E402
from toon_core.model import ToonModel  # noqa: E402
from train.data.puppets.clip import clip  # noqa: E402
from train.data.puppets.levels import LEVELS  # noqa: E402
from train.engine.batches import SampleRNG  # noqa: E402
from train.engine.config import parse  # noqa: E402
from train.eval.testset import Clip, read_clip, read_testset  # noqa: E402
from train.losses.diffusion import endpoint_condition, moving  # noqa: E402
from train.recipes.conditioning import (  # noqa: E402
    ContextEncoder,
    clip_moments,
    predictor,  # noqa: E402
)

HELD_OUT = 1_000_003  # seed of the puppets that are measured; training takes smaller ones


@dataclass(kw_only=True)
class FirstStepConfig:
    """What is measured."""

    model: str = str(ROOT / "weights" / "nano.safetensors")
    count: int = 24  # puppet clips a level
    frames: int = 16
    side: int = 128
    noto: str = ""  # also a folder of clips of `side` pixels
    threads: int = 1


def puppets(config: FirstStepConfig, level: int) -> Iterator[Clip]:
    for index in range(config.count):
        made = clip(HELD_OUT, index, level, config.frames, config.side, config.side)
        frames = torch.from_numpy(made.frames).permute(0, 3, 1, 2).float() / 255
        yield Clip(name=str(index), frames=frames, prompt=made.prompt, fps=made.fps)


@torch.no_grad()
def errors(model: ToonModel, shown: Clip, config: FirstStepConfig) -> tuple[Tensor, Tensor] | None:
    """Sums of squared errors where something moves, of the estimate and of the cross-fade; None
    where nothing does. Clips of other lengths are sampled evenly at `frames`."""
    picked = torch.linspace(0, len(shown.frames) - 1, config.frames).round().long()
    frames = shown.frames[picked]
    frames = torch.nn.functional.interpolate(frames, (config.side, config.side), mode="area")
    video = (frames.movedim(1, 0) * 2 - 1)[None]
    z = model.config.scale_factor * clip_moments(model.vae, video)[:, 0]
    moves = moving(z)
    if not moves.any():
        return None
    draws = SampleRNG(0, 0, [0])
    context = ContextEncoder(model, drop=0.0, train_towers=False)(
        {"video": video, "prompt": [shown.prompt]}, draws
    )
    rate = torch.tensor([shown.fps or 24])
    t = torch.tensor([model.schedule.config.timesteps - 1])
    still = torch.zeros_like(z)
    v = predictor(model.unet, endpoint_condition(z), context, rate)(still, t)
    share = torch.linspace(0, 1, config.frames).view(1, 1, -1, 1, 1)
    fade = z[:, :, :1] * (1 - share) + z[:, :, -1:] * share
    inner = moves.expand_as(z)[:, :, 1:-1]
    estimates = model.schedule.x0(still, v, t), fade
    return tuple((e - z)[:, :, 1:-1].square()[inner].sum() for e in estimates)


def ratio(model: ToonModel, clips: Iterator[Clip], config: FirstStepConfig) -> float:
    """The estimate's error over the cross-fade's, over all clips together."""
    found = [pair for shown in clips if (pair := errors(model, shown, config)) is not None]
    own, fade = (sum(pair[k] for pair in found) for k in (0, 1))
    return float(own / fade)


def main(arguments: list[str]) -> None:
    config = parse(FirstStepConfig, arguments, __doc__)
    torch.set_num_threads(config.threads)
    model = toon_core.load(config.model, dtype=torch.float32).eval()
    for level in range(LEVELS):
        print(f"puppets, level {level}: {ratio(model, puppets(config, level), config):.3f}")
    print(f"cast: {ratio(model, iter(cast()), config):.3f}")
    if config.noto:
        clips = (read_clip(folder) for folder in read_testset(Path(config.noto)))
        print(f"{config.noto}: {ratio(model, clips, config):.3f}")


if __name__ == "__main__":
    main(sys.argv[1:])
