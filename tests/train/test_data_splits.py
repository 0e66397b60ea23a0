"""Splits: whole groups are held out, always the same, until there are enough large windows."""

from train.data.splits import SplitConfig, assign_splits
from train.data.store import Record


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
