import numpy as np
import pytest
import torch
from skimage.color import deltaE_cie76, rgb2lab
from torch import Tensor

from toon_core.metrics.plain.colour_drift import colour_drift, mean_lab


def test_equals_scikit_image(clip: Tensor) -> None:
    tinted = (clip * torch.tensor([1.0, 0.8, 0.7]).view(3, 1, 1) + 0.02).clamp(0, 1)
    labs = [
        np.stack([rgb2lab(x.double().numpy(), channel_axis=0).mean(axis=(1, 2)) for x in frames])
        for frames in (tinted, clip)
    ]
    assert mean_lab(clip).numpy() == pytest.approx(labs[1], abs=1e-3)
    assert colour_drift(tinted, clip).tolist() == pytest.approx(deltaE_cie76(*labs), abs=1e-3)


def test_white_and_black() -> None:
    levels = torch.tensor([0.0, 1.0]).view(2, 1, 1, 1).expand(2, 3, 4, 4)
    assert mean_lab(levels).numpy() == pytest.approx(np.array([[0, 0, 0], [100, 0, 0]]), abs=0.02)


def test_a_growing_tint_is_seen_frame_by_frame(clip: Tensor) -> None:
    strength = torch.linspace(0, 0.3, len(clip)).view(-1, 1, 1, 1)
    tinted = clip.lerp(torch.tensor([1.0, 0.2, 0.2]).view(3, 1, 1).expand_as(clip), strength)
    drift = colour_drift(tinted, clip)
    assert drift[0] == 0
    assert (drift.diff() > 0.5).all()
