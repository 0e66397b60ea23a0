"""Table 4 and figure 10: how well a checkpoint's autoencoder gives true clips back."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from statistics import fmean

import torch
from einops import rearrange
from torch import Tensor

from toon_core.images import Fit
from toon_core.metrics.psnr import psnr
from toon_core.metrics.ssim import ssim
from toon_core.vae.autoencoder import Autoencoder
from train.engine.files import file_digest
from train.losses.perceptual import Perceptual, perceptual

from . import networks
from .clips import Clip
from .columns import PSNR, SSIM, perceptual_key, perceptual_metric
from .intervals import EMPTY, Entry, interval
from .metric import Metric
from .scores import scores_digest
from .settings import Settings
from .store import write_json
from .systems import Checkpoint, source_digest

PerFrame = dict[str, list[float]]  # metric -> a value for each frame
Curves = dict[str, list[list[float]]]  # metric -> clips x frames
FRAMES_AT_ONCE = 4  # bounds the memory, changes nothing


def metrics(net: networks.Perceptual | None, model: str) -> tuple[Metric, ...]:
    """The columns, on all frames; LPIPS by the network that measures it."""
    found = (PSNR, replace(SSIM, digits=4), replace(perceptual_metric(net, model), digits=4))
    return tuple(replace(metric, sampled=False) for metric in found)


@torch.inference_mode()
def reconstructed(vae: Autoencoder, clip: Clip) -> Tensor:
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


@torch.inference_mode()
def scores(frames: Tensor, truth: Tensor, judge: Perceptual | None) -> PerFrame:
    """Two (f 3 h w) in [0, 1] -> PSNR, SSIM and, where there is a judge, LPIPS of each frame."""
    found = {PSNR.key: psnr(frames, truth), SSIM.key: ssim(frames, truth)}
    if judge is not None:
        found[perceptual_key(judge.net)] = distances(judge, frames, truth)
    return {key: values.tolist() for key, values in found.items()}


@torch.inference_mode()
def distances(judge: Perceptual, frames: Tensor, truth: Tensor) -> Tensor:
    """LPIPS of each frame (f 3 h w) in [0, 1]: (f)."""
    device = next(judge.parameters()).device
    pairs = zip(frames.split(FRAMES_AT_ONCE), truth.split(FRAMES_AT_ONCE), strict=True)
    return torch.cat([judge.measure(a.to(device), b.to(device)).cpu() for a, b in pairs])


def over_clips(clips: Iterable[PerFrame]) -> Curves:
    found: Curves = {}
    for values in clips:
        for key, row in values.items():
            found.setdefault(key, []).append(row)
    return found


def summarise(curves: Curves, columns: Sequence[Metric]) -> dict[str, Entry]:
    """{metric: {mean, lo, hi, n, model}}: means over a clip's frames, then over the clips."""
    return {m.key: _entry(curves.get(m.key, ()), m) for m in columns}


def _entry(rows: Sequence[Sequence[float]], metric: Metric) -> Entry:
    found = interval([fmean(row) for row in rows]) if rows else EMPTY
    return found | {"model": metric.model}


class Reconstructor:
    """Measures checkpoints' autoencoders, and keeps it by content under OUT/reconstruction."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.measure = settings, settings.measure()
        code = [source_digest(), scores_digest(self.measure), file_digest(Path(__file__))]
        self.version = " ".join(code)

    @cached_property
    def judge(self) -> Perceptual | None:
        """Loaded when first needed: never where everything is kept from an earlier run."""
        nets = self.measure.networks
        found = perceptual(nets.perceptual or "none", nets.models)
        return found and found.to(self.settings.device)

    def measured(self, system: Checkpoint, clip: Clip) -> PerFrame:
        content = f"{clip.digest()} {system.weights} {self.version}"
        key = hashlib.sha256(content.encode()).hexdigest()
        file = self.settings.out / "reconstruction" / f"{key}.json"
        if not file.is_file():
            frames = reconstructed(system.model.vae, clip)
            write_json(file, scores(frames, clip.frames, self.judge))
        return json.loads(file.read_text(encoding="utf-8"))
