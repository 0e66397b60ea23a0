"""What is shown of a clip while it is sampled."""

from __future__ import annotations

from dataclasses import dataclass

from . import ranges


@dataclass(frozen=True, kw_only=True)
class Preview:
    """Scaled latents to a small picture in [-1, 1] by one matrix (`train/preview.py` fits it)."""

    factors: tuple[tuple[float, ...], ...]  # red, green and blue of each latent channel
    bias: tuple[float, ...]

    def __post_init__(self) -> None:
        ranges.check(self)
        if {len(row) for row in (*self.factors, self.bias)} != {3}:
            raise ValueError("preview: each row of factors, and bias, must be three numbers")
