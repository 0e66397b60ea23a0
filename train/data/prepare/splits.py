"""Clips that are alike: near-duplicates go, and groups stay on one side of the train / test split.

Two clips are one group where the maps of their motion over time correlate, also mirrored or turned
by quarter turns (pointing hands, left and right fists), or where their prompts fit a pattern that
names a family of the data (flags, squared words, balls). Groups are held out by a hash.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from train.data.motion import block_means, cells
from train.data.shards import Record, stable_hash
from train.engine.options import option

PHASES = 24  # the clip's duration is cut into this many equal parts
GRID = 16
MOMENTS = 8
CELLS = 8
ALIKE = 0.65  # correlation; unrelated clips of the Noto set stay below 0.6, copies are above 0.65


@dataclass(frozen=True, kw_only=True)
class SplitConfig:
    """How much is held out; `seed` names the split."""

    # Share of the clips that is held out, in whole groups of look-alikes.
    test_share: float = option(0.12, least=0, most=1)
    # Windows of large motion that the held-out clips should have: up to twice the share is held out
    # for them.
    least_large: int = option(60, least=0)
    # First to last frame of a window over white, mean absolute, of 255, from which its motion is
    # large.
    large_change: float = 15.0
    length: int = option(16, least=1)  # frames of these windows
    seed: int = 0  # another number is another split


def motion_signature(frames: np.ndarray) -> np.ndarray:
    """(PHASES GRID GRID) unit vector: root of the change in each cell and part of the duration.

    `frames` (f h w 4) are premultiplied uint8; a clip that never changes gives zeros.
    """
    small = cells(frames, GRID)
    if len(small) < 2:
        return np.zeros((PHASES, GRID, GRID), np.float32)
    steps = np.abs(np.diff(small, axis=0)).mean(-1)
    maps = np.sqrt(block_means(steps, np.linspace(0, len(steps), PHASES + 1), 0))
    maps -= maps.mean()
    return (maps / max(float(np.linalg.norm(maps)), 1e-6)).astype(np.float32)


def find_groups(
    signatures: np.ndarray, prompts: Sequence[str], families: Sequence[str] = ()
) -> list[int]:
    """For each clip the smallest index of its group.

    `families` are regular expressions; clips whose prompts in small letters have one are alike.
    """
    pairs = [alike_pairs(signatures)]
    for family in families:
        members = [i for i, prompt in enumerate(prompts) if re.search(family, prompt.lower())]
        pairs.append(np.array([(members[0], i) for i in members], np.int64).reshape(-1, 2))
    i, j = np.concatenate(pairs).T
    links = coo_array((np.ones(len(i)), (i, j)), shape=(len(prompts), len(prompts)))
    _, groups = connected_components(links, directed=False)
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    return first[inverse].tolist()


def alike_pairs(signatures: np.ndarray, chunk: int = 512) -> np.ndarray:
    """Pairs (k 2), i < j, of signatures (n PHASES GRID GRID) that correlate, also mirrored or
    turned. So many rows at a time: memory grows with the clips, not their pairs; 10,000 clips take
    a minute of one core."""
    flat = signatures.reshape(len(signatures), -1)
    pairs = [np.zeros((0, 2), np.int64)]
    for start in range(0, len(flat), chunk):
        rows = signatures[start : start + chunk]
        views = (*(np.rot90(rows, k, (2, 3)) for k in range(4)), rows[..., ::-1])
        cosines = (view.reshape(len(rows), -1) @ flat[start:].T for view in views)
        pairs.append(np.argwhere(reduce(np.maximum, cosines) > ALIKE) + start)
    found = np.concatenate(pairs)
    return found[found[:, 0] < found[:, 1]]


def assign_splits(records: Sequence[Record], config: SplitConfig) -> list[Record]:
    """Records with their split set: groups in hash order are held out until the test split is full.

    Groups that alone would fill over an eighth of the test split stay in training. A single group
    is "both": there is nothing to hold out.
    """
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(record.group, []).append(record)
    if len(groups) == 1:
        return [replace(record, split="both") for record in records]
    share = config.test_share * len(records)
    held_out: set[str] = set()
    clips = large = 0
    for group in sorted(groups, key=lambda name: stable_hash("split", config.seed, name)):
        if clips >= share and (large >= config.least_large or clips >= 2 * share):
            break
        if len(groups[group]) <= max(1, share / 8):
            held_out.add(group)
            clips += len(groups[group])
            large += sum(record.large for record in groups[group])
    return [
        replace(record, split="test" if record.group in held_out else "train") for record in records
    ]


def thumbnails(frames: np.ndarray) -> np.ndarray:
    """(MOMENTS CELLS CELLS 4) uint8 of a clip's frames (f h w 4), to tell near-duplicates by."""
    picks = np.linspace(0, len(frames) - 1, MOMENTS).round().astype(int)
    return cells(frames[picks], CELLS).round().astype(np.uint8)


def find_duplicates(pictures: np.ndarray, limit: float) -> dict[int, int]:
    """{clip: the earlier one it repeats} of thumbnails (n MOMENTS CELLS CELLS 4).

    Two clips are near-duplicates where no value differs by more than `limit` of 255. A clip repeats
    the first kept one that it is near to: what was dropped drops nothing, so no clip goes for the
    sake of one it is unlike. Only clips of nearly the same mean are compared, and those first by
    the means of larger parts.
    """
    repeats: dict[int, int] = {}
    for first, second in sorted(_near(pictures, limit)):
        if first not in repeats:
            repeats.setdefault(second, first)
    return repeats


def _near(pictures: np.ndarray, limit: float) -> Iterator[tuple[int, int]]:
    """Pairs (i < j) of near-duplicates."""
    means = pictures.reshape(len(pictures), -1).mean(1) if len(pictures) else np.zeros(0)
    order = np.argsort(means, kind="stable")
    stops = np.searchsorted(means[order], means[order] + limit / 4, side="right")
    halves = pictures.reshape(-1, MOMENTS, 2, CELLS // 2, 2, CELLS // 2, 4)
    parts = halves.mean((3, 5), dtype=np.float32).reshape(-1, MOMENTS * 2 * 2 * 4)
    for place, i in enumerate(order):
        others = order[place + 1 : stops[place]]
        others = others[np.abs(parts[others] - parts[i]).max(1) <= limit + 0.01]
        apart = np.abs(pictures[others].astype(np.int16) - pictures[i]).max((1, 2, 3, 4))
        yield from ((int(min(i, j)), int(max(i, j))) for j in others[apart <= limit])
