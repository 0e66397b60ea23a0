"""What every metric answers to blur, noise, shift and shuffled frames, in one table."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from tiny_networks import save_clip
from torch import Tensor
from torch.nn import functional as F

from toon_core.metrics.grey import luma
from toon_core.metrics.networks.clip_similarity import ClipSimilarity, cosine, load_clip
from toon_core.metrics.networks.flicker import warping_error
from toon_core.metrics.networks.fvd import frechet_distance
from toon_core.metrics.networks.hed import load_lpips_hed
from toon_core.metrics.networks.kvd import kernel_distance
from toon_core.metrics.networks.lpips import LPIPS
from toon_core.metrics.plain.colour_drift import colour_drift
from toon_core.metrics.plain.cpbd import cpbd
from toon_core.metrics.plain.crossfade_residual import crossfade_residual
from toon_core.metrics.plain.end_frame_error import end_frame_error
from toon_core.metrics.plain.line_sharpness import line_sharpness_kept
from toon_core.metrics.plain.motion_ratio import motion_ratio
from toon_core.metrics.plain.psnr import CEILING_DB, psnr
from toon_core.metrics.plain.sketch_agreement import canny_edges, sketch_agreement
from toon_core.metrics.plain.ssim import ssim

RISES, FALLS = "rises at each step", "falls at each step"
BOTTOMS = "falls and stays at the least value"
FORGIVES = "does not see the first step, then falls and never rises"
STAYS = "does not see it"
DIFFERS = "sees it, without an order"

Measure = Callable[[list[Tensor], list[Tensor]], float]


@dataclass(frozen=True, kw_only=True)
class Row:
    """identity: the value of the truth itself, None where that is any. Symmetric where made and
    true may change places."""

    measure: Measure
    identity: float | None
    blur: str
    noise: str
    shift: str
    shuffle: str
    symmetric: bool = False


def per_clip(score: Callable[[Tensor, Tensor], float | Tensor]) -> Measure:
    """Of the mean over frames of the first clip."""
    return lambda made, truth: float(torch.as_tensor(score(made[0], truth[0])).mean())


@cache
def lpips() -> LPIPS:
    return load_lpips_hed()


@cache
def clip_net() -> ClipSimilarity:
    with TemporaryDirectory() as folder:
        return load_clip(save_clip(Path(folder)))


def likeness(net: Callable[[], ClipSimilarity], a: Tensor, b: Tensor) -> Tensor:
    return cosine(net().image_features(a), net().image_features(b))


def to_words(frames: Tensor, _: Tensor) -> Tensor:
    return cosine(clip_net().image_features(frames), clip_net().text_features("a disc"))


def perceptual(a: Tensor, b: Tensor) -> Tensor:
    """Two inner frames will do, of which the shuffles move one, both, and both further."""
    return lpips()(a[1:4:2], b[1:4:2])


def sharpness(frames: Tensor, _: Tensor) -> Tensor:
    """Edges of two pixels: CPBD takes no harder ones. Two frames, as it is slow."""
    return cpbd(F.interpolate(frames[1:4:2], scale_factor=2, mode="bilinear"))


def agreed_lines(frames: Tensor, truth: Tensor) -> Tensor:
    """Against the truth's own lines as the sketch; two pixels are forgiven."""
    pairs = zip(frames, canny_edges(truth), strict=True)
    return torch.tensor([sketch_agreement(frame, lines).f_score for frame, lines in pairs])


def line_distance(frames: Tensor, truth: Tensor) -> Tensor:
    pairs = zip(frames, canny_edges(truth), strict=True)
    return torch.tensor([sketch_agreement(frame, lines).distance for frame, lines in pairs])


def unexplained(frames: Tensor, _: Tensor) -> Tensor:
    """Flicker by the disc's own motion, 5 pixels to the right."""
    to_later = torch.tensor([2.5, 0]).view(1, 2, 1, 1).expand(5, 2, 64, 64)
    return warping_error(frames[:-1], frames[1:], lambda now, later: (-to_later, to_later))


def features(clips: list[Tensor]) -> Tensor:
    """A video network that can be read: brightness, steepness, change over time and place."""
    return torch.stack([torch.stack(list(_features(luma(clip)))) for clip in clips])


def _features(x: Tensor) -> Iterator[Tensor]:
    yield x.mean()
    yield x.diff(dim=2).square().mean() * 10
    yield x.diff(dim=0).abs().mean() * 10
    bright = (x - x.amin()).mean(dim=(0, 1))
    yield (bright * torch.linspace(0, 10, len(bright))).sum() / bright.sum()


def fvd(made: list[Tensor], truth: list[Tensor]) -> float:
    return frechet_distance(features(made), features(truth))


def kvd(kernel: str) -> Measure:
    return lambda a, b: kernel_distance(features(a), features(b), kernel, 0.5, paired=True)


