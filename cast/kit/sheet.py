"""A drawing sheet: puppets paint one frame on it back to front; slots line up across frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cast.kit.paths import Path, Pose, pose

INK = "#2a1f33"
SHIFT = (1.1, 1.6)  # ink is heavier on the lower right, away from the light


@dataclass(frozen=True)
class Slot:
    """One painted shape of one frame; path None: not there in this frame."""

    path: Path | None
    fill: str | None
    line: str | None = None
    weight: float = 0.0


@dataclass
class Sheet:
    """Slots of one frame. Each frame of a clip paints the same slots in the same order."""

    slots: list[Slot] = field(default_factory=list)
    here: Pose = field(default_factory=pose)

    def place(self, m: Pose) -> Sheet:
        """The same sheet seen from a moved origin."""
        return Sheet(self.slots, self.here @ m)

    def paint(self, path: Path | None, fill: str) -> None:
        """A flat shape without a line."""
        self.slots.append(Slot(self._set(path), fill))

    def line(self, path: Path | None, colour: str = INK, weight: float = 5) -> None:
        """An even line along a path."""
        self.slots.append(Slot(self._set(path), None, colour, weight))

    def inked(
        self, parts: Sequence[tuple[Path | None, str]], weight: float = 5, ink: str = INK
    ) -> None:
        """Shapes joined under one outline, which shows about weight pixels outside them."""
        for path, _ in parts:
            shown = self._set(path)
            moved = shown.at(pose(*SHIFT)) if shown else None
            self.slots.append(Slot(moved, ink, ink, 2 * weight - 2))
        for path, fill in parts:
            self.paint(path, fill)

    def _set(self, path: Path | None) -> Path | None:
        return path.at(self.here) if path is not None else None
