"""The script of docs/evaluation.md that makes other programs' pictures a system."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from discs import disc
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from train.eval.options import read_spec
from train.eval.systems import Sampling, run_system
from train.eval.testset import read_clip, read_testset, write_frames

PAGE = Path(__file__).parents[3] / "docs" / "evaluation.md"


def picked(folder: Path) -> Path:
    """FRAMES of folder/testset and folder/theirs by the script as the page has it."""
    [script] = re.findall(
        r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    (folder / "pick.py").write_text(script, encoding="utf-8")
    words = [sys.executable, "pick.py", "testset", "theirs", "frames"]
    subprocess.run(words, cwd=folder, check=True, capture_output=True, text=True)
    return folder / "frames"


def as_video(frames: Tensor, folder: Path) -> None:
    """Written as ffmpeg does, from 0001.png."""
    write_frames(frames, folder)
    for number, path in reversed(list(enumerate(sorted(folder.glob("*.png")), start=1))):
        path.rename(folder / f"{number:04d}.png")


def test_the_frames_nearest_in_time_are_taken_and_bars_cut_off(tmp_path: Path) -> None:
    """Six frames from 21 that move as they do, drawn between bars at twice the size."""
    write_frames(disc(6, 4.0), tmp_path / "testset" / "a")
    large = F.interpolate(disc(21, 1.0), scale_factor=2)
    as_video(F.pad(large, (40, 40), value=0.5), tmp_path / "theirs" / "a")
    system = read_spec(str(picked(tmp_path)))
    folders = read_testset(tmp_path / "testset")
    system.check(folders)
    clip = read_clip(folders[0])
    made = run_system(system.open(), clip, Sampling())
    assert made.shape == clip.frames.shape
    assert (made - clip.frames).abs().mean(dim=(1, 2, 3)).max() < 0.02
    moved = (made - clip.frames.roll(1, 0)).abs().mean(dim=(1, 2, 3))
    assert moved.min() > 0.03, "any other frame would be far off"


def test_too_few_pictures_end_it(tmp_path: Path) -> None:
    write_frames(disc(6, 4.0), tmp_path / "testset" / "a")
    as_video(torch.zeros(3, 3, 8, 8), tmp_path / "theirs" / "a")
    with pytest.raises(subprocess.CalledProcessError) as caught:
        picked(tmp_path)
    assert "theirs/a has 3 of 6" in caught.value.stderr
    assert Image.open(tmp_path / "testset" / "a" / "frame_000.png").size == (64, 64)
