"""How an evaluation is made: its settings, and the flags of `train.evaluate`."""

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from toon_core.metrics.metric import Metric
from toon_core.metrics.networks.kvd import KERNELS, Kernel
from toon_core.metrics.networks.network import Loaded
from toon_core.metrics.registry import columns, metrics

from .systems import FORMS, Sampling

DEFAULT_SYSTEMS = ("nano", "crossfade", "nearest", "rife")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How clips are made and scored. `size` is their shorter side in pixels, None that of the test
    set itself.

    Networks that measure are looked for in `models`. `kernel` is that of KVD; `every_frame` lets
    the networks look at all inner frames; `fresh` makes anew what an earlier call has kept.
    """

    out: Path
    sampling: Sampling = Sampling()
    size: int | None = None
    device: str = "cpu"
    models: Path = Path("models")
    kernel: Kernel = "polynomial"
    every_frame: bool = False
    fresh: bool = False

    def networks(self) -> Loaded:
        """The networks that measure; none is loaded yet."""
        return Loaded(self.models, self.device)

    def columns(self, networks: Loaded) -> tuple[Metric, ...]:
        """The metrics, by the networks that are there."""
        return columns(networks.labels, {self.kernel})

    def measures(self, networks: Loaded) -> str:
        """All that the scores of given frames hang on."""
        shown = [f"{metric.key}: {metric.model}" for metric in self.columns(networks)]
        return f"{shown} {self.every_frame} {torch.device(self.device).type}"


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The flags of `train.evaluate`; ends the program at a wrong one."""
    parser = argparse.ArgumentParser(
        prog="python -m train.evaluate",
        description="Score interpolation systems on held-out clips.",
        epilog="Metrics: " + ", ".join(dict.fromkeys(m.title for m in metrics())) + ".",
    )
    add = parser.add_argument
    add("--testset", type=Path, required=True, help="folder with one folder of frames per clip")
    add("--out", type=Path, required=True, help="folder for the results, made if needed")
    add(
        "--system",
        action="append",
        metavar="[LABEL=]SYSTEM",
        help=f"{FORMS}; repeat for several (default: {' '.join(DEFAULT_SYSTEMS)})",
    )
    add("--seed", type=int, default=123, help="the one seed every clip is made with")
    add(
        "--recipe",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="how our checkpoints sample where not by their own recipe, as steps=25 cfg_scale=4",
    )
    add("--limit", type=int, help="score the first N clips only")
    add("--size", type=int, help="shorter side of the clips in pixels (default: their own)")
    add("--device", default="cpu", help="where networks run, as cuda (default: cpu)")
    add("--workers", type=int, help="processes (default: 2 on a CPU, 1 on a GPU)")
    add("--models", type=Path, default=Path("models"), help="folder of networks that measure")
    add(
        "--kvd-kernel",
        choices=tuple(KERNELS),
        default="polynomial",
        help="kernel of KVD (default: %(default)s, as published)",
    )
    add("--every-frame", action="store_true", help="networks look at all inner frames")
    add("--fresh", action="store_true", help="make frames and scores anew, whatever is kept")
    options = parser.parse_args(arguments)
    for name, least in (("limit", 1), ("size", 16), ("workers", 1)):
        value = getattr(options, name)
        if value is not None and value < least:
            parser.error(f"--{name} {value} is too small; give at least {least}")
    options.system = options.system or list(DEFAULT_SYSTEMS)
    options.workers = options.workers or _workers(options.device)
    return options


def _workers(device: str) -> int:
    """Unless asked for: each process holds all networks, and one fills a GPU."""
    return min(2, os.cpu_count() or 1) if torch.device(device).type == "cpu" else 1
