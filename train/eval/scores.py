"""The metrics of the table, and one clip's scores by one system."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from toon_core import metrics
from toon_core.metrics.crossfade_residual import crossfade_residual
from toon_core.metrics.end_frame_error import end_frame_error
from toon_core.metrics.hed import load_lpips_hed, lpips_hed_label
from toon_core.metrics.motion_ratio import motion_ratio
from toon_core.metrics.psnr import psnr
from toon_core.metrics.sketch_agreement import sketch_agreement
from toon_core.metrics.ssim import ssim

from .clips import Clip

HIGHER, LOWER, TRUTH = "higher is better", "lower is better", "nearer to the truth is better"


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One column of the table."""

    key: str
    title: str
    better: str
    digits: int
    meaning: str


METRICS = (
    Metric(
        key="psnr",
        title="PSNR (dB)",
        better=HIGHER,
        digits=2,
        meaning="pixel error against the true frame. A blur or a ghost between two poses can win "
        "it, so it misleads on its own.",
    ),
    Metric(
        key="ssim",
        title="SSIM",
        better=HIGHER,
        digits=3,
        meaning="likeness of local structure (Gaussian window 11, sigma 1.5), at most 1.",
    ),
    Metric(
        key="lpips_hed",
        title="LPIPS-HED",
        better=LOWER,
        digits=3,
        meaning="perceptual distance on the trunk of the HED edge network with the published VGG "
        "heads, on a subset of the inner frames. Not the LPIPS of the literature: never compare "
        "it with published values.",
    ),
    Metric(
        key="motion_ratio",
        title="motion ratio",
        better=TRUTH,
        digits=2,
        meaning="mean change between neighbouring inner frames over that of the truth. Below 1 "
        "stands still or fades, above 1 flickers or jumps.",
    ),
    Metric(
        key="crossfade_residual",
        title="cross-fade residual",
        better=TRUTH,
        digits=3,
        meaning="distance (RMS) of each inner frame to the best blend of the two keys. 0 is a pure "
        "cross-fade or a held key; the truth's own value is the mark.",
    ),
    Metric(
        key="sketch_f",
        title="sketch F",
        better=HIGHER,
        digits=3,
        meaning="share of lines that agree with the given sketch within 2 pixels (F-score of "
        "Canny edges), only on frames that have a sketch. Sketches are not shown to the systems.",
    ),
    Metric(
        key="end_frame_error",
        title="end-frame error",
        better=LOWER,
        digits=4,
        meaning="mean absolute difference of the two end frames from the keys, apart from the "
        "inner frames.",
    ),
)


class Scorer:
    """Scores frames against a clip; keeps the network and the last clip's features of the truth."""

    def __init__(self, device: str = "cpu") -> None:
        self.device = device
        self.lpips = load_lpips_hed().to(device, memory_format=torch.channels_last)
        self._truth: tuple[str, list[Tensor]] = ("", [])

    def score(self, clip: Clip, frames: Tensor) -> dict[str, float]:
        """Metric -> value, for frames (f 3 h w) in [0, 1] with both ends."""
        inner, truth = frames[1:-1], clip.frames[1:-1]
        scores = {
            "psnr": psnr(inner, truth).mean().item(),
            "ssim": ssim(inner, truth).mean().item(),
            "lpips_hed": self._perceptual(clip, frames),
            "motion_ratio": motion_ratio(inner, truth),
            "crossfade_residual": residual(clip, frames),
            "end_frame_error": end_frame_error(frames, clip.first, clip.last),
        }
        return scores | _sketch_scores(clip, frames)

    def _perceptual(self, clip: Clip, frames: Tensor) -> float:
        chosen = perceptual_frames(len(frames))
        key = f"{clip.name} {id(clip.frames)}"
        if self._truth[0] != key:
            self._truth = (key, self._features(clip.frames[chosen]))
        return self.lpips.compare(self._features(frames[chosen]), self._truth[1]).mean().item()

    def _features(self, frames: Tensor) -> list[Tensor]:
        placed = frames.to(self.device, memory_format=torch.channels_last)
        return self.lpips.features(placed)


def perceptual_frames(count: int) -> list[int]:
    """Inner frames the network metric looks at: 3, 6, 9, 12 of 16 frames, all of short clips."""
    if count <= 6:
        return list(range(1, count - 1))
    return [round(i * (count - 1) / 5) for i in range(1, 5)]


def residual(clip: Clip, frames: Tensor) -> float:
    """Mean cross-fade residual of the inner frames."""
    return crossfade_residual(frames[1:-1], clip.first, clip.last).mean().item()


def _sketch_scores(clip: Clip, frames: Tensor) -> dict[str, float]:
    found = [sketch_agreement(frames[i], s).f_score for i, s in clip.sketches.items()]
    return {"sketch_f": sum(found) / len(found)} if found else {}


def report_models() -> dict[str, str]:
    """Metric -> the networks it is measured with, for those that use one."""
    return {"lpips_hed": lpips_hed_label()}


def scores_digest() -> str:
    """Hash of the code that scores, part of the cache key."""
    folder = Path(metrics.__file__).parent
    sources = [*sorted(folder.glob("*.py")), Path(__file__)]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
