"""A file to a model that is ready to run (`toon_core.load`)."""

from __future__ import annotations

import logging
import os
from typing import Any

import torch
from torch import nn

from ..config import Part, SketchConfig, ToonConfig
from ..model import ToonModel
from ..sketch.encoder import SketchEncoder
from .checkpoint import Checkpoint, read
from .errors import Expected
from .keys import PREFIXES, TOWERS

log = logging.getLogger("toon.weights")


def load(
    path: str | os.PathLike[str],
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
    ops: Any = nn,
    config: ToonConfig | SketchConfig | None = None,
    expect: Expected | None = None,
) -> ToonModel | SketchEncoder:
    """Load any file of the family, in eval mode.

    Official checkpoint, training dump, pruned safetensors, DynamiCrafter 512 interpolation,
    sketch encoder, and this project's own results, but for that of `train.autoencoder`, which is no
    model yet but what `train.pretrain` begins with. The model is built on the meta device and
    takes the memory-mapped tensors, so that on the CPU nothing is read before it is used.

    dtype None keeps the file's; where a part mixes several, its commonest (fp8: float16), since
    torch's own layers compute in one. With other `ops` every tensor keeps its own. config is
    needed only for files of unreleased sizes that do not carry it. Raises WeightsError.
    """
    checkpoint = read(path, config=config, expect=expect)
    builder = _load_sketch if checkpoint.kind == "sketch" else _load_toon
    return builder(checkpoint, torch.device(device), dtype, ops).eval()


def _load_sketch(
    checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype | None, ops: Any
) -> SketchEncoder:
    encoder = SketchEncoder(checkpoint.config, device="meta", ops=ops)
    checkpoint.fill(encoder, None, device=device, dtype=_one_dtype(checkpoint, None, dtype, ops))
    encoder.dtype = dtype or checkpoint.dtype(None)
    return encoder


def _load_toon(
    checkpoint: Checkpoint, device: torch.device, dtype: torch.dtype | None, ops: Any
) -> ToonModel:
    model = ToonModel(checkpoint.config, device="meta", ops=ops)
    for name in PREFIXES:
        module = getattr(model, name)
        if module is not None:
            wanted = _one_dtype(checkpoint, name, dtype, ops)
            checkpoint.fill(module, name, device=device, dtype=wanted)
    model.unet.dtype = dtype or checkpoint.dtype("unet")
    if model.text is not None:
        make_tower_buffers(model, device)
    return model


def make_tower_buffers(model: Any, device: torch.device) -> None:
    """What no file holds. The image encoder's copy of the causal mask is of its unused side."""
    model.text.make_buffers(device)
    mask = model.text.model.attn_mask
    model.text.model.attn_mask = mask.to(model.text.model.positional_embedding.dtype)
    if hasattr(model.image.model, "attn_mask"):
        del model.image.model.attn_mask


def _one_dtype(
    checkpoint: Checkpoint, name: Part | None, dtype: torch.dtype | None, ops: Any
) -> torch.dtype | None:
    """The type for all tensors of a part, or None to leave each its own."""
    if dtype is not None or (ops is not nn and name not in TOWERS):
        return dtype
    found = {t.dtype for t in checkpoint.part(name).values() if t.is_floating_point()}
    chosen = checkpoint.dtype(name) or torch.float16
    if found <= {chosen}:
        return None
    log.warning("%s: %s mixes %s, loaded as %s", checkpoint.path.name, name, found, chosen)
    return chosen
