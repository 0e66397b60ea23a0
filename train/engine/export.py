"""Results of runs: weights, with options and provenance in them and beside them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open
from torch import Tensor, nn

from toon_core.model import ToonModel
from toon_core.sketch.encoder import SketchEncoder
from toon_core.weights.configure import PART_KEY
from toon_core.weights.save import save, write
from train.engine.checkpoint import sources, without_folders
from train.engine.files import file_digest, write_text

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

RUN_KEY = "toontween.run"  # the manifest, in a file's metadata


def save_part(
    module: nn.Module, path: Path, part: str, config: DataclassInstance, facts: dict[str, Any]
) -> None:
    """Write a module's weights, with the manifest in the file and as `<name>.json` beside it:
    data, options, steps, seed, time and commit of the run."""
    manifest = provenance(part, config, facts)
    state = {k: v.detach().contiguous().cpu() for k, v in module.state_dict().items()}
    write(state, path, {PART_KEY: part, RUN_KEY: json.dumps(manifest)})
    write_manifest(path, manifest)


def save_model(
    model: ToonModel | SketchEncoder,
    path: Path,
    part: str,
    config: DataclassInstance,
    facts: dict[str, Any],
) -> None:
    """Write a complete file in the released layout; the manifest is beside it and in it."""
    manifest = provenance(part, config, facts)
    save(model, path, {RUN_KEY: json.dumps(manifest)})
    write_manifest(path, manifest)


def write_manifest(path: Path, manifest: dict[str, Any]) -> None:
    """`<name>.json` beside `<name>.safetensors`."""
    write_text(path.with_suffix(".json"), json.dumps(manifest, indent=1) + "\n")


def provenance(
    part: str, config: DataclassInstance | Mapping[str, Any], facts: dict[str, Any]
) -> dict[str, Any]:
    """Options and facts of a run, or of other work by its options in a dict. Of the files it
    started from, `files` has the hashes and `from` the manifests, so that a result tells its whole
    training."""
    values = asdict(config) if is_dataclass(config) else dict(config)
    paths = sources(config)
    manifests = {k: manifest_of(path) for k, path in paths.items()}
    return {
        "part": part,
        "options": without_folders(values),
        **facts,
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        **code_state(),
        "torch": torch.__version__,
        "files": {k: {"sha256": file_digest(Path(path))} for k, path in paths.items()},
        "from": {k: manifest for k, manifest in manifests.items() if manifest},
    }


def code_state() -> dict[str, Any]:
    """The commit of this code and whether it was changed since; "unknown" outside a clone."""
    return {
        "commit": _git("rev-parse", "--short", "HEAD") or "unknown",
        "dirty": bool(_git("status", "--porcelain", "--untracked-files=no")),
    }


def manifest_of(path: str | Path) -> dict[str, Any]:
    """The manifest in a file, else beside it; empty for a file made elsewhere."""
    path = Path(path)
    if path.suffix == ".safetensors":
        with safe_open(path, "pt") as file:
            text = (file.metadata() or {}).get(RUN_KEY)
        if text:
            return json.loads(text)
    try:
        found = json.loads(path.with_suffix(".json").read_text())
    except (OSError, ValueError):
        return {}
    ours = isinstance(found, dict) and ("part" in found or "runs" in found)
    return found if ours else {}


def load_part(path: str | Path, part: str) -> dict[str, Tensor]:
    """The weights of one part; ValueError when the file is not one of `part`."""
    found = part_of(path)
    if found != part:
        raise ValueError(f"{path}: holds {found or 'no part of a run'}, expected {part}")
    with safe_open(path, "pt") as file:
        return {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118 (no mapping)


def part_of(path: str | Path) -> str | None:
    """Which part a file of `save_part` holds; None for other files. ValueError without a file."""
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: no such file; give the result of the run before")
    if path.suffix != ".safetensors":
        return None
    with safe_open(path, "pt") as file:
        return (file.metadata() or {}).get(PART_KEY)


def _git(*words: str) -> str:
    """What git says of this code; nothing where it is no clone, or there is no git."""
    try:
        done = subprocess.run(
            ["git", *words],
            capture_output=True,
            text=True,
            check=False,
            cwd=Path(__file__).parent,
        )
    except OSError:
        return ""
    return done.stdout.strip()
