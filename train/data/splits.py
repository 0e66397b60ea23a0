"""The train / test split: whole groups of look-alikes, ordered by a hash of the group."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from train.data.motion import Motion, WindowRules, is_good, window_stats
from train.data.store import Record, stable_hash


@dataclass(frozen=True, kw_only=True)
class SplitConfig:
    """How much is held out; `seed` names the split."""

    test_share: float = 0.12  # share of the clips that is held out, in whole groups of look-alikes
    # Windows of large motion that the held-out clips should have: up to twice the share is held out
    # for them.
    least_large: int = 60
    # First to last frame of a window over white, mean absolute, of 255, from which its motion is
    # large.
    large_change: float = 15.0
    length: int = 16  # frames of these windows
    seed: int = 0  # another number is another split


def large_windows(
    motion: Motion, config: SplitConfig, rules: WindowRules, stride: int = 1
) -> list[int]:
    """Starts of disjoint good windows whose keys differ by `large_change`.

    The one with the largest change is taken first, then the next that does not overlap.
    """
    stats = window_stats(motion, config.length, stride)
    wanted = is_good(stats, rules) & (stats.ends >= config.large_change)
    chosen: list[int] = []
    for start in np.argsort(-stats.ends, kind="stable"):
        if wanted[start] and all(abs(start - other) >= config.length * stride for other in chosen):
            chosen.append(int(start))
    return chosen


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
    wanted = config.test_share * len(records)
    held_out: set[str] = set()
    clips = large = 0
    for group in sorted(groups, key=lambda name: stable_hash("split", config.seed, name)):
        if clips >= wanted and (large >= config.least_large or clips >= 2 * wanted):
            break
        if len(groups[group]) <= max(1, wanted / 8):
            held_out.add(group)
            clips += len(groups[group])
            large += sum(record.large for record in groups[group])
    return [
        replace(record, split="test" if record.group in held_out else "train") for record in records
    ]
