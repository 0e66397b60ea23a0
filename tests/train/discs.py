"""A test set of three clips that are drawn on the spot."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from train.eval.testset import write_frames


def disc(frames: int, step: float, height: int = 64, width: int = 64) -> Tensor:
    """An inked yellow disc that moves right over blue: (f 3 h w)."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    clip = torch.tensor([0.2, 0.4, 0.8]).view(1, 3, 1, 1).repeat(frames, 1, height, width)
    for i in range(frames):
        radius = torch.hypot(x - (16.0 + i * step), y - height / 2.0)
        clip[i, :, radius < 12] = 0.05
        clip[i, :, radius < 9] = torch.tensor([1.0, 0.85, 0.2]).view(3, 1)
    return clip


def make_testset(folder: Path) -> Path:
    for name, step in (("slow", 2.0), ("middle", 4.0), ("fast", 9.0)):
        write_frames(disc(6, step), folder / name)
    (folder / "fast" / "prompt.txt").write_text("a disc\n")
    (folder / "fast" / "fps.txt").write_text("24\n")
    return folder


def make_clip_folders(root: Path) -> Path:
    """Three clips as folders of frames: a square that moves over a gradient."""
    for number, way in enumerate(("right", "down", "up")):
        folder = root / way
        folder.mkdir()
        for i in range(20):
            image = np.zeros((64, 64, 3), np.uint8)
            image[..., 2] = np.linspace(0, 255, 64)[:, None] if number else 90
            x, y = {"right": (2 * i, 20), "down": (20, 2 * i), "up": (8, 40 - 2 * i)}[way]
            image[y : y + 20, x : x + 20] = (255, 80 * number, 0)
            Image.fromarray(image).save(folder / f"frame_{i:03d}.png")
        (folder / "prompt.txt").write_text(f"a box goes {way}")
    return root


def moving(offsets) -> np.ndarray:
    """A white 24 pixel square on transparent ground, at the given left edges."""
    frames = np.zeros((len(offsets), 64, 64, 4), np.uint8)
    for frame, left in zip(frames, offsets, strict=True):
        frame[20:44, left : left + 24] = (40, 0, 160, 255)
    return frames
