"""Windows of a cache: what stands in for one that cannot be read, and the stamp of them all."""

import json

import pytest
from caches import SHAPE

from train.data.shards import shard_name
from train.data.windows.cache_format import spans, write_shard
from train.data.windows.cached import CachedWindows
from train.engine.checkpoint import RunHistory
from train.recipes.rectify import RectifyConfig


def test_a_lost_shard_of_many_windows_costs_no_run(tmp_path):
    tiny_cache(tmp_path, count=24, shard_items=10)
    windows = CachedWindows(tmp_path, "train", 24, ())
    for number in (0, 2):
        (tmp_path / f"train-{number:06d}.tar").write_bytes(b"")
        assert {windows[i]["start"] for i in range(10)} <= set(range(10, 20))
    assert windows[21]["start"] in range(10, 20) and windows[13]["start"] == 13
    (tmp_path / "train-000001.tar").unlink()
    with pytest.raises(ValueError, match="item 3: .* delete the shards .* same train.cache again"):
        windows[3]


def test_of_a_single_shard_the_next_window_that_can_be_read_is_taken(tmp_path):
    tiny_cache(tmp_path, count=4, shard_items=64)
    windows = CachedWindows(tmp_path, "train", 4, ())
    windows._places[1]["json"] = windows._places[2]["json"] = (0, 5)
    assert [windows[i]["start"] for i in range(4)] == [0, 3, 3, 3]


def tiny_cache(out, **changes):
    """Windows of text alone: all that unreadable ones are told by."""
    facts = {"count": 5, "shard_items": 2, "held_out": 0, "seed": 3, "precision": "fp16"}
    facts |= SHAPE | {"frames": 4, "sketch": "none", "clips": "c" * 16, "encoders": {}}
    facts |= changes | {"parts": [], "complete": True}
    for number, part in enumerate(spans(facts["count"], facts["shard_items"])):
        files = [(i, [("json", json.dumps({"start": i}).encode())]) for i in part]
        write_shard(out / shard_name("train", number), files)
    (out / "cache.json").write_text(json.dumps(facts))
    return out


def stamps(folder, parts=(), **changes) -> str:
    folder.mkdir()
    return CachedWindows(tiny_cache(folder, **changes), "train", 1, parts).stamp()


def test_the_stamp_holds_what_decides_the_items(tmp_path):
    plain = stamps(tmp_path / "plain")
    assert stamps(tmp_path / "again", held_out=0, shard_items=3, encoders={"text": "x"}) == plain
    changes = ({"count": 6}, {"seed": 4}, {"precision": "fp32"}, {"clips": "d" * 16})
    others = [stamps(tmp_path / f"{n}", **change) for n, change in enumerate(changes)]
    assert len({plain, *others}) == 5
    of_parts = [
        stamps(tmp_path / f"parts{n}", ("moments", "sketches"), **change)
        for n, change in enumerate(({}, {"sketch": "hed"}, {"encoders": {"autoencoder": "x"}}))
    ]
    assert len({plain, *of_parts}) == 4


def test_a_run_is_not_gone_on_with_from_a_cache_that_has_grown(tmp_path):
    config = RectifyConfig(data=str(tmp_path), out="run", base="")
    before, grown = (stamps(tmp_path / f"{n}", count=n) for n in (5, 6))
    state = RunHistory(config, before, tmp_path / "none").state_dict() | {"step": 1}
    RunHistory(config, before, tmp_path / "none").check_resume(state)
    with pytest.raises(ValueError, match="another cache.*made with its count of before"):
        RunHistory(config, grown, tmp_path / "none").check_resume(state)
