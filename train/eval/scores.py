"""How a clip scores: a system's frames, the truth's own, and what an autoencoder gives back (the
paper's Table 4 and Figure 10)."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from statistics import fmean

import torch
from einops import rearrange
from torch import Tensor

from toon_core.images import Fit
from toon_core.metrics.metric import NO_MODEL, Comparison, Metric, SetMetric, measure
from toon_core.metrics.network import Loaded, View
from toon_core.metrics.networks.lpips import LPIPS
from toon_core.metrics.plain.colour_drift import colour_drift
from toon_core.metrics.plain.psnr import psnr
from toon_core.metrics.plain.ssim import ssim
from toon_core.metrics.registry import columns
from toon_core.vae.autoencoder import Autoencoder

from .testset import Clip, Size, pixels

OVER_TIME = {"psnr": psnr, "colour_drift": colour_drift}  # plotted over the frame index
FRAMES_AT_ONCE = 4  # bounds the memory, changes nothing

# Clips in which something enters or leaves the picture, the paper's admitted failure.
BAND = 3  # pixels of the border that are watched
CHANGE = 0.1  # of [0, 1]: a changed pixel
SHARE = 0.06  # of the border: about an object's width


@dataclass(frozen=True, kw_only=True)
class Scored:
    """{metric: value}, without those that have no meaning for the clip; {network: features} of the
    networks of FVD and KVD; over_time: {metric: a value for each frame, both ends included};
    sha256: of a system's frames."""

    values: dict[str, float]
    features: dict[str, list[float]] = field(default_factory=dict)
    over_time: dict[str, list[float]] = field(default_factory=dict)
    sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class ClipScores:
    """A clip and its scores by each system, and those of the truth itself; no picture stays in
    memory. passing: whether something enters or leaves the picture; decoded: {checkpoint: how its
    autoencoder gives the clip back}."""

    name: str
    folder: Path
    digest: str
    frames: int
    size: Size
    prompt: str
    fps: int | None
    passing: bool
    truth: Scored
    systems: dict[str, Scored]
    decoded: dict[str, Scored]


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
        return replace(
            self._scored(clip, frames, self.columns),
            over_time={key: of(frames, clip.frames).tolist() for key, of in OVER_TIME.items()},
            sha256=hashlib.sha256(pixels(frames).tobytes()).hexdigest(),
        )

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


def reconstruction_columns(networks: Loaded) -> tuple[Metric, ...]:
    """PSNR, SSIM and LPIPS, on all frames; LPIPS by the network that measures it."""
    digits_of = {"psnr": 2, "ssim": 4, "lpips": 4}
    by_family = {m.family or m.key: m for m in columns(networks.labels)}
    return tuple(replace(by_family[k], digits=n, sampled=False) for k, n in digits_of.items())


class Reconstructor:
    """Measures how an autoencoder gives clips back."""

    def __init__(self, networks: Loaded) -> None:
        self.networks, self.columns = networks, reconstruction_columns(networks)

    @cached_property
    def lpips(self) -> LPIPS | None:
        """Loaded when first needed: never where everything is kept from an earlier run."""
        column = self.columns[-1]
        if column.model == NO_MODEL:
            return None
        if column.networks == ("hed", "vgg_heads"):
            lpips = LPIPS(self.networks["hed"], list(self.networks["vgg_heads"]))
            return lpips.to(self.networks.device).eval()
        return self.networks[column.networks[0]]

    @torch.inference_mode()
    def score(self, vae: Autoencoder, clip: Clip) -> Scored:
        """PSNR, SSIM and, where a network is there, LPIPS of each frame that it gives back, and
        their means."""
        frames, truth = reconstruct(vae, clip), clip.frames
        values = {"psnr": psnr(frames, truth), "ssim": ssim(frames, truth)}
        if self.lpips is not None:
            values[self.columns[-1].key] = self.distances(frames, truth)
        rows = {key: row.tolist() for key, row in values.items()}
        return Scored(values={key: fmean(row) for key, row in rows.items()}, over_time=rows)

    @torch.inference_mode()
    def distances(self, frames: Tensor, truth: Tensor) -> Tensor:
        """LPIPS of each frame (f 3 h w) in [0, 1]: (f)."""
        assert self.lpips is not None
        device = self.networks.device
        pairs = zip(frames.split(FRAMES_AT_ONCE), truth.split(FRAMES_AT_ONCE), strict=True)
        return torch.cat([self.lpips(a.to(device), b.to(device)).cpu() for a, b in pairs])


@torch.inference_mode()
def reconstruct(vae: Autoencoder, clip: Clip) -> Tensor:
    """(f 3 h w) in [0, 1], by way of the posterior's mean, as 8-bit values. The keys are the
    references of a decoder that has any."""
    device = vae.quant_conv.weight.device
    fit = Fit.nearest(clip.size, "pad")
    means, ends = [], []
    for part in clip.frames.split(FRAMES_AT_ONCE):
        posterior, features = vae.encode_with_features(fit.apply(part.to(device) * 2 - 1))
        means.append(posterior.mean)
        ends.append([level[[0, -1]] for level in features])
    keys = [torch.stack([a[0], b[-1]], dim=1)[None] for a, b in zip(ends[0], ends[-1], strict=True)]
    z = rearrange(torch.cat(means), "f z h w -> 1 z f h w")
    references = keys if vae.config.references else None
    out = vae.decode(z, references, frames_at_once=FRAMES_AT_ONCE)[0]
    frames = fit.undo(out.transpose(0, 1)).cpu()
    return ((frames + 1) * 127.5).clamp(0, 255).round() / 255
