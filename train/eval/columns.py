"""The columns of the table: what each metric means and which network it was measured with."""

from collections.abc import Iterator
from dataclasses import dataclass

from toon_core.metrics.kvd import Kernel

from .networks import ADVICE, Networks, Perceptual

HIGHER, LOWER, TRUTH = "higher is better", "lower is better", "nearer to the truth is better"
NO_MODEL = "no model"
LPIPS_TITLES = {"alex": "LPIPS (AlexNet)", "vgg": "LPIPS (VGG)", "hed": "LPIPS-HED", None: "LPIPS"}
# Of KVD: as usually published, and as on the paper's slides.
KERNELS = {
    "polynomial": "polynomial kernel (a.b / d + 1)^3",
    "gaussian": "Gaussian kernel, sigma the median distance in the truth",
}


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One column. `model` names its network, is None without one and NO_MODEL where it is absent.

    `of_set`: one value for all clips together, not one for each. `sampled`: measured on the frames
    of `network_frames` only.
    """

    key: str
    title: str
    better: str
    digits: int
    meaning: str
    model: str | None = None
    of_set: bool = False
    sampled: bool = False


@dataclass(frozen=True, kw_only=True)
class Measure:
    """How is measured: the networks, the kernel of KVD, and whether on all inner frames."""

    networks: Networks
    kernel: Kernel = "polynomial"
    every_frame: bool = False

    def columns(self) -> tuple[Metric, ...]:
        return (*_sets(self), *_frames_by_networks(self), *PLAIN, *_by_eye(self.networks))

    @property
    def perceptual(self) -> str:
        """Key of the LPIPS column."""
        return perceptual_key(self.networks.perceptual)

    @property
    def image_likeness(self) -> str:
        """Key of the CLIP_img column."""
        return "clip_img_mobilenet" if self.networks.images == "mobilenet" else "clip_img"

    @property
    def kvd(self) -> str:
        """Key of the KVD column, which names kernel and network where not the published ones."""
        kernel = "_gaussian" if self.kernel == "gaussian" else ""
        return f"kvd{kernel}{self._video}"

    @property
    def fvd(self) -> str:
        return f"fvd{self._video}"

    @property
    def _video(self) -> str:
        return "_transnet" if self.networks.video == "transnet" else ""


PSNR = Metric(
    key="psnr",
    title="PSNR (dB)",
    better=HIGHER,
    digits=2,
    meaning="pixel error against the true frame. A blur or a ghost between two poses can win "
    "it, so it misleads on its own.",
)
SSIM = Metric(
    key="ssim",
    title="SSIM",
    better=HIGHER,
    digits=3,
    meaning="likeness of local structure (Gaussian window 11, sigma 1.5), at most 1.",
)
COLOUR_DRIFT = Metric(
    key="colour_drift",
    title="colour drift",
    better=LOWER,
    digits=2,
    meaning="difference of the mean colour of a frame from its truth (CIE delta E), over time.",
)
PLAIN = (
    Metric(
        key="cpbd",
        title="CPBD",
        better=HIGHER,
        digits=3,
        meaning="share of edges whose blur is not noticed, without looking at the truth. A held "
        "key has it all.",
    ),
    PSNR,
    SSIM,
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
        key="line_sharpness",
        title="line sharpness kept",
        better=TRUTH,
        digits=3,
        meaning="steepness of edges over that of the truth. Below 1 lines are blurred or faded.",
    ),
    COLOUR_DRIFT,
)

END_FRAMES = Metric(
    key="end_frame_error",
    title="end-frame error",
    better=LOWER,
    digits=4,
    meaning="mean absolute difference of the two end frames from the keys, apart from the "
    "inner frames.",
)
SKETCH = Metric(
    key="sketch_f",
    title="sketch F",
    better=HIGHER,
    digits=3,
    meaning="share of lines that agree with the given sketch within 2 pixels (F-score of Canny "
    "edges), only on frames that have a sketch. Only a checkpoint with a sketch encoder "
    "(MODEL+ENCODER) was shown them.",
)


def _sets(measure: Measure) -> Iterator[Metric]:
    nets = measure.networks
    model = nets.labels.get("video", NO_MODEL)
    standin = "-TransNet" if nets.video == "transnet" else ""
    caution = (
        "Features of TransNetV2 in place of I3D: it sees 48 x 27 pixels, so a blur hardly counts. "
        "Never compare it with published values."
        if standin
        else _or_advice("Features of I3D.", model, "video")
    )
    yield Metric(
        key=measure.fvd,
        title=f"FVD{standin}",
        better=LOWER,
        digits=4 if standin else 1,
        meaning=f"Frechet distance of all clips' features to those of the truth. {caution}",
        model=model,
        of_set=True,
    )
    [other] = KERNELS.keys() - {measure.kernel}
    yield Metric(
        key=measure.kvd,
        title=f"KVD{standin} ({KERNELS[measure.kernel].split()[0]})",
        better=LOWER,
        digits=4,
        meaning=f"unbiased squared MMD ({KERNELS[measure.kernel]}) of all clips' features to those "
        "of the truth, never of a clip to its own truth; it may fall below 0. Option: --kvd-kernel "
        f"{other} ({KERNELS[other]}). {caution}",
        model=model,
        of_set=True,
    )


def perceptual_key(net: Perceptual | None) -> str:
    return f"lpips_{net}" if net else "lpips"


def perceptual_metric(net: Perceptual | None, model: str) -> Metric:
    """The LPIPS column by the network that measures it; plain "LPIPS" where there is none."""
    meaning = "perceptual distance."
    if net == "hed":
        meaning = (
            "perceptual distance on the trunk of the HED edge network with the published VGG "
            "heads. Not the LPIPS of the literature: never compare it with published values."
        )
    return _sampled(
        perceptual_key(net), LPIPS_TITLES[net], LOWER, _or_advice(meaning, model, "lpips"), model
    )


def _frames_by_networks(measure: Measure) -> Iterator[Metric]:
    nets = measure.networks
    yield perceptual_metric(nets.perceptual, nets.labels.get("lpips", NO_MODEL))
    yield from _likeness(measure)


def _likeness(measure: Measure) -> Iterator[Metric]:
    """CLIP_img and CLIP_txt."""
    nets, found = measure.networks, measure.networks.labels
    model, meaning = found.get("images", NO_MODEL), "cosine of the frame and the true frame."
    standin = "-MobileNet" if nets.images == "mobilenet" else ""
    if standin:
        meaning += (
            " Pooled features of MobileNetV2 in place of CLIP's: never compare it with published "
            "values."
        )
    meaning = _or_advice(meaning, model, "images")
    yield _sampled(measure.image_likeness, f"CLIP_img{standin}", HIGHER, meaning, model)
    model = found.get("words", NO_MODEL)
    meaning = _or_advice("cosine of the frame and the prompt, where one is.", model, "words")
    yield _sampled("clip_txt", "CLIP_txt", HIGHER, meaning, model)


def _by_eye(nets: Networks) -> Iterator[Metric]:
    flow = nets.labels.get("flow", NO_MODEL)
    meaning = (
        "warping error: squared change from a frame to the next that the clip's own motion does "
        "not explain. Motion costs some, as the truth's value shows; a fade or a held key has less."
    )
    yield _sampled("flicker", "flicker", TRUTH, _or_advice(meaning, flow, "flow"), flow, digits=5)
    yield SKETCH
    hed = nets.labels.get("hed", NO_MODEL)
    meaning = "as sketch F, with the lines that the HED edge network finds."
    yield Metric(
        key="sketch_f_hed",
        title="sketch F-HED",
        better=HIGHER,
        digits=3,
        meaning=_or_advice(meaning, hed, "hed"),
        model=hed,
    )
    yield END_FRAMES


def _sampled(
    key: str, title: str, better: str, meaning: str, model: str, digits: int = 3
) -> Metric:
    return Metric(
        key=key,
        title=title,
        better=better,
        digits=digits,
        meaning=meaning,
        model=model,
        sampled=True,
    )


def _or_advice(meaning: str, model: str, what: str) -> str:
    return meaning if model != NO_MODEL else f"{meaning} No model: {ADVICE[what]}."
