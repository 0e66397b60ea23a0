"""The tokens a run is conditioned on, routed to frames, with their keys and values."""

from __future__ import annotations

from typing import Protocol

from einops import rearrange
from torch import Tensor

TEXT_TOKENS = 77
IMAGE_TOKENS_PER_FRAME = 16

KeyValue = tuple[Tensor, Tensor]


class Projects(Protocol):
    def project(self, context: Context, /) -> list[KeyValue]: ...


class Context:
    """Text tokens (b n d) shared by a clip's frames, and image tokens: (b m d) shared as well, or
    ((b f) m d) with a group for each frame.

    `cache=True` keeps every layer's keys and values for as long as this object lives; use it only
    where the weights do not change meanwhile.
    """

    def __init__(self, text: Tensor, image: Tensor | None = None, *, cache: bool = False) -> None:
        self.text = text
        self.image = image
        self._cache: dict[int, list[KeyValue]] | None = {} if cache else None

    @classmethod
    def route(cls, tokens: Tensor, frames: int, *, cache: bool = False) -> Context:
        """Cut (b L d) into 77 text tokens and the rest; with L = 77 + 16 frames the rest goes out
        in groups of 16 to the frames (architecture.md 2.2)."""
        text, image = tokens[:, :TEXT_TOKENS], tokens[:, TEXT_TOKENS:]
        if image.shape[1] == 0:
            return cls(text, cache=cache)
        if image.shape[1] == IMAGE_TOKENS_PER_FRAME * frames:
            image = rearrange(image, "b (f m) d -> (b f) m d", f=frames)
        return cls(text, image, cache=cache)

    def keys_values(self, layer: Projects) -> list[KeyValue]:
        if self._cache is None:
            return layer.project(self)
        if id(layer) not in self._cache:
            self._cache[id(layer)] = layer.project(self)
        return self._cache[id(layer)]
