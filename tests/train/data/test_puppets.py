"""Random puppets: the same by seed, with exact maps, harder by level, and nothing of the cast's."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from pieces import open_clip
from place import ROOT
from puppet_likeness import (
    colours_of,
    nearest_outlines,
    nearest_tracks,
    outlines_of,
    tracks_of,
)

from train.data.puppets import maps
from train.data.puppets.clip import clip, stage_clip
from train.data.puppets.geometry import affine, flat, join, move
from train.data.puppets.levels import LEVELS
from train.data.puppets.lottie import lottie_text
from train.data.puppets.outlines import ellipse
from train.data.puppets.stage import BITS, Backdrop, Camera, Stage
from train.data.store import FolderStore
from train.engine.stop import exit_on_user_error
from train.puppets import main

CAST = sorted((ROOT / "cast").glob("*_*.json"))
SIZE = {"frames": 8, "height": 64, "width": 64}


@pytest.mark.parametrize("level", range(LEVELS))
def test_the_same_numbers_give_the_same_clip(level: int) -> None:
    first, again = (clip(3, 5, level, **SIZE, maps=True) for _ in range(2))
    assert np.array_equal(first.frames, again.frames) and first.prompt == again.prompt
    assert np.array_equal(first.motion, again.motion) and first.fps == again.fps
    for other in (clip(4, 5, level, **SIZE), clip(3, 6, level, **SIZE)):
        assert not np.array_equal(first.frames, other.frames)


def test_a_scene_is_the_same_at_every_size() -> None:
    small, large = clip(1, 2, 4, 8, 64, 64), clip(1, 2, 4, 8, 128, 128)
    reduced = [cv2.resize(f, (64, 64), interpolation=cv2.INTER_AREA) for f in large.frames]
    assert small.prompt == large.prompt
    assert np.abs(np.stack(reduced).astype(float) - small.frames).mean() < 4
    assert clip(1, 2, 4, 8, 80, 128).frames.shape == (8, 80, 128, 3)


def warped(frame: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """What the places of the frame before show, looked up where they went."""
    y, x = np.mgrid[: frame.shape[0], : frame.shape[1]].astype(np.float32)
    flow = motion.astype(np.float32)
    return cv2.remap(frame, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR)


def errors(made, moving: bool) -> tuple[float, float]:
    """Mean error where visible of the next frame warped back, and of it as it is."""
    frames, found = made.frames.astype(np.float32), []
    for t, (motion, visible) in enumerate(zip(made.motion, made.visible, strict=True)):
        fast = np.hypot(motion[..., 0], motion[..., 1]) > 0.5
        where = visible & (fast if moving else ~fast)
        if where.any():
            back = warped(frames[t + 1], motion)
            found.append([np.abs(f - frames[t])[where].mean() for f in (back, frames[t + 1])])
    return tuple(np.mean(found, 0)) if found else (0.0, 0.0)


def test_the_next_frame_warped_by_the_motion_is_this_one_where_visible() -> None:
    plain = [errors(clip(5, i, 0, 8, 128, 128, maps=True), moving=True) for i in range(8)]
    assert np.mean(plain, 0)[0] < 5 and np.mean(plain, 0)[0] < 0.35 * np.mean(plain, 0)[1]
    rich = [errors(clip(5, i, 4, 8, 128, 128, maps=True), moving=True) for i in range(8)]
    assert np.mean(rich, 0)[0] < 0.5 * np.mean(rich, 0)[1]
    still = [errors(clip(5, i, 3, 8, 128, 128, maps=True), moving=False)[0] for i in range(4)]
    assert np.mean(still) < 3


def test_maps_of_a_shape_that_only_moves_are_its_motion() -> None:
    """A disc that goes 3 pixels right a frame over a still ground, painted by hand."""
    zero = np.zeros(4)
    camera = Camera(zero, zero, zero + 1, zero)
    stage = Stage(4, camera, Backdrop(np.full((200, 200, 3), 90, np.uint8), 1.0))
    stage.fill(flat(ellipse(), affine(-20 + 3 * np.arange(4), 0, 0, 12, 12)), (250, 0, 0))
    stage.fill(flat(ellipse(), affine(0, 0, 0, 9, 40)), (0, 0, 250))
    found = maps.measure(stage, 100, 100)
    disc, post = found.surface == 1, found.surface == 2
    assert disc.any() and post.any() and (found.surface == 0).any()
    assert np.allclose(found.to_next[disc[:-1]], (3, 0), atol=1e-3)
    assert np.allclose(found.to_next[~disc[:-1]], 0, atol=1e-3)
    assert np.allclose(found.to_last[0][disc[0]], (9, 0), atol=1e-3)
    assert np.allclose(found.to_first[3][disc[3]], (-9, 0), atol=1e-3)
    assert found.visible_next[post[:-1]].all()  # nothing comes before the post
    y, x = np.nonzero(disc[0])
    hidden = post[3][y, np.minimum(x + 9, 99)]  # of the disc, where the post will stand before it
    seen = found.visible_last[0][y, x]
    assert 0 < hidden.mean() < 1 and (seen[hidden]).mean() < 0.1 and seen[~hidden].mean() > 0.9


def test_bent_forms_carry_their_points_along() -> None:
    """The corners of every cell go where the cell's own map takes them, within a pixel mostly."""
    off = []
    for index in range(6):
        scene, _, _ = stage_clip(7, index, 4, 8, 128, 128)
        cells, anchors, _ = maps._numbered(scene.stage, 128, 128)
        now = maps._affine_of(anchors)
        steps = join(now[1:], maps._inverse(now[:-1]))
        placed = scene.stage.placed(128, 128, 1)
        for mark, first, parts in cells:
            points, inside = placed[mark]
            for k, part in enumerate(parts):
                corner = points[:, part] / 2**BITS + 0.5
                error = np.abs(move(steps[:, first + k], corner[:-1]) - corner[1:]).max((1, 2))
                off += error[inside[1:] & inside[:-1]].tolist()
    assert np.median(off) < 0.1 and np.percentile(off, 95) < 1.0


