"""What one hostile input is. An area of `tests/fuzz` is a module of this folder with

cases() -> list[Case]         built once, before any case runs: load what all of them share here
good(folder: Path) -> None    a normal run in an empty folder, which must work after every case
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

AREAS = tuple(
    sorted(
        path.stem
        for path in Path(__file__).parent.glob("*.py")
        if "\ndef cases()" in path.read_text(encoding="utf-8")
    )
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """attempt runs in a process of its own inside an empty folder: it makes the bad thing there,
    gives it to the product as a user would, and raises what the product raises. names: the message
    must contain one of these (a file or an input); empty: not checked. refused: True where it must
    raise, False where it must not, None where both are right."""

    area: str
    name: str
    attempt: Callable[[Path], object]
    names: tuple[str, ...] = ()
    refused: bool | None = None
