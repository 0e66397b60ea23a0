"""The gate of turbo on figures whose verdict is known, and what it measures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.turbo import DISTANCE, MOTION, REFERENCES, Measured, judged, settings
from toon_core.presets import RELEASED, nano, turbo

CLIPS = [f"clip {n}" for n in range(20)]


def measured(distance: float, spread: float = 0.0, motion: float = 0.8) -> Measured:
    """spread: by which every other clip lies above and below."""
    values = {c: distance + spread * (-1) ** n for n, c in enumerate(CLIPS)}
    return Measured({DISTANCE: values, MOTION: dict.fromkeys(CLIPS, motion)})


@pytest.mark.parametrize(
    ("ours", "passed"),
    [
        (measured(0.2), True),
        (measured(0.2038), True),
        (measured(0.2042), False),
        (measured(0.19), True),
        (measured(0.2, spread=0.02), False),  # too few clips to tell
        (measured(0.2, motion=0.63), False),
        (measured(0.2, motion=0.97), False),
    ],
)
def test_verdicts(ours: Measured, passed: bool) -> None:
    assert judged(ours, measured(0.2)).passed is passed


def test_clips_are_paired() -> None:
    """What differs from clip to clip in both tells nothing of the shortcut."""
    ours, reference = measured(0.201, spread=0.1), measured(0.2, spread=0.1)
    found = judged(ours, reference)
    assert found.passed and found.grown == pytest.approx(0.005) == pytest.approx(found.high)


def test_every_change_of_turbo_is_measured_alone_and_together() -> None:
    alone: set[str] = set()
    for reference, base in REFERENCES.items():
        first, *ways, together = settings(reference, 2)
        assert first.changes == base and together.name == "turbo: together" and ways
        assert all(base != way.changes for way in ways)
        alone |= {key for way in ways for key in way.changes.keys() - base.keys()}
        alone |= {key for way in ways for key in base if way.changes[key] != base[key]}
        recipe = replace(nano().recipe, **base)
        assert replace(recipe, **together.changes) == turbo(recipe)
    changed = {k for k, v in vars(turbo(RELEASED)).items() if v != vars(RELEASED)[k]}
    assert alone == changed
