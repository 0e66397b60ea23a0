import numpy as np
import pytest
import torch
from cpbd import compute  # the published program, ported
from PIL import Image
from scipy.ndimage import gaussian_filter
from skimage.data import camera
from torch import Tensor
from torch.nn import functional as F

from toon_core.metrics.plain.cpbd import cpbd


def published(frame: Tensor) -> float:
    image = Image.fromarray((frame * 255).round().byte().permute(1, 2, 0).numpy())
    return compute(np.asarray(image.convert("L")))


def as_bytes(frames: Tensor) -> Tensor:
    return (frames * 255).round() / 255


def test_equals_the_published_program_on_drawings(worsening: list[Tensor]) -> None:
    wide = [F.interpolate(x[:1], scale_factor=2, mode="bilinear") for x in worsening]
    frames = as_bytes(torch.cat(wide))
    expected = [published(frame) for frame in frames]
    assert cpbd(frames).tolist() == pytest.approx(expected, abs=1e-3)


def test_equals_the_published_program_on_a_photograph() -> None:
    """Of a height that is no multiple of the block."""
    photo = torch.from_numpy(camera()[:400:2, ::2] / 255.0).float().expand(1, 3, -1, -1)
    smooth = as_bytes(F.avg_pool2d(F.pad(photo, (1, 1, 1, 1), mode="replicate"), 3, stride=1))
    expected = [published(photo[0]), published(smooth[0])]
    assert 0.05 < expected[1] < expected[0] - 0.1
    assert cpbd(torch.cat([photo, smooth])).tolist() == pytest.approx(expected, abs=1e-3)


def test_falls_with_blur() -> None:
    photo = camera()[::2, ::2].astype(float)
    steps = np.stack([gaussian_filter(photo, sigma) for sigma in (0, 0.6, 0.9, 1.5)])
    scores = cpbd(torch.from_numpy(steps / 255).float()[:, None].expand(-1, 3, -1, -1)).tolist()
    assert all(b < a - 0.05 for a, b in zip(scores, scores[1:], strict=False))


def test_no_edge_is_not_sharp() -> None:
    assert cpbd(torch.full((1, 3, 64, 64), 0.5)).item() == 0


def test_a_frame_below_a_block_is_refused() -> None:
    with pytest.raises(ValueError, match="block of 64"):
        cpbd(torch.zeros(1, 3, 63, 100))
