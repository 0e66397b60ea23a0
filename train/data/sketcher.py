"""Sketches of training windows: the stored ones where they fit, else drawn."""

import torch
from torch import Tensor

from train.data.drawers import Draw, find_drawer
from train.data.store import Record


class WindowSketcher:
    """By `kind`: "stored" (XDoG where none are), "auto" (the best drawer where none are), or the
    name of one drawer for all. It is loaded at the first window, in the process that needs it."""

    def __init__(self, kind: str) -> None:
        self.prefers_stored = kind in ("stored", "auto")
        self.drawer = find_drawer("xdog" if kind == "stored" else kind)
        self._draw: Draw | None = None

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_draw": None}

    def takes(self, record: Record) -> bool:
        """Whether a clip's stored sketches serve; a character's do not show its background."""
        fits = self.prefers_stored or record.sketch == self.drawer.kind
        return fits and bool(record.sketch) and not record.alpha

    def __call__(self, planes: Tensor) -> Tensor:
        """(t 1 h w) in [0, 1] of a window (t 3 h w) in [0, 1], or its fourth plane."""
        if planes.shape[1] == 4:
            return planes[:, 3:].clamp(0, 1)
        self._draw = self._draw or self.drawer.load()
        pictures = (planes.clamp(0, 1) * 255).round().to(torch.uint8).movedim(1, -1)
        return torch.from_numpy(self._draw(pictures.numpy())).float()[:, None] / 255
