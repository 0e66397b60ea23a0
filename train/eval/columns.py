"""The columns of the table: what each metric means and which network it was measured with."""

from collections.abc import Iterator
from dataclasses import dataclass

from toon_core.metrics.kvd import Kernel

from .metric import HIGHER, LOWER, NO_MODEL, TRUTH, Metric
from .networks import Networks, Perceptual, or_advice
from .set_columns import set_columns

LPIPS_TITLES = {"alex": "LPIPS (AlexNet)", "vgg": "LPIPS (VGG)", "hed": "LPIPS-HED", None: "LPIPS"}


@dataclass(frozen=True, kw_only=True)
class Measure:
    """How is measured: the networks, the kernel of KVD, and whether on all inner frames."""

    networks: Networks
    kernel: Kernel = "polynomial"
    every_frame: bool = False

    def columns(self) -> tuple[Metric, ...]:
        sets = set_columns(self.networks, self.kernel, self.fvd, self.kvd)
        return (*sets, *_frames_by_networks(self), *PLAIN, *_by_eye(self.networks))

    @property
    def perceptual(self) -> str:
        """Key of the LPIPS column."""
        return perceptual_key(self.networks.perceptual)

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
        perceptual_key(net), LPIPS_TITLES[net], LOWER, or_advice(meaning, model, "lpips"), model
    )


def _frames_by_networks(measure: Measure) -> Iterator[Metric]:
    nets = measure.networks
    yield perceptual_metric(nets.perceptual, nets.labels.get("lpips", NO_MODEL))
    yield from _likeness(measure)


def _likeness(measure: Measure) -> Iterator[Metric]:
    """CLIP_img and CLIP_txt."""
    found = measure.networks.labels
    model, meaning = found.get("images", NO_MODEL), "cosine of the frame and the true frame."
    meaning = or_advice(meaning, model, "images")
    yield _sampled("clip_img", "CLIP_img", HIGHER, meaning, model)
    model = found.get("words", NO_MODEL)
    meaning = or_advice("cosine of the frame and the prompt, where one is.", model, "words")
    yield _sampled("clip_txt", "CLIP_txt", HIGHER, meaning, model)


def _by_eye(nets: Networks) -> Iterator[Metric]:
    flow = nets.labels.get("flow", NO_MODEL)
    meaning = (
        "warping error: squared change from a frame to the next that the clip's own motion does "
        "not explain. Motion costs some, as the truth's value shows; a fade or a held key has less."
    )
    yield _sampled("flicker", "flicker", TRUTH, or_advice(meaning, flow, "flow"), flow, digits=5)
    yield SKETCH
    hed = nets.labels.get("hed", NO_MODEL)
    meaning = "as sketch F, with the lines that the HED edge network finds."
    yield Metric(
        key="sketch_f_hed",
        title="sketch F-HED",
        better=HIGHER,
        digits=3,
        meaning=or_advice(meaning, hed, "hed"),
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
