"""Malformed and hostile values at nodes."""

from __future__ import annotations

from pathlib import Path

from case import Case


def cases() -> list[Case]:
    return []


def good(folder: Path) -> None:
    pass
