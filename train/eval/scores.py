"""One clip's scores by one system, and the values of the truth itself."""

import hashlib
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from torch import Tensor

from toon_core import metrics
from toon_core.metrics.end_frame_error import end_frame_error
from toon_core.metrics.plain import against_truth, without_truth
from toon_core.metrics.sketch_agreement import sketch_agreement

from .clips import Clip
from .columns import Measure
from .looks import Look, Networks


@dataclass(frozen=True, kw_only=True)
class Scored:
    """Metric -> value, without those that have no meaning for the clip; features of the video."""

    values: dict[str, float]
    features: list[float]


class Scorer:
    """Scores frames against a clip; keeps the networks and what they saw in the last clip's truth.

    Frames are (f 3 h w) in [0, 1] with both ends; only `end_frame_error` looks at the ends. Where a
    metric needs neighbours (video features, flicker), the keys stand in their place.
    """

    def __init__(self, measure: Measure, device: str = "cpu") -> None:
        self.measure, self.device = measure, device
        self._truth: tuple[Tensor, Look] | None = None

    @cached_property
    def networks(self) -> Networks:
        """Loaded when first needed: never where everything is kept from an earlier run."""
        return Networks(self.measure, self.device)

    def score(self, clip: Clip, frames: Tensor) -> Scored:
        scores = against_truth(frames, clip.frames)
        scores["end_frame_error"] = end_frame_error(frames, clip.first, clip.last)
        look = self.networks.look(clip, frames)
        scores |= self.networks.compare(look, self._look_at_truth(clip))
        return self._finish(clip, frames, look, scores)

    def score_truth(self, clip: Clip) -> Scored:
        """The marks of the table: what the true frames themselves get."""
        marks = {"motion_ratio": 1.0, "line_sharpness": 1.0}
        return self._finish(clip, clip.frames, self._look_at_truth(clip), marks)

    def _finish(self, clip: Clip, frames: Tensor, look: Look, scores: dict[str, float]) -> Scored:
        """Adds what can be said without the true frames."""
        scores |= _alone(clip, frames) | self.networks.judge(clip, frames, look)
        kept = {key: value for key, value in scores.items() if math.isfinite(value)}
        return Scored(values=kept, features=self.networks.features(clip, frames))

    def _look_at_truth(self, clip: Clip) -> Look:
        if self._truth is None or self._truth[0] is not clip.frames:
            self._truth = (clip.frames, self.networks.look(clip, clip.frames))
        return self._truth[1]


def _alone(clip: Clip, frames: Tensor) -> dict[str, float]:
    scores = without_truth(frames, clip.first, clip.last)
    found = [sketch_agreement(frames[i], s).f_score for i, s in clip.sketches.items()]
    return scores | ({"sketch_f": sum(found) / len(found)} if found else {})


def scores_digest(measure: Measure) -> str:
    """Hash of the code and the networks that score, part of the cache key."""
    folder = Path(__file__).parent
    sources = [*sorted(Path(metrics.__file__).parent.glob("*.py"))]
    sources += [folder / name for name in ("looks.py", "rife.py", "scores.py")]
    code = hashlib.sha256(b"".join(path.read_bytes() for path in sources))
    code.update(f"{sorted(measure.networks.labels.items())} {measure.every_frame}".encode())
    return code.hexdigest()
