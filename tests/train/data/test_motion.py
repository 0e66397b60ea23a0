"""Which windows move as they should, and what is measured of them."""

import numpy as np
import pytest
from discs import moving

from train.data.motion import WindowRules, is_good, measure_motion, window_stats


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
