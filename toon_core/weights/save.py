"""A model to a safetensors file of the released layout, with its configuration in it."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from ..model import ToonModel
from ..sketch.encoder import SketchEncoder
from .configure import CONFIG_KEY
from .keys import PREFIXES


def released_state(model: ToonModel | SketchEncoder) -> dict[str, Tensor]:
    """All tensors under the released names, and the schedule's tables. The image encoder's text
    side is not there."""
    if isinstance(model, SketchEncoder):
        return model.state_dict()
    state = model.schedule.buffers()
    for name, prefix in PREFIXES.items():
        module = getattr(model, name)
        if module is not None:
            state |= {prefix + k: v for k, v in module.state_dict().items()}
    return state


def save(
    model: ToonModel | SketchEncoder,
    path: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
    *,
    dtype: torch.dtype | None = None,
    tensors: Mapping[str, Tensor] | None = None,
) -> Path:
    """Write a .safetensors file that `load` needs nothing else for; an existing file is replaced
    when the new one is complete.

    metadata: more text entries (data, seed, commit). dtype converts the weights, not the tables.
    tensors: values in place of the model's, by released name (moving averages of training).
    ValueError for another suffix, unknown `tensors`, or metadata that is not text; OSError naming
    the file where it cannot be written.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"{path}: models are saved as .safetensors")
    state = released_state(model)
    if unknown := sorted((tensors or {}).keys() - state.keys()):
        raise ValueError(f"tensors: {unknown[:5]} are not in a {type(model).__name__}")
    state |= tensors or {}
    texts = {**(metadata or {}), CONFIG_KEY: json.dumps(model.config.to_dict())}
    if wrong := [k for k, v in texts.items() if not isinstance(v, str)]:
        raise ValueError(f"metadata must be text, but {wrong} are not")
    ready = {k: _stored(v, dtype if "." in k else None) for k, v in state.items()}
    write(ready, path, texts)
    return path


def write(tensors: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str]) -> None:
    """Write a .safetensors file that takes its name when it is complete. OSError naming it where
    it cannot be written (a full disk); what was there stays."""
    temporary = path.with_name(path.name + ".part")
    try:
        temporary.touch()
        readers = temporary.stat().st_mode  # as of any new file; safetensors shuts out all others
        save_file(dict(tensors), temporary, metadata={"format": "pt", **metadata})
        temporary.chmod(readers)
        os.replace(temporary, path)
    except (OSError, SafetensorError) as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise OSError(f"{path} cannot be written ({error})") from error


def _stored(tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    return tensor.detach().to("cpu", dtype).contiguous()
