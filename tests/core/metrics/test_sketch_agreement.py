import pytest
import torch
from torch import Tensor

from toon_core.metrics.plain.sketch_agreement import (
    canny_edges,
    nearest,
    sketch_agreement,
    sketch_lines,
)


@pytest.fixture
def drawing(clip: Tensor) -> Tensor:
    """Canny lines of the middle frame, light on dark."""
    return canny_edges(clip[3:4])[0, 0]


def test_a_frame_agrees_with_its_own_lines(clip: Tensor, drawing: Tensor) -> None:
    result = sketch_agreement(clip[3], drawing)
    assert (result.precision, result.recall, result.f_score, result.distance) == (1, 1, 1, 0)


def test_polarity_does_not_matter(clip: Tensor, drawing: Tensor) -> None:
    assert sketch_agreement(clip[2], drawing) == sketch_agreement(clip[2], 1 - drawing)


def test_falls_with_distance(clip: Tensor, drawing: Tensor) -> None:
    results = [sketch_agreement(clip[3].roll(p, dims=-1), drawing) for p in (0, 3, 6, 12)]
    distances, scores = [r.distance for r in results], [r.f_score for r in results]
    assert distances == sorted(distances)
    assert len(set(distances)) == 4
    assert scores == sorted(scores, reverse=True)


def test_square_moved_by_four_pixels() -> None:
    """Two vertical lines 4 pixels apart: every distance is 4 by construction."""
    lines = torch.zeros(32, 32)
    lines[:, 10] = 1
    drawn = lines.roll(4, dims=1)
    frame = torch.full((3, 32, 32), 0.5)

    def edges(frames: Tensor) -> Tensor:
        return lines[None, None]

    near = sketch_agreement(frame, drawn, tolerance=4, edges=edges)
    far = sketch_agreement(frame, drawn, tolerance=3.9, edges=edges)
    assert near.distance == far.distance == 4
    assert (near.f_score, far.f_score) == (1, 0)


def test_nearest_is_the_exact_distance() -> None:
    from scipy.ndimage import distance_transform_edt

    generator = torch.Generator().manual_seed(0)
    a, b = (torch.rand(40, 50, generator=generator) > 0.97 for _ in range(2))
    expected = distance_transform_edt(~b.numpy())[a.numpy()]
    assert nearest(a, b).tolist() == pytest.approx(expected.tolist(), abs=1e-4)


def test_frame_without_lines_is_worst(drawing: Tensor) -> None:
    result = sketch_agreement(torch.full((3, 64, 64), 0.5), drawing)
    assert result.f_score == 0
    assert result.distance == pytest.approx(64 * 2**0.5)


def test_empty_sketch_is_refused(clip: Tensor) -> None:
    with pytest.raises(ValueError, match="no line"):
        sketch_agreement(clip[0], torch.zeros(64, 64))


def test_thin_lines_survive_shrinking() -> None:
    sketch = torch.ones(3, 256, 256)
    sketch[:, :, 101] = 0
    lines = sketch_lines(sketch, (64, 64))
    assert lines.sum() == 64
    assert lines[:, 25].all()