def test_levels_grow_harder() -> None:
    """More surfaces from level to level (compared two apart, of a few clips), more that is hidden
    at the end, and a cross-fade that is further off."""
    surfaces, hidden, lost = [], [], []
    for level in range(LEVELS):
        made = [clip(9, i, level, 8, 64, 64, maps=True) for i in range(10)]
        surfaces.append(np.mean([len(np.unique(m.maps.surface)) for m in made]))
        hidden.append(np.mean([1 - m.maps.visible_last[0].mean() for m in made]))
        share = np.linspace(0, 1, 8)[:, None, None, None]
        fades = [m.frames[0] * (1 - share) + m.frames[-1] * share for m in made]
        lost.append(
            np.mean([np.abs(f - m.frames).mean() for f, m in zip(fades, made, strict=True)])
        )
    assert all(a < b for a, b in zip(surfaces, surfaces[2:], strict=False))
    assert surfaces[0] < 4 < surfaces[1] and 2 * surfaces[3] < surfaces[5]
    assert max(hidden[:4]) < hidden[5] and max(lost[:3]) < lost[5]


def test_captions_say_who_does_what_where() -> None:
    said = [stage_clip(2, i, level, 4, 32, 32)[1] for level in range(LEVELS) for i in range(8)]
    assert len(set(said)) > 0.9 * len(said)
    for words in said:
        assert words.split()[0] in ("a", "an") and 4 <= len(words.split()) < 60, words
        assert "  " not in words and " a o" not in words and " a i" not in words, words
    assert any("camera" in words for words in said)


@pytest.mark.parametrize(
    "options", [{"level": 6}, {"level": -2}, {"frames": 1}, {"height": 8}], ids=str
)
def test_bad_numbers_are_refused(options: dict) -> None:
    given = {"level": 0, **SIZE, **options}
    with pytest.raises(ValueError, match=next(iter(options))):
        clip(0, 0, **given)


