"""A file that was read and recognised, before any model is built from it."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..config import Part, SketchConfig, ToonConfig
from ..model import build_part
from ..sketch.encoder import SketchEncoder
from .configure import PART_KEY, configuration, fitted
from .detect import Kind, detect
from .errors import (
    Expected,
    MissingKeys,
    SurplusKeys,
    UnknownConfig,
    WrongModel,
    WrongShapes,
    WrongTypes,
)
from .files import read_tensors
from .keys import PREFIXES, TOWERS, harmless, outside, split
from .numbers import FLOATS, WANTED

PART_HINT = (
    "It is a result of train.autoencoder, from which a model is made: give it to train.pretrain or "
    "train.cache as autoencoder=, and load what train.pretrain writes."
)

log = logging.getLogger("toon.weights")


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Memory-mapped tensors under released names, what they are, and their configuration."""

    path: Path
    kind: Kind
    config: Any  # ToonConfig; SketchConfig of a sketch file
    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]

    @property
    def expect(self) -> Expected:
        return "sketch" if self.kind == "sketch" else "toon"

    def part(self, name: Part | None) -> dict[str, Tensor]:
        """The state dict of one part, names without its prefix; all of a sketch file (None)."""
        return dict(self.tensors) if name is None else split(self.tensors, name)

    def dtype(self, name: Part | None) -> torch.dtype | None:
        """The commonest float type of a part by elements, of those that torch computes with
        (fp8 is storage only); None where all is fp8."""
        sizes: Counter[torch.dtype] = Counter()
        for tensor in self.part(name).values():
            if tensor.is_floating_point() and tensor.element_size() > 1:
                sizes[tensor.dtype] += tensor.numel()
        return sizes.most_common(1)[0][0] if sizes else None

    def fill(
        self,
        module: nn.Module,
        name: Part | None,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype | None = None,
    ) -> None:
        """Give a part's tensors to a module built on the meta device, strictly.

        dtype None keeps each tensor's own. Nothing is copied while device and dtype stay.
        """
        moved = {k: v.to(device=device, dtype=dtype) for k, v in self.part(name).items()}
        module.load_state_dict(moved, strict=True, assign=True)

    def check(self) -> None:
        """Compare every part with the configuration, by building it on the meta device.

        UnknownConfig where that cannot be done; MissingKeys, SurplusKeys, WrongShapes or
        WrongTypes, with the names as they are in the file.
        """
        parts = (None,) if isinstance(self.config, SketchConfig) else PREFIXES
        for name in parts:
            self._compare(name, self.part(name), self._built(name))

    def _built(self, name: Part | None) -> dict[str, Tensor]:
        """Names and shapes of torch's own layers: a host's may have none before they are filled."""
        try:
            if name is None or isinstance(self.config, SketchConfig):
                return SketchEncoder(self.config, device="meta").state_dict()
            part = build_part(self.config, name, device="meta")
        except (  # AssertionError: of torch's own attention
            *(ValueError, TypeError, RuntimeError, LookupError),
            *(ArithmeticError, AssertionError),
        ) as error:
            what = f"the configuration of {name or 'the sketch encoder'} cannot be built ({error})"
            raise UnknownConfig(self.path, what, expect=self.expect) from error
        return {} if part is None else part.state_dict()

    def _compare(self, name: Part | None, state: Mapping, expected: Mapping) -> None:
        prefix = "" if name is None else PREFIXES[name]
        missing = [prefix + k for k in expected if k not in state]
        if missing:
            raise MissingKeys(self.path, missing, self.expect)
        surplus = [prefix + k for k in state if k not in expected]
        if surplus:
            raise SurplusKeys(self.path, surplus, self.expect)
        wrong = [
            f"{prefix}{k} is {tuple(state[k].shape)} and must be {tuple(v.shape)}"
            for k, v in expected.items()
            if state[k].shape != v.shape
        ]
        if wrong:
            note = "a CLIP of another width" if name in TOWERS else ""
            raise WrongShapes(self.path, wrong, self.expect, note)
        whole = [f"{prefix}{k} is {v.dtype}" for k, v in state.items() if v.dtype not in FLOATS]
        if whole:
            raise WrongTypes(self.path, whole, self.expect, WANTED)


def read(
    path: str | os.PathLike[str],
    *,
    config: ToonConfig | SketchConfig | None = None,
    expect: Expected | None = None,
) -> Checkpoint:
    """Read and recognise a file of any released layout or of our own, and compare names, shapes
    and types of all its parts with its configuration; loads no tensor data.

    config overrides what the file says of itself; expect ("toon" or "sketch") refuses the other
    kind. WeightsError names the file, what it looks like, and what to get instead.
    """
    path = Path(path)
    tensors, metadata = read_tensors(path, expect)
    kind, what = detect(tensors)
    if kind is None:
        raise WrongModel(path, what, expect=expect, hint=PART_HINT if PART_KEY in metadata else "")
    if expect is not None and (kind == "sketch") != (expect == "sketch"):
        what = "a sketch encoder" if kind == "sketch" else "a complete model, no sketch encoder"
        raise WrongModel(path, what, expect=expect)
    config = config or configuration(path, kind, tensors, metadata)
    config = fitted(path, config, kind, tensors)
    kept = {k: v for k, v in tensors.items() if not harmless(k)}
    if kind != "sketch" and outside(kept):
        raise SurplusKeys(path, outside(kept), "toon")
    log.info("%s: %s, %d tensors", path.name, kind, len(kept))
    checkpoint = Checkpoint(path=path, kind=kind, config=config, tensors=kept, metadata=metadata)
    checkpoint.check()
    return checkpoint
