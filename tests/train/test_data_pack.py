"""A cache as one file, and a reader that takes its process down."""

import os
from pathlib import Path

import numpy as np
import pytest

from train.data.cache import Cache, Record
from train.data.pack import decode_frames, encode_frames, read_pack
from train.prepare import PrepareConfig, _render_all, prepare


class Killer:
    """Stands for a file whose reader crashes: the worker dies when it receives it."""

    def __reduce__(self):
        return os._exit, (1,)


def test_frames_survive_within_half_a_step():
    frames = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 4), dtype=np.uint8)
    frames[0], frames[1] = 0, 255
    back = decode_frames(encode_frames(frames))
    assert back.shape == frames.shape and np.array_equal(back[:2], frames[:2])
    assert np.abs(back.astype(int) - frames).max() <= 2


def test_a_pack_unfolds_into_an_equal_cache(tmp_path, lottie_folder):
    data = tmp_path / "data"
    data.mkdir()
    (data / "spin.json").write_bytes((lottie_folder / "spin.json").read_bytes())
    file = tmp_path / "clips.pack"
    options = {"data": str(data), "out": str(tmp_path / "a"), "size": 64, "workers": 1}
    cache = prepare(PrepareConfig(**options, pack=str(file)))
    copy = read_pack(file, tmp_path / "b", workers=1)
    assert copy.records == cache.records and copy.size == 64
    frames, back = (c.frames(c.records[0]).astype(int) for c in (cache, copy))
    assert np.abs(frames - back).max() <= 2
    change = [c.motion(c.records[0]).change for c in (cache, copy)]
    assert np.nanmax(np.abs(change[0] - change[1])) < 2
    assert file.stat().st_size < cache.frames_path(cache.records[0]).stat().st_size / 10


def test_no_pack_is_named(tmp_path):
    file = tmp_path / "page.pack"
    file.write_text("<html>")
    with pytest.raises(ValueError, match="page.pack: not a pack"):
        read_pack(file, tmp_path / "out")
    with pytest.raises(ValueError, match="no index.json"):
        Cache(tmp_path / "out")


def test_a_crashing_reader_costs_one_clip_only(tmp_path, lottie_folder):
    config = PrepareConfig(data="-", out=str(tmp_path), size=32, workers=1)
    paths: dict[str, Path] = {"bad": Killer(), "good": lottie_folder / "spin.json"}
    results = dict(_render_all(config, paths))
    assert isinstance(results["good"], Record) and "crashed" in results["bad"]
