"""Figures of prepared clips in the place of puppets, before the pictures of these."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np

from train.data.resident.layers import Figures
from train.data.windows.dataset import ClipWindows, TrainingConfig, licences_of
from train.data.windows.sampler import WindowSampler

NUMBER = 1 << 20  # the third number of a draw, which a puppet's is not


@lru_cache(maxsize=1)
def cut_out(data: str, frames: int, side: int, seed: int) -> Cutouts:
    """`Cutouts`, read once by a process that draws many."""
    return Cutouts(data, frames, side, seed)


class Cutouts:
    """Windows of a prepared store's training clips, their figures alone.

    ValueError where none has alpha: what fills its frame would hide the picture behind.
    """

    def __init__(self, data: str, frames: int, side: int, seed: int) -> None:
        if not Path(data).is_dir():
            raise ValueError(f"cutouts={data}: no such folder; give one of train.prepare")
        size = {"height": side, "width": side, "frames": frames}
        options = TrainingConfig(data=data, out="", seed=seed, **size)
        self.windows, self.seed = ClipWindows(options, "train", 1), seed
        found = self.windows.sampler
        cut = np.array([record.alpha for record in found.records])
        if not cut.any():
            raise ValueError(
                f"cutouts={data}: none has alpha, and what fills its frame would hide the picture "
                "behind it: train from the clips themselves, data=..., or give cut-out ones"
            )
        chosen = [w for w, own in zip(found.windows, cut, strict=True) if own]
        self.sampler = WindowSampler(chosen, found.weights[cut])

    def stamp(self) -> str:
        return self.windows.stamp()

    def licences(self) -> list[str]:
        return licences_of(self.sampler.records)

    def figures(self, index: int, share: float) -> Figures | None:
        """Those of clip `index`, in such a share of the clips."""
        rng = np.random.default_rng([self.seed, index, NUMBER])
        if rng.random() >= share:
            return None
        window = self.sampler.draw(rng)
        pixels = self.windows.figure(window, rng).mul(255).round_().clamp_(0, 255)
        return Figures(
            frames=pixels.movedim(1, -1).byte().numpy(),
            prompt=window.record.caption,
            fps=max(1, round(window.record.fps / window.stride)),
        )
