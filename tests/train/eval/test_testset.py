"""Test sets on disk: what is read, at which size, and what is refused before any long work."""

from pathlib import Path

import numpy as np
import pytest
from discs import disc
from PIL import Image

from toon_core.metrics.plain.sketch_agreement import sketch_lines
from train.eval.testset import read_clip, read_frames, read_testset, shorter_side, write_frames


def draw_outline(path: Path, height: int, width: int) -> None:
    """A dark square of one pixel's line on white."""
    page = np.full((height, width), 255, np.uint8)
    top, left, side = height // 4, width // 4, height // 2
    page[[top, top + side], left : left + side] = 0
    page[top : top + side, [left, left + side]] = 0
    Image.fromarray(page).save(path)


def test_clips_are_resized_with_their_aspect(tmp_path: Path) -> None:
    write_frames(disc(5, 4.0, height=80, width=120), tmp_path / "wide")
    assert read_clip(tmp_path / "wide", 40).size == (40, 60)
    assert read_clip(tmp_path / "wide").size == (80, 120)


def test_the_sets_own_size_is_that_of_all_its_clips(testset: Path) -> None:
    assert shorter_side(read_testset(testset)) == 64
    write_frames(disc(6, 2.0, height=64, width=90), testset / "wide")
    assert shorter_side(read_testset(testset)) == 64
    write_frames(disc(6, 2.0, height=80, width=80), testset / "large")
    with pytest.raises(ValueError, match=r"fast is 64x64, .*large is 80x80 .*give --size"):
        shorter_side(read_testset(testset))


def test_thin_lines_of_a_large_sketch_are_kept_in_a_small_clip(tmp_path: Path) -> None:
    write_frames(disc(5, 4.0, height=320, width=512), tmp_path / "clip")
    draw_outline(tmp_path / "clip" / "sketch_002.png", 320, 512)
    [folder] = read_testset(tmp_path)
    clip = read_clip(folder, 64)
    assert clip.sketches[2].shape == (3, 320, 512)
    square = sketch_lines(clip.sketches[2], clip.size)
    assert abs(int(square.sum()) - 4 * 32) <= 4


@pytest.mark.parametrize(
    ("size", "lines", "words"),
    [((64, 64), False, "holds no line"), ((64, 96), True, r"is 96x64 .*\(64x64\)")],
)
def test_a_sketch_that_cannot_be_used_is_found_first(
    testset: Path, size: tuple[int, int], lines: bool, words: str
) -> None:
    path = testset / "slow" / "sketch_003.png"
    draw_outline(path, *size)
    if not lines:
        Image.new("L", size[::-1], 255).save(path)
    with pytest.raises(ValueError, match=rf"sketch_003\.png {words}"):
        read_testset(testset)


def test_a_gap_in_the_frames_is_found_first(testset: Path) -> None:
    (testset / "middle" / "frame_003.png").unlink()
    with pytest.raises(ValueError, match=r"no frame_003\.png"):
        read_testset(testset)


def test_bad_side_files_are_named(testset: Path) -> None:
    (testset / "fast" / "fps.txt").write_text("quick")
    with pytest.raises(ValueError, match=r"fps\.txt: holds 'quick'"):
        read_testset(testset)
    Image.new("L", (64, 64)).save(testset / "slow" / "sketch_099.png")
    with pytest.raises(ValueError, match=r"sketch_099\.png names no frame"):
        read_clip(testset / "slow")


def test_frames_are_scaled_but_never_stretched(tmp_path: Path) -> None:
    write_frames(disc(4, 4.0, height=72, width=128), tmp_path)
    paths = sorted(tmp_path.glob("*.png"))
    assert read_frames(paths, (256, 455)).shape == (4, 3, 256, 455)
    with pytest.raises(ValueError, match=r"frame_000\.png is 128x72 .*\(64x64\).*stretched"):
        read_frames(paths, (64, 64))


def test_frames_of_16_bits_are_refused_and_not_clipped(tmp_path: Path) -> None:
    file = tmp_path / "frame_000.png"
    Image.fromarray(np.full((8, 8), 40_000, np.uint16)).save(file)
    with pytest.raises(ValueError, match=r"frame_000\.png: .*expected 8 bits"):
        read_frames([file], (8, 8))
