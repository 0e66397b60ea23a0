"""Timing charts: where on the way from one key to the next each drawing lies."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Places = list[float]


def eased(u: float, begin: float, end: float) -> float:
    """The cubic from 0 to 1 with slopes `begin` and `end` at its ends, at u in [0, 1]: 1 and 1 is
    even, 0 and 0 leaves and arrives slowly. Slopes in 0..3 keep it rising (Fritsch and Carlson
    1980)."""
    return begin * u * (1 - u) ** 2 + u * u * (3 - 2 * u) + end * u * u * (u - 1)


def halves(count: int) -> Places:
    """Each drawing halfway between a key and the drawing before it, from both keys: 1/2; 1/4 and
    3/4 ... An even count has no drawing in the middle."""
    return _from_both_keys([0.5 ** (i + 2) for i in range(count // 2)], count)


def thirds(count: int) -> Places:
    """A third of the way from either key, then a third of that ...: 1/3 and 2/3; 1/9 and 8/9. An
    odd count also has the middle."""
    return _from_both_keys([3.0 ** -(i + 1) for i in range(count // 2)], count)


def _from_both_keys(sides: Places, count: int) -> Places:
    return sorted([*sides, *[0.5] * (count % 2), *(1 - side for side in sides)])


CHARTS: dict[str, Callable[[Sequence[float]], Places]] = {
    "even": list,
    "slow out and in": lambda times: [eased(u, 0, 0) for u in times],
    "halves": lambda times: halves(len(times)),
    "thirds": lambda times: thirds(len(times)),
}


def places(chart: str | Sequence[float], times: Sequence[float]) -> Places:
    """A chart's places for the inner drawings of a segment, shown at `times` in (0, 1) of it.

    ValueError for places that are not as many as the drawings.
    """
    if isinstance(chart, str):
        return CHARTS[chart](times)
    if len(chart) != len(times):
        raise ValueError(
            f"chart has {len(chart)} places for {len(times)} drawings between the keys: give one "
            "for each"
        )
    return list(chart)
