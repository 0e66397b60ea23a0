"""From a sheet to files, with a tiny model: exact keys, true timing, and only what changed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from shot_pictures import drawing, pixels

from toon_core.recipe import ADDED
from toon_core.shots.drawings import Drawings
from toon_core.shots.making import Job, Recent
from toon_core.shots.movie import Movie
from toon_core.shots.pipelined import PipelineMaker
from toon_core.shots.promote import promote
from toon_core.shots.reading import read_sheet
from toon_core.shots.render import render
from toon_core.shots.sheet import SheetError
from toon_core.shots.shot import Shot
from toon_core.shots.takes import TakeError, Takes

Document = dict[str, Any]


@pytest.fixture
def rendered(folder: Path, maker: PipelineMaker) -> Callable[..., dict[str, Any]]:
    """rendered(document, out="out", best=False): the report."""

    def run(document: Document, out: str = "out", best: bool = False) -> dict[str, Any]:
        shot = Shot.of(read_sheet(document), Drawings([folder]), maker)
        return render(shot, maker, Takes(folder / "takes"), folder / out, best=best)

    return run


def frames_of(folder: Path, out: str = "out") -> list[np.ndarray]:
    return [pixels(path) for path in sorted((folder / out).glob("frame_*.png"))]


def all_bytes(folder: Path, out: str) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in (folder / out).glob("frame_*.png")}


def test_every_key_is_itself_on_its_frame_once(
    rendered: Any, folder: Path, document: Document
) -> None:
    report = rendered(document)
    frames = frames_of(folder)
    assert len(frames) == report["frames"] == 26
    for name, first, last in (("a", 0, 1), ("b", 12, 13), ("c", 22, 25)):
        key = pixels(folder / f"{name}.png")
        shown = [i for i, frame in enumerate(frames) if np.array_equal(frame, key)]
        assert shown == list(range(first, last + 1)), name
    assert [k["difference"] for k in report["keys"]] == [0, 0, 0]
    assert json.loads((folder / "out" / "report.json").read_text()) == report


def test_twos_are_held_and_lists_are_followed(
    rendered: Any, folder: Path, document: Document
) -> None:
    document["segments"] = [{"from": "two", "exposure": [1, 3]}]
    rendered(document)
    frames = frames_of(folder)
    changes = [i for i in range(1, 26) if not np.array_equal(frames[i], frames[i - 1])]
    assert changes == [2, 4, 6, 8, 10, 12, 13, 16, 19, 22]


@pytest.mark.parametrize("size", [(200, 120), (64, 64), (50, 90)])
def test_any_even_size(
    rendered: Any, folder: Path, document: Document, size: tuple[int, int]
) -> None:
    drawing(30, size, 30).save(folder / "b.png")
    document |= {"width": size[0], "height": size[1], "length": 23}
    report = rendered(document)
    frames = frames_of(folder)
    assert {frame.shape for frame in frames} == {(size[1], size[0], 3)}
    assert np.array_equal(frames[12], pixels(folder / "b.png"))
    assert [k["difference"] for k in report["keys"]] == [0, 0, 0]


def test_without_a_size_it_is_the_first_keys(
    rendered: Any, folder: Path, document: Document
) -> None:
    drawing(30, (101, 67)).save(folder / "a.png")
    rendered(document)
    assert frames_of(folder)[0].shape == (66, 100, 3)


def test_one_segment_is_changed_alone(rendered: Any, folder: Path, document: Document) -> None:
    assert rendered(document, "before")["sampled"] == ["one", "two"]
    document["segments"] = [{"from": "two", "seed": 4}]
    assert rendered(document, "after")["sampled"] == ["two"]
    before, after = all_bytes(folder, "before"), all_bytes(folder, "after")
    changed = {name for name in before if before[name] != after[name]}
    assert changed and changed <= {f"frame_{n:04d}.png" for n in range(14, 22)}
    document["segments"] = []
    assert rendered(document, "again")["sampled"] == []
    assert all_bytes(folder, "again") == before


@pytest.mark.parametrize(
    ("change", "sampled"),
    [
        ({"prompt": "another"}, ["one", "two"]),
        ({"segments": [{"from": "one", "prompt": "another"}]}, ["one"]),
        ({"segments": [{"from": "one", "fs": 20}]}, ["one"]),
        ({"exposure": 3}, []),
        ({"segments": [{"from": "one", "slow_in": 1}]}, []),
        ({"segments": [{"from": "one", "chart": "thirds"}]}, []),
        ({"length": 40, "fps": 12.0, "loop": False}, []),
        ({"sketches": [{"frame": 4, "image": "sketch.png"}]}, ["one"]),
        ({"loop": True}, ["three"]),
    ],
)
def test_only_what_makes_a_take_makes_it_anew(
    rendered: Any, document: Document, change: Document, sampled: list[str]
) -> None:
    rendered(document)
    assert rendered(document | change)["sampled"] == sampled


def test_what_was_added_names_its_takes_alone(
    folder: Path, document: Document, maker: PipelineMaker
) -> None:
    """Takes of before there were any keep their names."""

    def made() -> dict[str, Any]:
        return dict(Shot.of(read_sheet(document), Drawings([folder]), maker).made)

    plain = made()
    assert not any(set(ADDED) & set(of["recipe"]) for of in plain.values())
    kept, names = maker.recipe, set(plain)
    for shortcut in ({"reuse": 2}, {"cfg_start": 0.1}, {"cfg_end": 0.9}, {"keep_still": True}):
        maker.recipe = replace(kept, **shortcut)
        found = made()
        assert all(shortcut.items() <= of["recipe"].items() for of in found.values())
        assert len(found) == 2 and not names & set(found)
        names |= set(found)


def test_a_key_that_moves_in_time_makes_nothing_anew(rendered: Any, document: Document) -> None:
    rendered(document)
    document["keys"][1]["frame"] = 10
    assert rendered(document)["sampled"] == []


def test_a_changed_picture_touches_its_two_neighbours(
    rendered: Any, folder: Path, document: Document
) -> None:
    document["keys"].append({"id": "four", "frame": 25, "image": "d.png"})
    document["exposure"] = 1
    rendered(document)
    drawing(60).save(folder / "a.png")
    assert rendered(document)["sampled"] == ["one"]
    drawing(5).save(folder / "b.png")
    assert rendered(document)["sampled"] == ["one", "two"]


def test_a_key_between_makes_its_own_segment_anew_alone(rendered: Any, document: Document) -> None:
    rendered(document)
    document["keys"].append({"id": "new", "frame": 18, "image": "d.png"})
    assert rendered(document)["sampled"] == ["two", "new"]


def test_a_run_that_was_killed_goes_on(
    rendered: Any, folder: Path, document: Document, maker: PipelineMaker, monkeypatch: Any
) -> None:
    rendered(document, "whole")
    for path in (folder / "takes").glob("*.png"):
        path.unlink()
    calls = []

    def once(jobs: list[Job], step: Any) -> Any:
        calls.append(jobs)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return PipelineMaker.make(maker, jobs, step)

    monkeypatch.setattr(maker, "make", once)
    with pytest.raises(KeyboardInterrupt):
        rendered(document, "killed")
    monkeypatch.undo()
    assert not (folder / "killed" / "report.json").exists()
    assert rendered(document, "killed")["sampled"] == ["two"]
    assert all_bytes(folder, "killed") == all_bytes(folder, "whole")


def test_each_key_is_encoded_once(
    rendered: Any, document: Document, maker: PipelineMaker, monkeypatch: Any
) -> None:
    encode = maker.model.vae.encode_with_features
    seen = []
    monkeypatch.setattr(
        maker.model.vae, "encode_with_features", lambda x: (seen.append(len(x)), encode(x))[1]
    )
    rendered(document)
    assert seen == [1, 1, 1]


def test_takes_are_flipped_through_and_locked(
    rendered: Any, folder: Path, document: Document
) -> None:
    document["segments"] = [{"from": "one", "takes": 3}]
    report = rendered(document, "first")
    names = report["segments"][0]["takes"]
    assert len(set(names)) == 3 and report["segments"][0]["take"] == names[0]
    document["segments"] = [{"from": "one", "lock": names[2]}]
    report = rendered(document, "locked")
    assert report["sampled"] == [] and report["segments"][0]["take"] == names[2]
    assert all_bytes(folder, "first") != all_bytes(folder, "locked")
    drawing(60).save(folder / "b.png")
    report = rendered(document, "changed")
    assert report["sampled"] == ["two"] and report["segments"][0]["take"] == names[2]
    assert any("'two'" in w and "lock" in w for w in report["segments"][0]["warnings"])
    document["segments"] = [{"from": "one", "lock": names[2], "exposure": 4}]
    assert rendered(document, "retimed")["sampled"] == []


def test_the_take_that_jumps_least_is_shown_on_wish(
    rendered: Any, folder: Path, document: Document
) -> None:
    document["segments"] = [{"from": "one", "takes": 3}]
    names = rendered(document)["segments"][0]["takes"]
    takes = Takes(folder / "takes")
    smooth, cut = takes.load(names[1]).frames.clone(), takes.load(names[0]).frames.clone()
    for t in range(16):
        smooth[t] = 10 * t
        cut[t] = 0 if t < 8 else 150
    takes.save(names[0], cut, {})
    takes.save(names[1], smooth, {})
    takes.save(names[2], cut, {})
    assert rendered(document)["segments"][0]["take"] == names[0]
    assert rendered(document, best=True)["segments"][0]["take"] == names[1]


def test_a_lock_without_its_take_is_said_before_any_work(
    rendered: Any, folder: Path, document: Document
) -> None:
    document["segments"] = [{"from": "two", "lock": "two_0"}]
    with pytest.raises(TakeError, match="two_0"):
        rendered(document)
    assert not (folder / "takes").exists() and not (folder / "out").exists()


def test_sketches_want_their_encoder_before_any_work(
    folder: Path, document: Document, other_maker: PipelineMaker
) -> None:
    document["sketches"] = [{"frame": 4, "image": "sketch.png"}]
    with pytest.raises(SheetError, match="sketch encoder"):
        Shot.of(read_sheet(document), Drawings([folder]), other_maker)


def test_a_sketched_drawing_is_shown_where_it_was_put(
    rendered: Any, folder: Path, document: Document
) -> None:
    document["keys"][1]["motion"] = "stop"
    plain = rendered(document, "plain")["segments"][0]
    document["sketches"] = [{"frame": 7, "image": "sketch.png", "strength": 1.5}]
    report = rendered(document, "drawn")["segments"][0]
    assert report["frames"][2] == 8  # the third drawing of six lies halfway
    assert report["take"] != plain["take"]


def test_a_sketchs_paper_is_no_line_whatever_its_shape(
    folder: Path, document: Document, maker: PipelineMaker
) -> None:
    """Bars beside it are empty, and dark lines on light paper stay that."""
    drawing(20, (100, 40)).convert("L").point(lambda v: 255 if v > 120 else 0).save(
        folder / "wide.png"
    )
    document |= {"width": 64, "height": 96}
    document["sketches"] = [{"frame": 4, "image": "wide.png"}]
    shot = Shot.of(read_sheet(document), Drawings([folder]), maker)
    [hint] = shot.job(shot.plan.segments[0], 0).sketches.values()
    assert hint.lines.shape == (1, 1, 64, 64)
    assert hint.lines.max() > 0.9 and (hint.lines > 0.3).float().mean() < 0.15


def test_neighbours_with_one_seed_have_their_own_breakdowns(
    rendered: Any, folder: Path, document: Document, maker: PipelineMaker
) -> None:
    document |= {"exposure": 1, "length": 45}
    frames = {"one": 0, "two": 22, "three": 44}
    for key in document["keys"]:
        key["frame"] = frames[key["id"]]
    document["segments"] = [{"from": name, "seed": 7} for name in ("one", "two")]
    rendered(document, "together")
    takes = {p.name: p.read_bytes() for p in (folder / "takes").glob("two_*.png")}
    for path in (folder / "takes").glob("two_*.png"):
        path.unlink()
    maker._encoded = Recent()
    rendered(document, "alone")
    assert {p.name: p.read_bytes() for p in (folder / "takes").glob("two_*.png")} == takes


def test_an_odd_key_keeps_its_pixels(rendered: Any, folder: Path, document: Document) -> None:
    for name in "abc":
        drawing(30, (101, 67)).save(folder / f"{name}.png")
    rendered(document)
    assert np.array_equal(frames_of(folder)[0], pixels(folder / "a.png")[:66, :100])


def test_a_loop_ends_where_it_begins(rendered: Any, folder: Path, document: Document) -> None:
    document |= {"loop": True, "length": 30}
    report = rendered(document)
    frames = frames_of(folder)
    assert report["sampled"] == ["one", "two", "three"] and len(frames) == 30
    first = pixels(folder / "a.png")
    assert [i for i, f in enumerate(frames) if np.array_equal(f, first)] == [0, 1]


def test_equal_ends_are_told(rendered: Any, document: Document) -> None:
    document["keys"][2]["image"] = "a.png"
    report = rendered(document)
    assert any("loop" in note for note in report["notes"])
    document["keys"][1]["image"] = "a.png"
    assert any("hold" in w for w in rendered(document)["segments"][0]["warnings"])


def test_a_shorter_shot_leaves_no_old_frames(
    rendered: Any, folder: Path, document: Document
) -> None:
    rendered(document)
    (folder / "out" / "frame_notes.png").touch()
    rendered(document | {"length": 23})
    assert len(list((folder / "out").glob("frame_0*.png"))) == 23
    assert (folder / "out" / "frame_notes.png").exists()


def test_many_drawings_are_made_in_a_second_pass(
    rendered: Any, folder: Path, document: Document
) -> None:
    document |= {"exposure": 1, "length": 23}
    document["keys"] = [
        {"id": "one", "frame": 0, "image": "a.png"},
        {"id": "two", "frame": 22, "image": "b.png"},
    ]
    report = rendered(document)["segments"][0]
    assert report["made"] == 31 and len(report["frames"]) == 21
    assert report["frames"] == sorted(set(report["frames"]))
    document["segments"] = [{"from": "one", "lock": report["take"], "exposure": 3}]
    assert rendered(document)["sampled"] == []


def test_no_pixel_far_from_a_key_is_changed_by_it(
    rendered: Any, folder: Path, document: Document
) -> None:
    report = rendered(document)["segments"][0]
    take = Takes(folder / "takes").load(report["take"]).frames
    frames = frames_of(folder)
    for drawing_number, t in enumerate(report["frames"], 1):
        if 4 <= t <= 11:
            assert np.array_equal(frames[2 * drawing_number], take[t].numpy())


def test_the_movie_has_the_frames_and_the_sound(
    rendered: Any, folder: Path, document: Document
) -> None:
    with av.open(str(folder / "beep.wav"), "w") as file:
        stream = file.add_stream("pcm_s16le", rate=8000, layout="mono")
        tone = (np.sin(np.arange(8000) / 4) * 20000).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
        frame.sample_rate = 8000
        file.mux(stream.encode(frame))
        file.mux(stream.encode())
    document |= {"fps": 12.0, "audio": {"file": "beep.wav", "offset": 0.5}}
    rendered(document)
    with av.open(str(folder / "out" / "shot.mp4")) as movie:
        assert movie.streams.video[0].average_rate == 12
        count = sum(1 for _ in movie.decode(video=0))
    with av.open(str(folder / "out" / "shot.mp4")) as movie:
        pieces = [f.to_ndarray() for f in movie.decode(audio=0)]
    sound, rate = np.concatenate(pieces, 1)[0], 48_000
    assert count == 26 and abs(sound.size / rate - 26 / 12) < 0.1
    loud = np.flatnonzero(np.abs(sound) > 0.1)
    assert abs(loud[0] / rate - 0.5) < 0.05 and abs(loud[-1] / rate - 1.5) < 0.05


def test_a_file_without_sound_is_said_before_any_work(
    rendered: Any, folder: Path, document: Document
) -> None:
    for name in ("a.png", "nothing.wav"):
        with pytest.raises(ValueError, match=name):
            rendered(document | {"audio": {"file": name}})
    assert not (folder / "takes").exists()


def test_a_frame_becomes_a_key(rendered: Any, folder: Path, document: Document) -> None:
    rendered(document)
    sheet = read_sheet(document)
    (folder / "made.png").write_bytes((folder / "out" / "frame_0006.png").read_bytes())
    promoted = promote(sheet, 6, "made.png")
    assert [(k.frame, k.kind) for k in promoted.keys][1] == (6, "breakdown")
    report = rendered(promoted.to_json(), "promoted")
    assert report["sampled"] == ["one", "made.png"]
    assert np.array_equal(frames_of(folder, "promoted")[6], pixels(folder / "made.png"))
    for frame in (0, 1, 12, 25, 26, -1):
        with pytest.raises(SheetError, match=f"frame {frame}"):
            promote(sheet, frame, "made.png")


@pytest.mark.parametrize(("sketch", "frame"), [(4, 5), (5, 4), (4, 4)])
def test_a_sketch_of_the_drawing_that_becomes_a_key_goes(
    document: Document, sketch: int, frame: int
) -> None:
    document["sketches"] = [{"frame": n, "image": "sketch.png"} for n in (2, sketch, 8)]
    now = promote(read_sheet(document), frame, "a.png")
    assert [one.frame for one in now.sketches] == [2, 8]


def test_noise_hangs_on_the_segment_alone(
    maker: PipelineMaker, folder: Path, document: Document
) -> None:
    """The same segment in another shot is the same take."""
    shot = Shot.of(read_sheet(document), Drawings([folder]), maker)
    document["keys"] = document["keys"][1:]
    for key in document["keys"]:
        key["frame"] -= 12
    other = Shot.of(read_sheet(document), Drawings([folder]), maker)
    assert other.takes["two"] == shot.takes["two"]
    [one] = maker.make([shot.job(shot.plan.segments[1], 0)])
    [two] = maker.make([other.job(other.plan.segments[0], 0)])
    assert torch.equal(one, two)


def test_a_batch_gives_the_clips_of_one_by_one(
    rendered: Any, folder: Path, document: Document, maker: PipelineMaker, monkeypatch: Any
) -> None:
    document["segments"] = [{"from": "one", "takes": 2, "fs": 20}, {"from": "two", "prompt": "b"}]
    assert maker.room() == 1
    rendered(document, "alone")
    alone = {
        name: Takes(folder / "takes").load(name).frames for name in Takes(folder / "takes").names()
    }
    for path in (folder / "takes").glob("*.png"):
        path.unlink()
    sizes = []

    def make(jobs: list[Job], step: Any) -> Any:
        sizes.append(len(jobs))
        return PipelineMaker.make(maker, jobs, step)

    monkeypatch.setattr(maker, "room", lambda: 2)
    monkeypatch.setattr(maker, "make", make)
    rendered(document, "together")
    assert sizes == [2, 1]
    for name, frames in alone.items():
        again = Takes(folder / "takes").load(name).frames
        assert (frames.int() - again.int()).abs().max() <= 1


def test_a_drawing_saved_during_the_run_makes_no_take(
    folder: Path, document: Document, maker: Any
) -> None:
    """Neither of a key nor of a sketch: it would have the name of one of the drawing before."""
    document["sketches"] = [{"frame": 6, "image": "sketch.png"}]
    for name, said in (("b.png", "key 'two'"), ("sketch.png", "sketches")):
        shot = Shot.of(read_sheet(document), Drawings([folder]), maker)
        before = (folder / name).read_bytes()
        drawing(50).save(folder / name)
        with pytest.raises(SheetError, match=f"{said}.*has changed since"):
            render(shot, maker, Takes(folder / "takes"), folder / "out")
        assert Takes(folder / "takes").names() == []
        (folder / name).write_bytes(before)


def test_how_a_sketch_is_placed_makes_another_take(
    folder: Path, document: Document, maker: PipelineMaker
) -> None:
    def takes(image: str, fit: str) -> tuple[str, ...]:
        sketched = {**document, "fit": fit, "sketches": [{"frame": 6, "image": image}]}
        return Shot.of(read_sheet(sketched), Drawings([folder]), maker).takes["one"]

    assert takes("odd.png", "pad") != takes("odd.png", "crop")
    assert takes("sketch.png", "pad") == takes("sketch.png", "crop"), "it has the result's size"


def test_no_frame_takes_the_place_of_another_picture(
    rendered: Any, folder: Path, document: Document
) -> None:
    for n, key in enumerate(document["keys"]):
        (folder / key["image"]).rename(folder / f"frame_000{4 * n}.png")
        key["image"] = f"frame_000{4 * n}.png"
    before = all_bytes(folder, ".")
    with pytest.raises(SheetError, match=r"frame_0000\.png is a drawing of the sheet"):
        rendered(document, ".")
    (folder / "other").mkdir()
    drawing(9).save(folder / "other" / "frame_0030.png")
    with pytest.raises(SheetError, match=r"frame_0030\.png, that were not rendered there"):
        rendered(document, "other")
    assert all_bytes(folder, ".") == before and len(all_bytes(folder, "other")) == 1


def test_a_movie_that_cannot_be_ended_is_no_file(tmp_path: Path, monkeypatch: Any) -> None:
    def full(self: Movie) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(Movie, "_write_sound", full)
    with pytest.raises(OSError, match="no space left"), Movie(tmp_path / "a.mp4", (32, 32), 24):
        pass
    with pytest.raises(KeyboardInterrupt), Movie(tmp_path / "a.mp4", (32, 32), 24):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
