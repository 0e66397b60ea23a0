"""The paper's Tables 1, 3 and 4 and its figure 10, of the systems of an evaluation."""

from collections.abc import Sequence

from . import reconstruction
from .frame_curves import Curve, frame_means
from .gather import Report
from .metric import NO_MODEL, Metric
from .tables import Table

COMPARED = (
    "By these figures the paper compares the variants of its rectification, which `python -m "
    "benchmarks.ablation` trains. Here they are of the systems given."
)
DECODED = (
    "True clips, encoded and decoded by the autoencoder of each system that is a checkpoint, all "
    "frames counted; a decoder with references gets the two keys. By these figures the paper "
    "compares its decoder variants, which `python -m benchmarks.ablation` trains."
)


def table_1(report: Report) -> Table:
    """FVD, KVD, LPIPS, CLIP_img, CLIP_txt, CPBD, each by the network that is there."""
    measure = report.run.measure
    keys = (
        measure.fvd,
        measure.kvd,
        measure.perceptual,
        "clip_img",
        "clip_txt",
        "cpbd",
    )
    return _part(report.table, "Table 1: interpolation", keys)


def table_3(report: Report) -> Table:
    """FVD and CLIP_img; KVD beside them where the clips are too few for FVD."""
    measure = report.run.measure
    told = any(row[measure.fvd]["mean"] is not None for row in report.table.summary.values())
    keys = (measure.fvd, *([] if told else [measure.kvd]), "clip_img")
    return _part(report.table, "Table 3: rectification", keys, COMPARED)


def _part(whole: Table, title: str, keys: Sequence[str], note: str = "") -> Table:
    by_key = {metric.key: metric for metric in whole.metrics}
    return Table(
        title=title,
        note=note,
        metrics=[by_key[key] for key in keys if key in by_key],
        summary=whole.summary,
        clips=whole.clips,
        truth=whole.truth,
    )


def table_4(report: Report) -> Table:
    """True clips encoded and decoded by each checkpoint; without rows where there is none."""
    columns = _columns(report)
    return Table(
        title="Table 4: true clips encoded and decoded",
        note=DECODED,
        metrics=columns,
        summary={s: reconstruction.summarise(c, columns) for s, c in report.decoded.items()},
        clips=report.run.clips,
    )


def figure_10(report: Report) -> list[Curve]:
    """Of the same frames, over the frame index."""
    return [
        Curve(
            title=f"Figure 10: {metric.title} of true clips encoded and decoded",
            metric=metric,
            systems={s: frame_means(c[metric.key]) for s, c in report.decoded.items()},
        )
        for metric in _columns(report)
        if all(metric.key in curves for curves in report.decoded.values())
    ]


def _columns(report: Report) -> tuple[Metric, ...]:
    nets = report.run.measure.networks
    return reconstruction.metrics(nets.perceptual, nets.labels.get("lpips", NO_MODEL))
