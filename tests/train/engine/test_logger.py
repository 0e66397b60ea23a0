"""Sample sheets say what they show."""

import numpy as np
import torch

from train.engine.logger import LABEL, caption, labelled_rows, with_heading


def test_rows_stand_under_their_labels_and_above_the_frames_numbers():
    clip = torch.zeros(3, 4, 16, 24)
    found = labelled_rows([("truth", clip), ("sample", clip)], every=3)
    row = LABEL + 16 + 4 + LABEL  # a gap of two pixels around each frame
    assert found.shape == (2 * row, 4 * (24 + 4), 3) and found.dtype == np.uint8
    first, second = found[:LABEL], found[row : row + LABEL]
    assert (first < 128).any() and (first != second).any()
    numbers = found[row - LABEL : row]
    assert all((part < 128).any() for part in np.split(numbers, 4, axis=1))
    assert (np.split(numbers, 4, axis=1)[0] != np.split(numbers, 4, axis=1)[1]).any()


def test_a_label_may_be_longer_than_its_picture_and_in_any_script():
    picture = np.zeros((4, 8, 3), np.uint8)
    found = with_heading(picture, "a very long prompt \u72d0\u72f8 \x1b[31m" * 20)
    assert found.shape == (4 + LABEL, 8, 3)


def test_a_caption_tells_clip_window_and_prompt():
    item = {"name": "walk", "start": 12, "stride": 2, "prompt": "a fox walks"}
    assert caption("truth", item) == 'truth: walk from frame 12, every 2 "a fox walks"'


def test_rows_may_be_of_different_sizes_and_are_drawn_as_high_as_asked():
    clips = [("wide", torch.zeros(3, 5, 32, 64)), ("small", torch.ones(3, 2, 8, 8))]
    found = labelled_rows(clips, height=16)
    row = LABEL + 16 + 4 + LABEL
    assert found.shape == (2 * row, 5 * (32 + 4), 3)
    assert (found[row:, 2 * (16 + 4) :] == 255).all(), "white right of the narrower row"
