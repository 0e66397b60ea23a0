"""Windows that move as they should, and clips that look alike or are the same."""

import numpy as np
import pytest

from train.data.lookalikes import (
    alike_pairs,
    find_duplicates,
    find_groups,
    motion_signature,
    thumbnails,
)
from train.data.motion import WindowRules, is_good, measure_motion, window_stats


def moving(offsets) -> np.ndarray:
    """A white 24 pixel square on transparent ground, at the given left edges."""
    frames = np.zeros((len(offsets), 64, 64, 4), np.uint8)
    for frame, left in zip(frames, offsets, strict=True):
        frame[20:44, left : left + 24] = (40, 0, 160, 255)
    return frames


def test_windows_that_move_are_kept_and_cuts_fades_rests_and_loops_are_not():
    steady = moving(range(0, 32, 2))
    cut = moving([0] * 8 + [36] * 8)
    rest = moving([4] * 16)
    share = np.linspace(0, 1, 16)[:, None, None, None]
    fade = (steady[0] * (1 - share) + moving([36])[0] * share).astype(np.uint8)
    there_and_back = moving([*range(0, 32, 4), *range(30, -2, -4)])
    verdicts = [
        is_good(window_stats(measure_motion(frames), 16), WindowRules()).tolist()
        for frames in (steady, cut, rest, fade, there_and_back)
    ]
    assert verdicts == [[True], [False], [False], [False], [False]]


def test_window_statistics_are_those_of_the_frames():
    frames = moving([0, 1, 3, 6, 10, 15, 21, 28, 36])
    stats = window_stats(measure_motion(frames), 3, stride=2)
    white = frames[..., :3].astype(float) + 255 - frames[..., 3:]
    steps = [np.abs(white[i] - white[i + 2]).mean() for i in range(7)]
    assert len(stats.path) == 5
    assert stats.path == pytest.approx([steps[i] + steps[i + 2] for i in range(5)], rel=1e-5)
    assert stats.largest == pytest.approx([max(steps[i], steps[i + 2]) for i in range(5)])
    assert stats.ends == pytest.approx([np.abs(white[i] - white[i + 4]).mean() for i in range(5)])


def test_look_alikes_are_found_mirrored_recoloured_and_by_a_given_family():
    right = moving(range(0, 40))
    mirrored = right[:, :, ::-1].copy()
    recoloured = right[..., [2, 0, 1, 3]]
    late = moving([0] * 30 + list(range(0, 40, 4)))
    clips = [right, late, mirrored, recoloured, late[::-1]]
    signatures = np.stack([motion_signature(frames) for frames in clips])
    names = ["fish", "white flag", "duck", "hen", "flag"]
    assert find_groups(signatures, names, [r"\bbird\b", r"\bflag\b"]) == [0, 1, 0, 0, 1]
    assert find_groups(signatures, names) == [0, 1, 0, 0, 4], "words alone tell nothing"


def turned(maps: np.ndarray, way: int) -> np.ndarray:
    """A motion signature, mirrored or turned in one of eight ways."""
    return np.rot90(maps[..., ::-1] if way > 3 else maps, way, (1, 2))


def test_look_alikes_in_buckets_are_those_of_all_pairs():
    rng = np.random.default_rng(0)
    whole = rng.normal(size=(30, 24, 16, 16))
    copies = [turned(w + 0.5 * rng.normal(size=w.shape), i % 8) for i, w in enumerate(whole[:20])]
    signatures = np.concatenate([whole, copies, np.zeros((3, 24, 16, 16))]).astype(np.float32)
    signatures /= np.maximum(np.sqrt((signatures**2).sum((1, 2, 3), keepdims=True)), 1e-6)
    expected = [
        (i, j)
        for i, first in enumerate(signatures)
        for j in range(i + 1, len(signatures))
        if max((first * turned(signatures[j], way)).sum() for way in (0, 1, 2, 3, 4)) > 0.65
    ]
    assert len(expected) >= 12
    assert alike_pairs(signatures) == alike_pairs(signatures, chunk=7) == expected
    assert alike_pairs(signatures, whole=10) == expected


def test_near_duplicates_are_told_from_look_alikes():
    clip = moving(range(0, 32, 2))
    noisy = np.clip(clip.astype(int) + np.random.default_rng(0).integers(-4, 5, clip.shape), 0, 255)
    shifted = moving(range(3, 35, 2))
    looks = [thumbnails(frames) for frames in (clip, shifted, noisy.astype(np.uint8), clip[::-1])]
    assert find_duplicates(np.stack(looks), 12) == {2: 0}


def test_a_clip_that_was_dropped_drops_no_other():
    a, b, c, d = np.zeros((4, *thumbnails(moving(range(4))).shape), np.uint8)
    b[0, 0, 0], c[0, 0, 0], d[0, 0, 0] = 10, 20, 30
    assert find_duplicates(np.stack([a, b, c, d]), 12) == {1: 0, 3: 2}, "a ~ b ~ c, but a !~ c"
