"""Groups of clips that share one animation, which must stay on one side of a split.

Two clips are alike where the maps of their motion over time correlate, also mirrored or turned
by quarter turns (pointing hands, left and right fists), or where their prompts share a word that
names a family (flags, squared words, balls).
"""

import re
from collections.abc import Sequence

import numpy as np

from train.data.motion import cells

PHASES = 24  # the clip's duration is cut into this many equal parts
GRID = 16
MOMENTS = 8
CELLS = 8
ALIKE = 0.65  # correlation; unrelated clips of the Noto set stay below 0.6, copies are above 0.65
FAMILIES = (
    r"\bsquared\b",
    r"\bflag\b",
    r"\b(automobile|taxi|bus|(racing|police) cars?)\b",
    r"\b((soccer|basket|volley) ?ball|baseball|softball)\b",
    r"\b(coin|biohazard|radioactive|hazard|warning) ?(sign)?\b",
    r"\bearth globe\b",
    r"\bbattery\b",
    r"\bear\b",
    r"\bleg\b",
    r"^(guide )?dog\b",
    r"\bbird\b",
)


def motion_signature(frames: np.ndarray) -> np.ndarray:
    """(PHASES GRID GRID) unit vector: root of the change in each cell and part of the duration.

    `frames` (f h w 4) are premultiplied uint8; a clip that never changes gives zeros.
    """
    small = cells(frames, GRID)
    if len(small) < 2:
        return np.zeros((PHASES, GRID, GRID), np.float32)
    steps = np.abs(np.diff(small, axis=0)).mean(-1)
    edges = np.linspace(0, len(steps), PHASES + 1)
    starts = np.minimum(edges[:-1].astype(int), len(steps) - 1)
    ends = np.maximum(edges[1:].astype(int), starts + 1)
    maps = np.stack([steps[a:b].mean(0) for a, b in zip(starts, ends, strict=True)])
    maps = np.sqrt(maps)
    maps -= maps.mean()
    return (maps / max(float(np.linalg.norm(maps)), 1e-6)).astype(np.float32)


def alike_pairs(signatures: np.ndarray, chunk: int = 1024) -> list[tuple[int, int]]:
    """Pairs (i < j) of signatures (n PHASES GRID GRID) that correlate, also mirrored or turned.

    Compared in chunks, so that the memory grows with the clips and not with their pairs.
    """
    count = len(signatures)
    flat = signatures.reshape(count, -1)
    turned = [np.rot90(signatures, k, (2, 3)) for k in range(4)] + [signatures[..., ::-1]]
    views = [np.ascontiguousarray(view).reshape(count, -1) for view in turned]
    pairs: set[tuple[int, int]] = set()
    for start in range(0, count, chunk):
        best = np.max([flat[start : start + chunk] @ view.T for view in views], axis=0)
        for i, j in np.argwhere(best > ALIKE):
            pairs.add((min(i + start, j), max(i + start, j)))
    return sorted((int(i), int(j)) for i, j in pairs if i != j)


def thumbnails(frames: np.ndarray) -> np.ndarray:
    """(MOMENTS CELLS CELLS 4) uint8 of a clip's frames (f h w 4), to tell near-duplicates by."""
    picks = np.linspace(0, len(frames) - 1, MOMENTS).round().astype(int)
    return cells(frames[picks], CELLS).round().astype(np.uint8)


def find_duplicates(looks: np.ndarray, limit: float) -> dict[int, int]:
    """{clip: the earlier one it repeats} of thumbnails (n MOMENTS CELLS CELLS 4).

    Two clips are near-duplicates where no value differs by more than `limit` of 255; only clips
    of nearly the same mean are compared.
    """
    means = looks.reshape(len(looks), -1).mean(1) if len(looks) else np.zeros(0)
    order = np.argsort(means, kind="stable")
    repeats: dict[int, int] = {}
    for place, i in enumerate(order):
        stop = np.searchsorted(means[order], means[i] + limit / 4, side="right")
        others = order[place + 1 : stop]
        apart = np.abs(looks[others].astype(np.int16) - looks[i]).max((1, 2, 3, 4))
        for j in others[apart <= limit]:
            repeats.setdefault(int(max(i, j)), int(min(i, j)))
    return repeats


def find_groups(signatures: np.ndarray, prompts: Sequence[str]) -> list[int]:
    """For each clip the smallest index of its group (union-find over all alike pairs)."""
    parents = list(range(len(prompts)))

    def root(i: int) -> int:
        while parents[i] != i:
            parents[i] = parents[parents[i]]
            i = parents[i]
        return i

    for i, j in _pairs(signatures, prompts):
        low, high = sorted((root(i), root(j)))
        parents[high] = low
    return [root(i) for i in range(len(prompts))]


def _pairs(signatures: np.ndarray, prompts: Sequence[str]) -> list[tuple[int, int]]:
    pairs = alike_pairs(signatures)
    for family in FAMILIES:
        members = [i for i, prompt in enumerate(prompts) if re.search(family, prompt.lower())]
        pairs += [(members[0], member) for member in members[1:]]
    return pairs
