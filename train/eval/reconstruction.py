"""Table 4 and figure 10: how well a checkpoint's autoencoder gives true clips back."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from statistics import fmean

import torch
from einops import rearrange
from torch import Tensor

from toon_core.images import Fit
from toon_core.metrics.metric import Metric
from toon_core.metrics.networks.lpips import LPIPS
from toon_core.metrics.networks.network import Loaded
from toon_core.metrics.plain.psnr import psnr
from toon_core.metrics.plain.ssim import ssim
from toon_core.metrics.registry import columns
from toon_core.vae.autoencoder import Autoencoder

from .clips import Clip
from .statistics import EMPTY, Entry, interval

PerFrame = dict[str, list[float]]  # metric -> a value for each frame
Curves = dict[str, list[list[float]]]  # metric -> clips x frames
FRAMES_AT_ONCE = 4  # bounds the memory, changes nothing


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
        names = self.columns[-1].networks if self.columns[-1].networks[0] in self.networks else ()
        if names == ("hed", "vgg_heads"):
            lpips = LPIPS(self.networks["hed"], list(self.networks["vgg_heads"]))
            return lpips.to(self.networks.device).eval()
        return self.networks[names[0]] if names else None

    def measure(self, vae: Autoencoder, clip: Clip) -> PerFrame:
        """PSNR, SSIM and, where a network is there, LPIPS of each frame that it gives back."""
        return self.scores(reconstruct(vae, clip), clip.frames)

    @torch.inference_mode()
    def scores(self, frames: Tensor, truth: Tensor) -> PerFrame:
        """The same of two (f 3 h w) in [0, 1]."""
        values = {"psnr": psnr(frames, truth), "ssim": ssim(frames, truth)}
        if self.lpips is not None:
            values[self.columns[-1].key] = self.distances(frames, truth)
        return {key: values.tolist() for key, values in values.items()}

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


def over_clips(clips: Iterable[PerFrame]) -> Curves:
    """The frames of several clips, by metric."""
    curves: Curves = {}
    for frames in clips:
        for key, row in frames.items():
            curves.setdefault(key, []).append(row)
    return curves


def summarise_curves(curves: Curves, metrics: Sequence[Metric]) -> dict[str, Entry]:
    """{metric: {mean, lo, hi, n, model}}: means over a clip's frames, then over the clips."""
    entries = {}
    for metric in metrics:
        rows = curves.get(metric.key, ())
        entry = interval([fmean(row) for row in rows]) if rows else EMPTY
        entries[metric.key] = entry | {"model": metric.model}
    return entries


def frame_means(clips: Sequence[Sequence[float]]) -> list[float]:
    """clips x frames -> the mean at each frame number that all clips have."""
    return [fmean(values) for values in zip(*clips, strict=False)]
