import pytest
import torch

from toon_core.metrics.frames import check_frames, check_pair


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        (torch.zeros(3, 8, 8), "shape"),
        (torch.zeros(2, 4, 8, 8), "RGB"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.uint8), "float"),
        (torch.full((2, 3, 8, 8), -1.0), r"\[-1, 1\]"),
        (torch.full((2, 3, 8, 8), float("nan")), "finite"),
        (torch.zeros(0, 3, 8, 8), "finite"),
    ],
)
def test_bad_frames_are_named(frames: torch.Tensor, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        check_frames(frames)


def test_pair_of_unequal_length() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        check_pair(torch.zeros(2, 3, 8, 8), torch.zeros(3, 3, 8, 8))