def test_a_folder_of_frames_is_read_by_the_recipes(tmp_path, capsys) -> None:
    words = [f"out={tmp_path / 'set'}", "count=6", "frames=6", "height=32", "width=48", "maps=true"]
    main([*words, f"sheet={tmp_path / 'sheet.jpg'}"])
    store = FolderStore(tmp_path / "set")
    [record] = [r for r in store.records if r.id == "puppet_000003"]
    made = clip(0, 3, 3, 6, 32, 48, maps=True)
    assert np.array_equal(store.frames(record)[..., :3], made.frames)
    assert record.caption == made.prompt and record.fps == made.fps
    with np.load(tmp_path / "set" / record.id / "maps.npz") as stored:
        assert np.allclose(stored["to_next"], made.motion, atol=0.1)
        assert np.array_equal(stored["visible_last"], made.maps.visible_last)
    assert (tmp_path / "sheet.jpg").stat().st_size > 1000
    before = (tmp_path / "set" / "puppet_000000" / "frame_000.png").stat().st_mtime_ns
    main([word.replace("count=6", "count=7") for word in words])  # goes on
    after = (tmp_path / "set" / "puppet_000000" / "frame_000.png").stat().st_mtime_ns
    assert before == after and (tmp_path / "set" / "puppet_000006").is_dir()
    with pytest.raises(SystemExit, match="other options"), exit_on_user_error():
        main([*words, "seed=1"])


def test_lottie_files_show_the_same_scene(tmp_path) -> None:
    main(
        [
            f"out={tmp_path}",
            "count=1",
            "level=4",
            "frames=6",
            "height=64",
            "width=64",
            "format=lottie",
        ]
    )
    read, made = open_clip(tmp_path / "puppet_000000.json", 64), clip(0, 0, 4, 6, 64, 64)
    assert read.caption == made.prompt and len(read.frames) >= 6
    assert np.abs(read.frames[:6, ..., :3].astype(float) - made.frames).mean() < 10


@pytest.fixture(scope="module")
def generated() -> list[dict]:
    scenes = [stage_clip(21, i, level, 16, 64, 64) for level in (3, 4, 5) for i in range(3)]
    return [json.loads(lottie_text(s.stage, fps, 64, 64, "x")) for s, _, fps in scenes]


@pytest.fixture(scope="module")
def cast() -> list[dict]:
    assert len(CAST) == 9
    return [json.loads(path.read_text(encoding="utf-8")) for path in CAST]


def test_no_palette_is_the_cast_s(cast: list[dict]) -> None:
    """No clip has half of the colours of one of the cast (within 4 of 255), or the reverse."""
    for index in range(40):
        marks = stage_clip(21, index, 2 + index % 4, 2, 32, 32)[0].stage.marks
        ours = np.array(sorted({mark.colour for mark in marks}))
        for theirs in map(colours_of, cast):
            near = np.abs(theirs[:, None] - ours[None]).max(-1) <= 4
            assert near.any(1).mean() < 0.5 and near.any(0).mean() < 0.5


def test_no_outline_is_the_cast_s(generated: list[dict], cast: list[dict]) -> None:
    """Of those that are more than ovals and strokes, whatever their place, size and turn."""
    theirs = np.concatenate([outlines_of(clip) for clip in cast])
    ours = np.concatenate([outlines_of(clip) for clip in generated])
    assert len(theirs) > 100 and len(ours) > 50
    assert nearest_outlines(theirs[:3], theirs).max() < 1e-3  # it finds what is there
    assert nearest_outlines(theirs, ours).min() > 0.015


def test_no_track_of_motion_is_the_cast_s(generated: list[dict], cast: list[dict]) -> None:
    """Of those that are more than straight lines, in any window, forwards or backwards."""
    theirs = np.concatenate([tracks_of(clip) for clip in cast])
    ours = np.concatenate([tracks_of(clip) for clip in generated])
    assert len(theirs) > 1000 and len(ours) > 100
    assert nearest_tracks(theirs[:3] * 1j, theirs).max() < 1e-3
    assert nearest_tracks(theirs, ours).min() > 0.015
