"""What names a MODEL and its companions, so that a take made by them is known again.

Files by their digests, which are kept by path, size and time; patches by what their tensors hold.
What cannot be read so (functions and whole objects that other nodes put in) names this session
only: after a restart such takes are made anew, and that is said.
"""

from __future__ import annotations

import hashlib
import uuid
import weakref
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..toon_core.shots.identity import file_digest
from .model import native
from .model_sampling import sampling_of
from .types import Loaded, LoadedConditioner

SAMPLED = 4096  # numbers of each tensor of a CLIP that has no file here
KNOWN_OBJECTS = {"model_sampling"}  # of this pack's own nodes


def identity_of(
    model: Any, conditioner: LoadedConditioner, others: Iterable[Any], notes: Path
) -> tuple[str, list[str]]:
    """others: of autoencoder, CLIP and CLIP_VISION those that there are. -> a text,
    and what of the MODEL is known in this session only."""
    inner = native(model)
    told = [
        file_digest(inner.path, notes),
        f"{inner.get_dtype()} {inner.compute_dtype}",
        str(sorted(asdict(sampling_of(model).schedule.config).items())),
        patches_digest(model.patches),
        file_digest(conditioner.path, notes),
        patches_digest(conditioner.patcher.patches),
    ]
    for other in others:
        told.append(file_digest(other.path, notes) if isinstance(other, Loaded) else _clip(other))
    unknown = _unknown(model)
    told += [f"{name} {_token(part)}" for name, part in unknown]
    return " ".join(told), sorted({name for name, _ in unknown})


def _unknown(model: Any) -> list[tuple[str, Any]]:
    """Name and object of patches whose effect nothing here can read."""
    found = [(key, part) for key, part in model.object_patches.items() if key not in KNOWN_OBJECTS]
    for place in ("weight_wrapper_patches", "injections"):  # of newer ComfyUI
        for key, parts in getattr(model, place, {}).items():
            found += [(str(key), part) for part in (parts if isinstance(parts, list) else [parts])]
    for key, entries in model.patches.items():
        found += [(str(key), part) for e in entries for part in e if callable(part)]
    return found


_tokens: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()


def _token(part: Any) -> str:
    """The same for one object as long as it lives; for what cannot be watched always another."""
    try:
        return _tokens.setdefault(part, uuid.uuid4().hex)
    except TypeError:
        return uuid.uuid4().hex


def patches_digest(patches: Mapping[str, Iterable[Any]]) -> str:
    """Of ComfyUI's weight patches: keys, strengths and tensors, in the order they are added."""
    told = hashlib.sha256()
    for key in sorted(patches, key=str):
        told.update(str(key).encode())
        for entry in patches[key]:
            for part in entry:
                _add(told, part)
    return told.hexdigest()[:16]


def _add(told: Any, part: Any) -> None:
    if isinstance(part, Tensor):
        told.update(f"{tuple(part.shape)} {part.dtype}".encode())
        told.update(_bytes(part))
    elif isinstance(part, Mapping):
        for name in sorted(part, key=str):
            told.update(str(name).encode())
            _add(told, part[name])
    elif isinstance(part, list | tuple):
        for one in part:
            _add(told, one)
    elif hasattr(part, "weights"):  # ComfyUI's adapters, LoRA and its kin
        told.update(type(part).__name__.encode())
        _add(told, part.weights)
    else:
        told.update(repr(part).encode())


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes()


def _clip(clip: Any) -> str:
    """A CLIP or CLIP_VISION of ComfyUI, which does not say its file: by a part of each tensor."""
    told = hashlib.sha256()
    patcher = clip.patcher
    backup = getattr(patcher, "backup", {})  # of weights that patches have changed in place
    for name, tensor in sorted(patcher.model.state_dict().items()):
        tensor = backup[name].weight if name in backup else tensor
        told.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
        flat = tensor.detach().flatten()
        told.update(_bytes(flat[:: max(1, flat.numel() // SAMPLED)]))
    told.update(patches_digest(patcher.patches).encode())
    return told.hexdigest()[:16]
