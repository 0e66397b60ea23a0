"""One clip's scores by a system, those of the truth itself, and what a report needs beside them."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from toon_core.metrics.metric import Comparison, Metric, SetMetric, measure
from toon_core.metrics.networks.network import Loaded, View
from toon_core.metrics.plain.colour_drift import colour_drift
from toon_core.metrics.plain.psnr import psnr

from .clips import Clip, pixels

OVER_TIME = {"psnr": psnr, "colour_drift": colour_drift}  # plotted over the frame index

# Clips in which something enters or leaves the picture, the paper's admitted failure.
BAND = 3  # pixels of the border that are watched
CHANGE = 0.1  # of [0, 1]: a changed pixel
SHARE = 0.06  # of the border: about an object's width


@dataclass(frozen=True, kw_only=True)
class Scored:
    """{metric: value}, without those that have no meaning for the clip; {network: features} of the
    networks of FVD and KVD."""

    values: dict[str, float]
    features: dict[str, list[float]]


class Scorer:
    """Scores frames (f 3 h w) in [0, 1] with both ends against a clip; keeps what the networks saw
    in the last clip's truth."""

    def __init__(
        self, columns: Sequence[Metric], networks: Loaded, every_frame: bool = False
    ) -> None:
        self.columns = columns
        self.networks, self.every_frame = networks, every_frame
        self._truth: tuple[Tensor, View] | None = None

    def score(self, clip: Clip, frames: Tensor) -> Scored:
        return self._scored(clip, frames, self.columns)

    def score_truth(self, clip: Clip) -> Scored:
        """The marks of the table: what the true frames themselves get."""
        return self._scored(clip, clip.frames, [m for m in self.columns if m.of_truth])

    def _scored(self, clip: Clip, frames: Tensor, metrics: Sequence[Metric]) -> Scored:
        kept = self._truth[1] if self._truth and self._truth[0] is clip.frames else None
        compared = Comparison(
            frames=frames,
            first=clip.first,
            last=clip.last,
            truth=clip.frames,
            sketches=clip.sketches,
            prompt=clip.prompt,
            networks=self.networks,
            every_frame=self.every_frame,
            view_of_truth=kept,
        )
        view = compared.true_view
        if frames is clip.frames:
            compared.view = view
        self._truth = clip.frames, view
        values = measure(metrics, compared)
        features = {}
        for name in {n for m in metrics if isinstance(m, SetMetric) for n in m.networks}:
            if name in self.networks and (found := compared.view(name)) is not None:
                features[name] = [float(f"{value:.7g}") for value in found.tolist()]
        return Scored(values=values, features=features)


@dataclass(frozen=True, kw_only=True)
class ClipSummary:
    """What a report says of a clip beside its scores; no picture stays in memory. frames: {system:
    sha256 of its frames}; curves: {metric: {system: one value a frame}}; passing: whether something
    enters or leaves the picture."""

    folder: Path
    digest: str
    size: tuple[int, int]
    prompt: str
    fps: int | None
    passing: bool
    frames: Mapping[str, str]
    curves: Mapping[str, Mapping[str, list[float]]]


def summarise_clip(folder: Path, clip: Clip, made: Mapping[str, Tensor]) -> ClipSummary:
    """made: {system: its frames (f 3 h w) in [0, 1]}."""
    return ClipSummary(
        folder=folder,
        digest=clip.digest(),
        size=clip.size,
        prompt=clip.prompt,
        fps=clip.fps,
        passing=crosses_border(clip.frames),
        frames={s: hashlib.sha256(pixels(x).tobytes()).hexdigest() for s, x in made.items()},
        curves={
            key: {s: of(x, clip.frames).tolist() for s, x in made.items()}
            for key, of in OVER_TIME.items()
        },
    )


def crosses_border(frames: Tensor) -> bool:
    """Whether the border of (f 3 h w) in [0, 1] changes between frames while it also rests.

    An object that enters or leaves passes the border: part of it changes, and changes back or
    stays. Where most of the border changes, the camera moves, and nothing is said of objects.
    """
    height, width = frames.shape[-2:]
    inside = torch.zeros(height, width, dtype=torch.bool)
    inside[BAND:-BAND, BAND:-BAND] = True
    border = frames[:, :, ~inside]
    changed = (border - border[:1]).abs().amax(dim=1) > CHANGE
    most = changed.float().mean(dim=1).max().item()
    return SHARE <= most <= 0.5
