"""Composition: characters, outlines, cameras and painted backgrounds."""

import numpy as np
import pytest
import torch

from train.data.windows.backgrounds import PAINTERS
from train.data.windows.canvas import Canvas
from train.data.windows.compose import (
    add_outline,
    as_layer,
    ink_inner_lines,
    over,
    pan_over,
    place,
)


def test_characters_are_moved_as_told():
    frames = np.zeros((2, 64, 64, 4), np.uint8)
    frames[:, 30:34, 30:34] = 255
    layer = as_layer(frames)
    moved = place(layer, (64, 64), 1.0, (10, -6), (5, 0))
    for number, left in enumerate((40, 45)):
        expected = torch.zeros(4, 64, 64)
        expected[:, 24:28, left : left + 4] = 1
        assert torch.allclose(moved[number], expected, atol=1e-4)
    small = place(layer, (64, 64), 0.5, (0, 0))
    assert small[0, 3].sum() == pytest.approx(4, rel=0.02)
    assert torch.equal(place(layer, (64, 64), 1.0, (0, 0)), layer)


def test_over_is_porter_duff():
    layer = torch.tensor([0.2, 0.1, 0.0, 0.4])[None, :, None, None]
    ground = torch.tensor([1.0, 0.5, 0.0])[:, None, None]
    assert torch.allclose(over(layer, ground)[0, :, 0, 0], torch.tensor([0.8, 0.4, 0.0]))


def test_outline_surrounds_the_silhouette():
    frames = np.zeros((1, 32, 32, 4), np.uint8)
    frames[:, 10:20, 10:20] = (0, 255, 0, 255)
    outlined = add_outline(as_layer(frames), (51, 0, 0), 2)
    assert torch.equal(outlined[0, :, 10:20, 10:20], as_layer(frames)[0, :, 10:20, 10:20])
    assert torch.allclose(outlined[0, :, 15, 8], torch.tensor([0.2, 0, 0, 1]))
    assert not outlined[0, 3, 15, 7] and not outlined[0, 3, 8, 8]


def test_inner_lines_are_drawn_between_colours_and_not_beyond_the_figure():
    frames = np.zeros((1, 64, 64, 4), np.uint8)
    frames[:, 16:48, 16:32] = (0, 255, 0, 255)
    frames[:, 16:48, 32:48] = (255, 200, 0, 255)
    layer = as_layer(frames)
    drawn = ink_inner_lines(layer, (20, 0, 0))
    assert torch.equal(drawn[:, 3], layer[:, 3]) and (drawn[:, :3] <= drawn[:, 3:]).all()
    assert drawn[0, 1, 32, 30:34].min() < 0.4, "a line between the two colours"
    assert torch.allclose(drawn[0, :, 32, 22], layer[0, :, 32, 22], atol=0.02), "none within one"


def test_camera_pans_by_fractions_of_a_pixel():
    ramp = torch.arange(40.0).expand(3, 34, 40)
    view = pan_over(ramp, (32, 32), 4, (1.5, 0))
    assert view[:, 0, 5, 10].tolist() == [10, 11.5, 13, 14.5]
    assert pan_over(ramp, (32, 32), 4, (-1.5, 0))[:, 0, 5, 10].tolist() == [17, 15.5, 14, 12.5]


@pytest.mark.parametrize("painter", PAINTERS, ids=lambda painter: painter.__name__)
def test_backgrounds_fill_the_picture_and_vary(painter):
    def painted(seed):
        rng = np.random.default_rng(seed)
        canvas = Canvas(rng, 48, 70)
        painter(rng, canvas)
        return canvas.finish()

    first, again, other = map(painted, (1, 1, 2))
    assert first.shape == (48, 70, 3) and first.dtype == np.uint8
    assert np.array_equal(first, again) and not np.array_equal(first, other)
