"""Results of runs: weights, with options and provenance beside them."""

from __future__ import annotations

import json
import subprocess
from dataclasses import asdict, is_dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from toon_core.model import ToonModel
from toon_core.sketch.encoder import SketchEncoder
from toon_core.weights.configure import PART_KEY
from toon_core.weights.save import save

RUN_KEY = "toontween.run"  # the manifest, in a file's metadata
SOURCES = ("base", "init", "autoencoder", "encoder")  # options that name what a run starts from


def save_part(
    module: nn.Module, path: Path, part: str, config: object, facts: dict[str, Any]
) -> None:
    """Write a module's weights, and beside them `<name>.json`: data, options, steps, seed, time
    and commit of the run."""
    manifest = provenance(part, config, facts)
    state = {k: v.detach().contiguous().cpu() for k, v in module.state_dict().items()}
    save_file(state, path, metadata={PART_KEY: part})
    write_manifest(path, manifest)


def save_model(
    model: ToonModel | SketchEncoder, path: Path, part: str, config: object, facts: dict[str, Any]
) -> None:
    """Write a complete file in the released layout; the manifest is beside it and in it."""
    manifest = provenance(part, config, facts)
    save(model, path, {RUN_KEY: json.dumps(manifest)})
    write_manifest(path, manifest)


def write_manifest(path: Path, manifest: dict[str, Any]) -> None:
    """`<name>.json` beside `<name>.safetensors`."""
    path.with_suffix(".json").write_text(json.dumps(manifest, indent=1) + "\n")


def provenance(part: str, config: object, facts: dict[str, Any]) -> dict[str, Any]:
    """Options and facts of a run, and under `from` the manifests of the files it started from,
    so that a result tells its whole training."""
    values = asdict(config) if is_dataclass(config) else OmegaConf.to_container(config)
    sources = {k: manifest_of(values[k]) for k in SOURCES if values.get(k)}
    return {
        "part": part,
        "options": {k: _without_folders(v) for k, v in values.items()},
        **facts,
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": _commit(),
        "torch": torch.__version__,
        "from": {k: manifest for k, manifest in sources.items() if manifest},
    }


def finished(path: Path, steps: int) -> bool:
    """Whether a run's result of so many steps is there: the manifest beside it is written last."""
    try:
        return json.loads(path.with_suffix(".json").read_text())["step"] >= steps
    except (OSError, ValueError, KeyError):
        return False


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


def _without_folders(value: Any) -> Any:
    """A manifest names no place of the machine: of a path, the last two parts."""
    if not isinstance(value, str) or "/" not in value:
        return value
    return "/".join(Path(value).parts[-2:]) if Path(value).suffix else Path(value).name


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


def _commit() -> str:
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parent,
    )
    return done.stdout.strip() or "unknown"
