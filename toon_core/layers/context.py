"""The tokens a run is conditioned on, routed to frames, with their keys and values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from einops import rearrange
from torch import Tensor

from .embeddings import Shifts

TEXT_TOKENS = 77
IMAGE_TOKENS_PER_FRAME = 16

KeyValue = tuple[Tensor, Tensor]


class Projects(Protocol):
    def project(self, context: Context, /) -> list[KeyValue]: ...


class Context:
    """Text tokens (b n d) shared by a clip's frames, and image tokens: (b m d) shared as well, or
    ((b f) m d) with a group for each frame.

    `cache=True` keeps every layer's keys and values for as long as this object lives; use it only
    where the weights do not change meanwhile. The same holds for `packed`, joined weights of some
    layers for all contexts of a run, and for `shifts`, what res blocks add at the step
    that runs. `deep` is what a pass keeps for later ones where `keeps` is set, which `shallow` ones
    take in place of their own (see `VideoUNet.forward`).
    """

    def __init__(
        self,
        text: Tensor,
        image: Tensor | None = None,
        *,
        cache: bool = False,
        packed: Mapping[int, Tensor] | None = None,
    ) -> None:
        self.text = text
        self.image = image
        self.packed = packed or {}
        self.shifts: Shifts | None = None
        self.copies = 1  # see `grown`
        self.keeps = self.shallow = False
        self.deep: Tensor | None = None
        self._cache: dict[int, list[KeyValue]] | None = {} if cache else None

    @classmethod
    def route(cls, tokens: Tensor, frames: int, **kept: Any) -> Context:
        """Cut (b L d) into 77 text tokens and the rest; with L = 77 + 16 frames the rest goes out
        in groups of 16 to the frames (architecture.md 2.2)."""
        text, image = tokens[:, :TEXT_TOKENS], tokens[:, TEXT_TOKENS:]
        if image.shape[1] == 0:
            return cls(text, **kept)
        if image.shape[1] == IMAGE_TOKENS_PER_FRAME * frames:
            image = rearrange(image, "b (f m) d -> (b f) m d", f=frames)
        return cls(text, image, **kept)

    def grown(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Clips as many times as there are contexts for each, one copy after the other: what comes
        before the first attention to the context is the same for all, and is done once. From
        then on there is nothing to copy."""
        copies, self.copies = self.copies, 1
        if copies == 1:
            return tensors
        return tuple(x.repeat(copies, *[1] * (x.dim() - 1)) for x in tensors)

    def keys_values(self, layer: Projects) -> list[KeyValue]:
        if self._cache is None:
            return layer.project(self)
        if id(layer) not in self._cache:
            self._cache[id(layer)] = layer.project(self)
        return self._cache[id(layer)]
