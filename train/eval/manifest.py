"""What another would need to get the same figures."""

import hashlib
import shlex
import sys
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import torch

from train.engine.export import provenance
from train.engine.files import file_digest

from .cache import VERSION
from .report import Report
from .systems import precision


def manifest(report: Report, seconds: float, processes: int) -> dict[str, Any]:
    """`seconds` is what this call took, without what was kept from earlier ones."""
    settings, networks = report.settings, report.networks
    facts = {
        "command": command(),
        "seconds": round(seconds, 1),
        "processes": processes,
        "systems": {
            spec.name: {
                **spec.identity(settings.sampling),
                "frames_sha256": _frames(report, spec.name),
            }
            for spec in report.specs
        },
        "clips": {name: clip.digest for name, clip in report.clips.items()},
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
        "versions": _versions(),
    }
    return provenance("evaluation", {"testset": report.testset}, facts)


def command() -> str:
    """As it is typed: `python -m MODULE ...`, or the script where it is no module."""
    spec = sys.modules["__main__"].__spec__
    start = ["-m", spec.name.removesuffix(".__main__")] if spec else [Path(sys.argv[0]).name]
    return shlex.join(["python", *start, *sys.argv[1:]])


def _frames(report: Report, system: str) -> str:
    """Hash of all frames of a system as they were scored."""
    sha = hashlib.sha256()
    for name, clip in report.clips.items():
        sha.update(f"{name} {clip.systems[system].sha256}\n".encode())
    return sha.hexdigest()


def _versions() -> dict[str, str]:
    """Of Python and all packages that are installed."""
    # Reversed, because of two of one name the first on the path is imported.
    found = {package.name: package.version for package in reversed([*distributions()])}
    packages = sorted((name, version) for name, version in found.items() if name)
    # torch itself says for which device it was built, too.
    return {"python": sys.version.split()[0], **dict(packages), "torch": torch.__version__}