FIDELITY = {"blur": FALLS, "noise": FALLS, "shift": FALLS, "shuffle": FALLS}
ERROR = {"blur": RISES, "noise": RISES, "shift": RISES, "shuffle": RISES}
TABLE = {
    "psnr": Row(measure=per_clip(psnr), identity=CEILING_DB, **FIDELITY, symmetric=True),
    "ssim": Row(measure=per_clip(ssim), identity=1, **FIDELITY, symmetric=True),
    "lpips": Row(measure=per_clip(perceptual), identity=0, **ERROR, symmetric=True),
    "clip_img": Row(
        measure=per_clip(partial(likeness, clip_net)), identity=1, **FIDELITY, symmetric=True
    ),
    # Its pooling leaves it nearly blind for place, which alone a shift or a shuffle changes here.
    "clip_txt": Row(
        measure=per_clip(to_words),
        identity=None,
        **dict.fromkeys(("blur", "noise", "shift"), DIFFERS),
        shuffle=STAYS,
    ),
    "fvd": Row(measure=fvd, identity=0, **ERROR, symmetric=True),
    "kvd_polynomial": Row(measure=kvd("polynomial"), identity=0, **ERROR, symmetric=True),
    "kvd_gaussian": Row(measure=kvd("gaussian"), identity=0, **ERROR, symmetric=True),
    "cpbd": Row(
        measure=per_clip(sharpness),
        identity=1,
        blur=BOTTOMS,
        noise=FALLS,
        shift=STAYS,
        shuffle=STAYS,
    ),
    "end_frame_error": Row(
        measure=per_clip(lambda made, true: end_frame_error(made, true[0], true[-1])),
        identity=0,
        **ERROR | {"shuffle": STAYS},
    ),
    "colour_drift": Row(
        measure=per_clip(colour_drift),
        identity=0,
        **ERROR | {"shift": STAYS, "shuffle": STAYS},
        symmetric=True,
    ),
    "flicker": Row(
        measure=per_clip(unexplained), identity=0, **ERROR | {"blur": STAYS, "shift": STAYS}
    ),
    # Noise has edges of its own: it makes lines softer in the mean at first, then harder.
    "line_sharpness": Row(
        measure=per_clip(line_sharpness_kept),
        identity=1,
        blur=FALLS,
        noise=DIFFERS,
        shift=STAYS,
        shuffle=STAYS,
    ),
    "sketch_f": Row(
        measure=per_clip(agreed_lines),
        identity=1,
        **dict.fromkeys(("blur", "noise", "shift"), FORGIVES),
        shuffle=FALLS,
    ),
    "sketch_distance": Row(measure=per_clip(line_distance), identity=0, **ERROR),
    "motion_ratio": Row(
        measure=per_clip(motion_ratio),
        identity=1,
        blur=FALLS,
        noise=RISES,
        shift=STAYS,
        shuffle=RISES,
    ),
    # The keys stay in their place, so that a shift along the motion may come nearer to a blend.
    "crossfade_residual": Row(
        measure=per_clip(lambda made, true: crossfade_residual(made[1:-1], true[0], true[-1])),
        identity=None,
        blur=FALLS,
        noise=RISES,
        shift=DIFFERS,
        shuffle=STAYS,
    ),
}


@pytest.fixture
def clips(clip: Tensor) -> list[Tensor]:
    """The disc, and eleven more of other brightness and place."""
    return [(clip * (1 - 0.08 * (i % 4))).roll(-(i // 4), dims=-1) for i in range(12)]


@pytest.mark.parametrize("name", [name for name, row in TABLE.items() if row.identity is not None])
def test_the_truth_against_itself(name: str, clips: list[Tensor]) -> None:
    row = TABLE[name]
    assert row.measure(clips, clips) == pytest.approx(row.identity, rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("kind", ["blur", "noise", "shift", "shuffle"])
@pytest.mark.parametrize("name", TABLE)
def test_response(name: str, kind: str, clips: list[Tensor], worsen: Callable) -> None:
    row, steps = TABLE[name], zip(*(worsen(clip, kind) for clip in clips), strict=True)
    measured = [row.measure(clips, clips), *(row.measure(list(made), clips) for made in steps)]
    rises = [b - a for a, b in pairwise(measured)]
    first, *others = measured
    holds = {
        RISES: all(r > 1e-6 for r in rises),
        FALLS: all(r < -1e-6 for r in rises),
        BOTTOMS: rises[0] < -0.1 and all(r <= 0 for r in rises),
        FORGIVES: abs(rises[0]) < 1e-4 and max(rises) < 1e-4 and sum(rises) < -0.1,
        STAYS: others == pytest.approx([first] * len(others), abs=1e-4),
        DIFFERS: all(abs(value - first) > 1e-5 for value in others),
    }
    assert holds[getattr(row, kind)], measured


@pytest.mark.parametrize("name", [name for name, row in TABLE.items() if row.symmetric])
def test_made_and_true_may_change_places(name: str, clips: list[Tensor], worsen: Callable) -> None:
    measure, made = TABLE[name].measure, [worsen(clip, "noise")[1] for clip in clips]
    assert measure(made, clips) == pytest.approx(measure(clips, made), rel=1e-5)
