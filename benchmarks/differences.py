"""What this project does otherwise than the release, in figures.

    python benchmarks/differences.py

Runs on the bundled nano weights and the cast, in seconds. Errors are max|a - b| / max|b|.

  keys       both key frames through the encoder, against the whole clip of copies
  antialias  the fit of 512x320 key frames to 128x128 with and without it, in steps of 255
  batch      two clips decoded together, against each alone
  streamed   the decoder one frame at a time, against all frames at once
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

import toon_core  # noqa: E402
from toon_core.conditioning.encode import Keys, encode_keys  # noqa: E402
from toon_core.images import resize_and_crop  # noqa: E402
from toon_core.vae.autoencoder import Autoencoder  # noqa: E402

FRAMES, SIDE = 16, 128
CLIPS = ("fox_walk", "robot_dance")


def picture(name: str) -> Tensor:
    """(1 3 h w) in [-1, 1]."""
    with Image.open(ROOT / "cast" / "keys" / f"{name}.png") as image:
        pixels = np.array(image.convert("RGB"))
    return torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 127.5 - 1


def fitted(which: str) -> Tensor:
    """That key of both clips, (2 3 128 128)."""
    images = [resize_and_crop(picture(f"{clip}_{which}"), (SIDE, SIDE)) for clip in CLIPS]
    return torch.cat(images)


def deviation(a: Tensor, b: Tensor) -> float:
    return float((a - b).abs().max() / b.abs().max())


def timed(run: Callable[[], Any]) -> tuple[Any, float]:
    """The result and the shortest of three times in seconds."""
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        result = run()
        seconds.append(time.perf_counter() - start)
    return result, min(seconds)


def keys(vae: Autoencoder, first: Tensor, last: Tensor, noise: Tensor) -> Keys:
    ours, quick = timed(lambda: encode_keys(vae, first[:1], last[:1], noise[:1]))
    half = FRAMES // 2
    copies = torch.cat([first[:1].expand(half, -1, -1, -1), last[:1].expand(half, -1, -1, -1)])
    (posterior, features), slow = timed(lambda: vae.encode_with_features(copies))
    latents = 0.18215 * posterior.sample(noise[0])
    errors = [deviation(ours.concat[0, :, i], latents[i]) for i in (0, -1)]
    for mine, theirs in zip(ours.references, features, strict=True):
        errors += [deviation(mine[0, :, i], theirs[i]) for i in (0, -1)]
    print(f"keys       {max(errors):.1e}, {quick:.3f} s in place of {slow:.3f} s")
    return encode_keys(vae, first, last, noise)


def antialias() -> None:
    pairs = [
        [resize_and_crop(picture(f"{clip}_first"), (SIDE, SIDE), on) for on in (True, False)]
        for clip in CLIPS
    ]
    steps = torch.cat([(a - b).abs() * 127.5 for a, b in pairs])
    print(f"antialias  mean {steps.mean():.1f}, largest {steps.max():.0f} of 255")


def decoder(vae: Autoencoder, both: Keys, z: Tensor) -> None:
    whole = vae.decode(z, both.references)
    alone = [vae.decode(z[i : i + 1], [r[i : i + 1] for r in both.references]) for i in (0, 1)]
    print(f"batch      {deviation(whole, torch.cat(alone)):.1e}")
    streamed = vae.decode(z, both.references, frames_at_once=1)
    print(f"streamed   {deviation(streamed, whole):.1e}")


@torch.inference_mode()
def main() -> None:
    vae = toon_core.load(ROOT / "weights" / "nano.safetensors", dtype=torch.float32).vae
    generator = torch.Generator().manual_seed(123)
    noise = torch.randn(len(CLIPS), FRAMES, 4, SIDE // 8, SIDE // 8, generator=generator)
    both = keys(vae, fitted("first"), fitted("last"), noise)
    antialias()
    z = both.concat / 0.18215 + torch.randn(both.concat.shape, generator=generator)
    decoder(vae, both, z)


if __name__ == "__main__":
    main()
