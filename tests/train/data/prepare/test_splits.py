"""Clips that look alike or are the same, and the split, which holds out whole groups of them."""

import numpy as np
from discs import moving

from train.data.prepare.splits import (
    SplitConfig,
    alike_pairs,
    assign_splits,
    find_duplicates,
    find_groups,
    motion_signature,
    thumbnails,
)
from train.data.shards import Record


def test_look_alikes_are_found_mirrored_recoloured_and_by_a_given_family():
    right = moving(range(0, 40))
    mirrored = right[:, :, ::-1].copy()
    recoloured = right[..., [2, 0, 1, 3]]
    late = moving([0] * 30 + list(range(0, 40, 4)))
    clips = [right, late, mirrored, recoloured, late[::-1]]
    signatures = np.stack([motion_signature(frames) for frames in clips])
    names = ["fish", "white flag", "duck", "hen", "flag"]
    assert find_groups(signatures, names, [r"\bbird\b", r"\bflag\b"]) == [0, 1, 0, 0, 1]
    assert find_groups(signatures, names) == [0, 1, 0, 0, 4], "words alone tell nothing"


def turned(maps: np.ndarray, way: int) -> np.ndarray:
    """A motion signature, mirrored or turned in one of eight ways."""
    return np.rot90(maps[..., ::-1] if way > 3 else maps, way, (1, 2))


def test_look_alikes_are_those_of_all_pairs():
    rng = np.random.default_rng(0)
    whole = rng.normal(size=(30, 24, 16, 16))
    copies = [turned(w + 0.5 * rng.normal(size=w.shape), i % 8) for i, w in enumerate(whole[:20])]
    signatures = np.concatenate([whole, copies, np.zeros((3, 24, 16, 16))]).astype(np.float32)
    signatures /= np.maximum(np.sqrt((signatures**2).sum((1, 2, 3), keepdims=True)), 1e-6)
    expected = [
        (i, j)
        for i, first in enumerate(signatures)
        for j in range(i + 1, len(signatures))
        if max((first * turned(signatures[j], way)).sum() for way in (0, 1, 2, 3, 4)) > 0.65
    ]
    assert len(expected) >= 12
    for chunk in (512, 7):
        assert list(map(tuple, alike_pairs(signatures, chunk))) == expected


def test_near_duplicates_are_told_from_look_alikes():
    clip = moving(range(0, 32, 2))
    noisy = np.clip(clip.astype(int) + np.random.default_rng(0).integers(-4, 5, clip.shape), 0, 255)
    shifted = moving(range(3, 35, 2))
    looks = [thumbnails(frames) for frames in (clip, shifted, noisy.astype(np.uint8), clip[::-1])]
    assert find_duplicates(np.stack(looks), 12) == {2: 0}


def test_a_clip_that_was_dropped_drops_no_other():
    a, b, c, d = np.zeros((4, *thumbnails(moving(range(4))).shape), np.uint8)
    b[0, 0, 0], c[0, 0, 0], d[0, 0, 0] = 10, 20, 30
    assert find_duplicates(np.stack([a, b, c, d]), 12) == {1: 0, 3: 2}, "a ~ b ~ c, but a !~ c"


def records(count: int) -> list[Record]:
    kinds = {"fps": 30.0, "frames": 60, "alpha": True, "large": 2}
    return [Record(id=f"c{i}", group=f"g{i // 3}", **kinds) for i in range(count)]


def test_split_holds_out_whole_groups_and_is_deterministic():
    config = SplitConfig(test_share=0.2, least_large=10)
    split = assign_splits(records(300), config)
    test = [record for record in split if record.split == "test"]
    assert 60 <= len(test) <= 63
    held_out = {record.group for record in test}
    assert all((record.group in held_out) == (record.split == "test") for record in split)
    shuffled = assign_splits(records(300)[::-1], config)
    assert {r.id for r in shuffled if r.split == "test"} == {r.id for r in test}
    other = assign_splits(records(300), SplitConfig(test_share=0.2, least_large=10, seed=1))
    assert {r.id for r in other if r.split == "test"} != {r.id for r in test}


def test_a_single_group_is_in_both_splits():
    assert {record.split for record in assign_splits(records(3), SplitConfig())} == {"both"}


def test_split_grows_until_it_has_enough_large_windows():
    config = SplitConfig(test_share=0.1, least_large=90)
    test = [r for r in assign_splits(records(300), config) if r.split == "test"]
    assert sum(record.large for record in test) >= 90
