"""A sketch of every frame, by the best drawer that is there."""

from dataclasses import dataclass, field

import numpy as np

from train.data.drawers import Drawer, find_drawer
from train.data.filters.base import FilterConfig, Piece, Verdict

CHUNK = 8  # frames at once


@dataclass
class Sketches:
    """Draws; drops nothing."""

    drawer: Drawer
    device: str
    name: str = "sketches"
    _draw: object = field(default=None, repr=False)

    @property
    def model(self) -> str:
        return self.drawer.model

    def __call__(self, piece: Piece) -> Verdict:
        self._draw = self._draw or self.drawer.load(self.device)
        parts = [self._draw(piece.rgb[i : i + CHUNK]) for i in range(0, len(piece), CHUNK)]
        return Verdict(changes={"sketches": np.concatenate(parts), "sketch": self.drawer.kind})


def build(config: FilterConfig) -> Sketches | None:
    """By `config.sketch`."""
    if config.sketch == "none":
        return None
    return Sketches(find_drawer(config.sketch, config.sketch_model, config.models), config.device)
