"""Clips of motion that is not cartoon: what is in them, and that they can be trained on."""

import numpy as np
import pytest
import torch

from benchmarks.ablation import photographs
from benchmarks.ablation.photographs import (
    MotionConfig,
    RenderConfig,
    clip_name,
    load_pictures,
    render,
    render_clip,
)
from train.data.store import FolderStore


@pytest.fixture(scope="module")
def pictures():
    return load_pictures()


def test_clips_move_smoothly_and_depend_on_the_seed_alone(pictures):
    clips = [
        render_clip(pictures, np.random.default_rng(seed), 12, 48, MotionConfig())
        for seed in (1, 1, 2)
    ]
    (clip, prompt), (again, _), (other, _) = clips
    assert torch.equal(clip, again) and not torch.equal(clip, other)
    assert clip.shape == (12, 3, 48, 48) and clip.min() >= 0 and clip.max() <= 1
    step = (clip[1:] - clip[:-1]).abs().mean(dim=(1, 2, 3))
    assert step.min() > 0.002, "something always moves"
    assert (clip[0] - clip[-1]).abs().mean() > 2 * step.mean(), "and gets somewhere"
    assert prompt.startswith("a photograph of ") and "moves" in prompt


def test_nearer_fragments_hide_the_ones_behind():
    """Flat pictures: at the crossing only the nearer colour is left."""
    flat = {n: torch.full((3, 320, 320), v) for n, v in (("a", 0.0), ("b", 0.5), ("c", 1.0))}
    still = MotionConfig(fragments=2, fragment=(2.0, 2.0), travel=0, turn=0, light=0, elastic=0)
    for seed in range(20):
        clip, prompt = render_clip(flat, np.random.default_rng(seed), 2, 32, still)
        names = [n for n in "abc" if f" {n}" in prompt.replace("a photograph", "")]
        if len(names) == 3:
            nearest = flat[prompt[-1]][0, 0, 0]
            assert clip[0, 0, 16, 16] == pytest.approx(float(nearest), abs=1e-4)
            return
    raise AssertionError("no clip with two fragments")


def test_a_stopped_rendering_goes_on_to_the_same_clips(tmp_path, monkeypatch, pictures):
    monkeypatch.setattr(photographs, "load_pictures", lambda: pictures)
    config = RenderConfig(out=str(tmp_path / "a"), clips=3, frames=4, size=32)
    write, count = photographs.write_frames, []

    def killed(frames, folder):
        write(frames[:2] if len(count) == 1 else frames, folder)
        count.append(folder)
        if len(count) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(photographs, "write_frames", killed)
    with pytest.raises(KeyboardInterrupt):
        render(config)
    monkeypatch.setattr(photographs, "write_frames", write)
    render(config)
    whole = render(RenderConfig(out=str(tmp_path / "b"), clips=3, frames=4, size=32))
    for i in range(3):
        a, b = (sorted((root / clip_name(i)).iterdir()) for root in (tmp_path / "a", whole))
        assert [p.read_bytes() for p in a] == [p.read_bytes() for p in b] and len(a) == 6
    records = FolderStore(tmp_path / "a").records
    assert [r.frames for r in records] == [4, 4, 4] and records[0].fps == 24
    with pytest.raises(ValueError, match="other options"):
        render(RenderConfig(out=config.out, clips=3, frames=4, size=48))
