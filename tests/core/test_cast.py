"""The cast: its files are what its puppets draw, and every clip moves within the square."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cast import build
from cast.example import PLACE, write_examples
from cast.kit.lottie import HEIGHT, WIDTH, bake
from cast.kit.paths import box, ellipse, pose
from cast.kit.sheet import Sheet
from cast.puppets import CLIPS
from toon_core.shots.drawings import Drawings
from toon_core.shots.movie import read_sound
from toon_core.shots.reading import read_sheet

CAST = Path(build.__file__).parent
NAMES = [clip.name for clip in CLIPS]
MARGIN = (WIDTH - HEIGHT) // 2
REQUIRED = (
    "walk",
    "jump",
    "squash and stretch",
    "turn of a head",
    "wave",
    "follow-through",
    "passing behind",
    "appearing",
)


@cache
def frames(name: str) -> np.ndarray:
    """Every third frame and the two keys: (f, h, w, 3), 0..255."""
    text = (CAST / f"{name}.json").read_text(encoding="utf-8")
    picks = [*range(0, 48, 3), *build.index()[name]["keys"]]
    return np.stack([np.asarray(p, dtype=np.int16) for p in build.render(text, picks)])


def test_index_is_what_build_writes_and_lists_all_files() -> None:
    stored = json.loads((CAST / "index.json").read_text(encoding="utf-8"))
    assert stored == build.index()
    assert len(stored) >= 8
    for name, facts in stored.items():
        assert (CAST / facts["file"]).is_file()
        assert facts["prompt"] and facts["title"] and facts["motions"]
        first, last = facts["keys"]
        assert first >= 0 and last - first == 15 and last < facts["frames"] == 48
        assert (CAST / "clips" / f"{name}.webp").is_file()
    assert {p.stem for p in CAST.glob("*.json")} == {*stored, "index"}
    assert {p.name for p in (CAST / "keys").iterdir()} == {
        f"{name}_{part}.png" for name in stored for part in ("first", "last")
    }


def test_required_motions_are_there() -> None:
    motions = " / ".join(m for clip in CLIPS for m in clip.motions)
    assert [m for m in REQUIRED if m not in motions] == []


def test_every_character_has_a_line_under_cc0() -> None:
    text = (CAST / "README.md").read_text(encoding="utf-8")
    assert "CC0 1.0" in text
    assert [name for name in NAMES if f"`{name}`" not in text] == []


def test_folder_is_small() -> None:
    sizes = {p: p.stat().st_size for p in CAST.rglob("*") if p.is_file() and p.suffix != ".pyc"}
    assert sum(sizes.values()) < 6_000_000
    assert [p.name for p, n in sizes.items() if p.suffix == ".json" and n >= 400_000] == []
    assert [p.name for p, n in sizes.items() if p.parent.name == "keys" and n >= 60_000] == []


@pytest.mark.parametrize("clip", CLIPS, ids=NAMES)
def test_json_is_what_its_puppet_draws(clip: build.Clip) -> None:
    assert clip.lottie() == (CAST / f"{clip.name}.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_keys_and_webp_are_frames_of_the_clip(name: str) -> None:
    first, last = frames(name)[-2:]
    with Image.open(CAST / "clips" / f"{name}.webp") as webp:
        assert (webp.n_frames, webp.size) == (16, (WIDTH, HEIGHT))
        for part, at, truth in (("first", 0, first), ("last", 15, last)):
            with Image.open(CAST / "keys" / f"{name}_{part}.png") as key:
                assert key.mode == "RGB"
                assert np.abs(np.asarray(key, dtype=int) - truth).max() <= 2
            webp.seek(at)
            moving = np.asarray(webp.convert("RGB"), dtype=int)
            assert np.abs(moving - truth).max() <= 2


@pytest.mark.parametrize("name", NAMES)
def test_keys_differ_and_background_stays(name: str) -> None:
    first, last = frames(name)[-2:]
    change = np.abs(first - last).mean(axis=2)[:, MARGIN:-MARGIN]
    assert change.mean() > 6
    assert 0.08 < (change > 16).mean() < 0.7


@pytest.mark.parametrize("name", NAMES)
def test_action_stays_in_the_central_square(name: str) -> None:
    seen = frames(name)
    moved = np.abs(seen - seen[0]).max(axis=(0, 3))
    assert moved[:, :MARGIN].max() == 0 and moved[:, -MARGIN:].max() == 0
    assert moved.max() > 100


@pytest.mark.parametrize("name", NAMES)
def test_character_is_large(name: str) -> None:
    seen = frames(name)
    rows = np.flatnonzero((np.abs(seen - seen[0]).max(axis=(0, 3)) > 16).any(axis=1))
    assert rows[-1] - rows[0] > 0.6 * HEIGHT


def test_bake_refuses_frames_that_do_not_line_up() -> None:
    one, two = Sheet(), Sheet()
    one.paint(ellipse(9, 9, 5), "#ffffff")
    with pytest.raises(ValueError, match="slots"):
        bake([one.slots, two.slots], "odd")
    two.paint(box(0, 0, 5, 5, 2), "#ffffff")
    with pytest.raises(ValueError, match="vertices"):
        bake([one.slots, two.slots], "odd")


def test_bake_draws_what_was_painted() -> None:
    sheets = [Sheet() for _ in range(4)]
    for f, s in enumerate(sheets):
        s.paint(box(0, 0, WIDTH, HEIGHT), "#000000")
        s.place(pose(100 + 30 * f, 100, 20 * f)).paint(box(-20, -20, 40, 40), "#ff0000")
        s.paint(ellipse(300, 200, 20) if f == 2 else None, "#00ff00")
    pictures = [np.asarray(p) for p in build.render(bake([s.slots for s in sheets], "t"), range(4))]
    for f, picture in enumerate(pictures):
        assert picture[100, 100 + 30 * f].tolist() == [255, 0, 0]
        assert picture[100, 100 + 30 * f - 32].tolist() == [0, 0, 0]
        assert picture[200, 300].tolist() == ([0, 255, 0] if f == 2 else [0, 0, 0])


def test_example_shots_are_what_is_written(tmp_path: Path) -> None:
    for sheet in PLACE.glob("*/sheet.json"):
        folder = tmp_path / sheet.parent.name
        folder.mkdir()
        (folder / "sheet.json").write_bytes(sheet.read_bytes())
    write_examples(CAST, build.render, tmp_path)
    written = {path.relative_to(tmp_path) for path in tmp_path.rglob("*.*")}
    assert written == {path.relative_to(PLACE) for path in PLACE.rglob("*.*")}
    for path in written:
        if path.suffix == ".png":
            with Image.open(PLACE / path) as stored, Image.open(tmp_path / path) as made:
                assert stored.tobytes() == made.tobytes(), path
        else:
            assert (PLACE / path).read_bytes() == (tmp_path / path).read_bytes(), path


def test_an_example_shot_is_a_sheet_whose_pictures_are_there() -> None:
    for path in PLACE.glob("*/sheet.json"):
        sheet = read_sheet(json.loads(path.read_text(encoding="utf-8")))
        Drawings([path.parent]).check(sheet)
        drawn = {key.image for key in sheet.keys}
        assert drawn == {picture.name for picture in path.parent.glob("*.png")}
        assert read_sound(path.with_name("sound.wav"), 0, sheet.length / sheet.fps).std() > 0.01
