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
    values = asdict(config) if is_dataclass(config) else OmegaConf.to_container(config)
    return {
        "part": part,
        "options": {k: _without_folders(v) for k, v in values.items()},
        **facts,
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": _commit(),
        "torch": torch.__version__,
    }


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
