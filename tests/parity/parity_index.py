"""`index.json` of a golden directory: its files, their cases, and what each needs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from philox import draw
from torch import Tensor

KINDS = ("unet", "resampler", "vae", "sketch", "schedule", "ddim", "clip", "e2e")
LOOSE = {"ddim": 1e-3, "e2e": 1e-3}  # whole trajectories; all other files STRICT
STRICT = 1e-4
# In half precision, against the same outputs: whole trajectories, and all other files.
HALF = {torch.float16: (0.2, 0.02), torch.bfloat16: (1.0, 0.15)}


def kind_of(file: str) -> str:
    """`unet.safetensors`, also `unet_wide.safetensors`, -> `unet`; ValueError otherwise."""
    stem = Path(file).name.split(".")[0]
    for kind in KINDS:
        if stem == kind or (stem.startswith(kind) and not stem[len(kind)].isalnum()):
            return kind
    raise ValueError(f"{file}: unknown kind of file, expected one of {', '.join(KINDS)}")


def tolerance(kind: str, dtype: torch.dtype = torch.float32) -> float:
    if dtype in HALF:
        return HALF[dtype][0 if kind in LOOSE else 1]
    return LOOSE.get(kind, STRICT)


# All that a case may say; a name that is none of these would go unheard.
SCALARS = {
    *("S", "T", "cfg_img", "cfg_scale", "eta", "fs", "guidance_rescale", "spacing", "timesteps"),
    *("control_context", "control_scale", "hint_threshold", "hint_zero_frames", "scale_factor"),
    *("negative", "prompt", "prompts", "tokens", "uncond_tokens", "antialias", "target"),
}
INPUTS = {
    *("concat", "context", "context_cond", "context_img_only", "context_uncond", "hint", "noise"),
    *("first", "image", "image1", "image2", "images", "last", "x", "x_noisy", "z"),
}
NUMBERED = ("adapter", "control", "noise")  # adapter0, adapter1, ...


@dataclass(frozen=True)
class Case:
    """One case of one file. Optional keys read as empty; `config` may be inherited."""

    folder: Path
    file: str
    name: str
    entry: Mapping[str, Any]
    config: Mapping[str, Any]
    dtype: torch.dtype
    device: str = "cpu"

    @property
    def outputs(self) -> dict[str, Mapping[str, Any]]:
        """Output name without the case's -> its entry. ValueError for a case without any."""
        if not self.entry.get("outputs"):
            raise ValueError(f"{self.file}/{self.name}: has no outputs")
        return {k.removeprefix(f"{self.name}/"): v for k, v in self.entry["outputs"].items()}

    def check(self) -> None:
        """ValueError for scalars and inputs of unknown names."""
        unknown = [n for n in self.entry.get("scalars") or {} if n not in SCALARS]
        unknown += [n for n in self.entry.get("inputs") or {} if not _is_input(n)]
        if unknown:
            raise ValueError(f"{self.file}/{self.name}: unknown {', '.join(unknown)}")

    def scalar(self, name: str, default: Any = None) -> Any:
        """The number of that name; `default` where it is absent or null."""
        value = (self.entry.get("scalars") or {}).get(name)
        return default if value is None else value

    def has(self, name: str) -> bool:
        return name in (self.entry.get("inputs") or {})

    def input(self, name: str) -> Tensor:
        if not self.has(name):
            raise ValueError(f"{self.file}/{self.name}: needs an input {name!r}")
        return draw(self.entry["inputs"][name]).to(self.device, self.dtype)

    def optional(self, name: str) -> Tensor | None:
        return self.input(name) if self.has(name) else None

    def numbered(self, name: str) -> list[Tensor]:
        """name0, name1, ... as far as they go."""
        found: list[Tensor] = []
        while self.has(f"{name}{len(found)}"):
            found.append(self.input(f"{name}{len(found)}"))
        return found

    def weights(self, part: str | None = None) -> Mapping[str, Any]:
        weights = self.entry.get("weights") or {}
        return weights.get(part, weights)


def _is_input(name: str) -> bool:
    series = name.rstrip("0123456789")
    return name in INPUTS or (series in NUMBERED and name != series)


def read(folder: Path, dtype: torch.dtype = torch.float32, device: str = "cpu") -> Iterator[Case]:
    """Every case of the directory. A case without `config` has that of the case before it."""
    index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
    for file, cases in index.items():
        if file.startswith("_"):
            continue
        config: Mapping[str, Any] = {}
        for name, entry in cases.items():
            config = entry.get("config") or config
            yield Case(folder, file, name, entry, config, dtype, device)
