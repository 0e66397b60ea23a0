"""The columns of FVD and KVD, which are of all clips together."""

from collections.abc import Iterator

from toon_core.metrics.i3d import FEWEST
from toon_core.metrics.kvd import Kernel

from .metric import LOWER, NO_MODEL, Metric
from .networks import Networks, or_advice

# Of KVD: as usually published, and as on the paper's slides.
KERNELS = {
    "polynomial": "polynomial kernel (a.b / d + 1)^3",
    "gaussian": "Gaussian kernel, sigma the median distance in the truth",
}
# What each estimator compares a clip with.
COMPARED = {
    "kvd": "a clip to its own truth among them, as it is published",
    "kvd_paired": "never of a clip to its own truth, whose keys it was made from: published KVD, "
    "which is for independent sets, has these pairs too and is smaller for it",
}
# By the network, of which a stand-in's KVD is like nothing published: what the keys end in, and
# the estimators.
ESTIMATORS = {
    "i3d": {"": "kvd", "_paired": "kvd_paired"},
    "transnet": {"": "kvd_paired"},
    None: {"": "kvd"},
}


def set_columns(nets: Networks, kernel: Kernel, fvd: str, kvd: str) -> Iterator[Metric]:
    """fvd, kvd: what the columns' keys begin with."""
    model = nets.labels.get("video", NO_MODEL)
    standin = "-TransNet" if nets.video == "transnet" else ""
    caution = _caution(nets, model)
    yield Metric(
        key=fvd,
        title=f"FVD{standin}",
        better=LOWER,
        digits=4 if standin else 1,
        meaning=f"Frechet distance of all clips' features to those of the truth. {caution}",
        model=model,
        of_set="fvd",
    )
    for end, estimator in ESTIMATORS[nets.video].items():
        paired = ", paired" if estimator == "kvd_paired" else ""
        yield Metric(
            key=f"{kvd}{end}",
            title=f"KVD{standin} ({KERNELS[kernel].split()[0]}{paired})",
            better=LOWER,
            digits=4,
            meaning=f"{_mmd(kernel, estimator)} {caution}",
            model=model,
            of_set=estimator,
        )


def _mmd(kernel: Kernel, estimator: str) -> str:
    [other] = KERNELS.keys() - {kernel}
    return (
        f"unbiased squared MMD ({KERNELS[kernel]}) of all clips' features to those of the truth, "
        f"{COMPARED[estimator]}. It may fall below 0. Option: --kvd-kernel {other} "
        f"({KERNELS[other]})."
    )


def _caution(nets: Networks, model: str) -> str:
    if nets.video == "transnet":
        return (
            "Features of TransNetV2 in place of I3D: it sees 48 x 27 pixels, so a blur hardly "
            "counts. Never compare it with published values."
        )
    return or_advice(f"Features of I3D, of clips with {FEWEST} frames or more.", model, "video")
