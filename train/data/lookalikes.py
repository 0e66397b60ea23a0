"""Groups of clips that share one animation, which must stay on one side of a split.

Two clips are alike where the maps of their motion over time correlate, also mirrored or turned
by quarter turns (pointing hands, left and right fists), or where their prompts share a word that
names a family (flags, squared words, balls).
"""

import re
from collections.abc import Sequence

import numpy as np

PHASES = 24  # the clip's duration is cut into this many equal parts
GRID = 16
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

    `frames` (f s s 4) are premultiplied uint8; a clip that never changes gives zeros.
    """
    small = _cells(frames)
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


def _cells(frames: np.ndarray) -> np.ndarray:
    """Block means (f GRID GRID 4); where the size is no multiple of GRID the rim is left out."""
    k = frames.shape[1] // GRID
    frames = frames[:, : k * GRID, : k * GRID]
    blocks = frames.reshape(len(frames), GRID, k, GRID, k, 4)
    return blocks.mean((2, 4), dtype=np.float32)


def similarity(signatures: np.ndarray) -> np.ndarray:
    """(n n) best correlation of signatures (n PHASES GRID GRID) over mirror and quarter turns."""
    count = len(signatures)
    flat = signatures.reshape(count, -1)
    turned = [np.rot90(signatures, k, (2, 3)) for k in range(4)] + [signatures[..., ::-1]]
    scores = [flat @ np.ascontiguousarray(view).reshape(count, -1).T for view in turned]
    best = np.max(scores, axis=0)
    return np.maximum(best, best.T)


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
    alike = np.argwhere(np.triu(similarity(signatures), 1) > ALIKE)
    pairs = [(int(i), int(j)) for i, j in alike]
    for family in FAMILIES:
        members = [i for i, prompt in enumerate(prompts) if re.search(family, prompt.lower())]
        pairs += [(members[0], member) for member in members[1:]]
    return pairs
