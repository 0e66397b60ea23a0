"""Expose, promote, judge, time sheets and sequences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from graphs import node, picture
from PIL import Image

from toon_core.shots.xdts import TAG


def run(comfy: Any, kind: str, keep: bool = True, **inputs: Any) -> Any:
    given = {k: v for k, v in inputs.items() if isinstance(v, torch.Tensor)}
    prompt = {k: comfy.give(v) for k, v in given.items()}
    values = {k: ([k, 0] if k in given else v) for k, v in inputs.items()}
    prompt["n"] = node(kind, **values)
    return comfy.run(prompt, keep=["n"] if keep else ())


def moving(count: int = 16) -> torch.Tensor:
    """A box that goes faster and faster: IMAGE."""
    clip = torch.ones(count, 64, 64, 3)
    for t in range(count):
        x = round(40 * (t / (count - 1)) ** 2)
        clip[t, 20:40, x + 2 : x + 20] = torch.tensor([0.8, 0.2, 0.1])
    return clip


@pytest.fixture
def sheet(comfy: Any, tmp_path: Path) -> dict[str, Any]:
    for n, name in enumerate("ab"):
        pixels = (picture(n, (64, 64))[0] * 255).round().byte().numpy()
        Image.fromarray(pixels).save(comfy.base / "input" / f"{name}.png")
    keys = [{"id": i, "frame": f, "image": f"{i}.png"} for i, f in (("a", 0), ("b", 8))]
    return {"version": 1, "length": 12, "prompt": "x", "keys": keys}


def test_the_timeline_gives_keys_and_numbers(comfy: Any, sheet: dict[str, Any]) -> None:
    done = run(comfy, "ToonEditTimeline", sheet=json.dumps({**sheet, "fps": 12}))
    assert done.value("n", 1).shape == (2, 64, 64, 3)
    assert (done.value("n", 2), done.value("n", 3)) == (12, 12)


def test_drawings_by_number_are_shown_on_the_timeline(comfy: Any) -> None:
    """As files that the page can ask for, once each."""
    keys = [{"frame": 0, "image": 2}, {"frame": 4, "image": 0}, {"frame": 8, "image": 2}]
    sketches = [{"frame": 2, "image": 1}]
    sheet = {"version": 1, "length": 12, "prompt": "x", "keys": keys, "sketches": sketches}
    drawings = {name: picture(n, (64, 96), 3) for n, name in enumerate(("images", "sketches"))}
    done = run(comfy, "ToonEditTimeline", sheet=json.dumps(sheet), **drawings)
    [shown] = done.outputs["n"]["toon_timeline"]
    pictures = shown["pictures"]
    assert {name: set(found) for name, found in pictures.items()} == {
        "images": {0, 2},
        "sketches": {1},
    }
    assert len({*pictures["images"].values(), *pictures["sketches"].values()}) == 3
    for name in pictures["images"].values():
        with Image.open(comfy.base / "temp" / name) as thumbnail:
            assert max(thumbnail.size) <= 128


def expose(comfy: Any, images: torch.Tensor, **changes: Any) -> torch.Tensor:
    values = {
        "length": 9,
        "exposure": 2,
        "chart": "slow_out and slow_in",
        "slow_out": 0.0,
        "slow_in": 0.0,
    }
    done = run(comfy, "ToonExposeFrames", images=images, **{**values, **changes})
    assert done.success, done.error
    return done.value("n")


def test_frames_are_exposed_on_their_motion(comfy: Any) -> None:
    clip = moving()
    out = expose(comfy, clip)
    assert len(out) == 9 and torch.equal(out[0], clip[0]) and torch.equal(out[8], clip[15])
    changes = [n for n in range(1, 9) if not torch.equal(out[n], out[n - 1])]
    assert changes == [2, 4, 6, 8]
    number = next(n for n in range(16) if torch.equal(clip[n], out[4]))
    assert number > 8, "halfway of what speeds up is late"
    slow = expose(comfy, clip, slow_out=1.0, slow_in=1.0)
    assert not torch.equal(slow, out)
    assert len(expose(comfy, clip, length=40, exposure=1)) == 40


def test_a_chart_and_amounts_are_not_both_taken(comfy: Any) -> None:
    values = {"length": 9, "exposure": 1, "chart": "halves", "slow_out": 0.5, "slow_in": 0.0}
    done = run(comfy, "ToonExposeFrames", images=moving(), **values)
    assert not done.success and "chart" in str(done.error)


def test_a_frame_is_promoted(comfy: Any, sheet: dict[str, Any]) -> None:
    frames = picture(3, (64, 64), 12)
    done = run(comfy, "ToonPromoteFrame", sheet=json.dumps(sheet), images=frames, frame=5)
    assert done.success, done.error
    promoted = json.loads(done.value("n"))
    key = promoted["keys"][1]
    assert key["frame"] == 4 and key["kind"] == "breakdown"
    with Image.open(comfy.base / "input" / key["image"]) as image:
        assert np.array_equal(np.array(image), (frames[4] * 255).round().byte().numpy())
    assert run(comfy, "ToonEditTimeline", sheet=json.dumps(promoted)).success
    for frame, count in ((1, 12), (9, 12), (40, 12), (5, 11)):
        images = picture(3, (64, 64), count)
        done = run(comfy, "ToonPromoteFrame", sheet=json.dumps(sheet), images=images, frame=frame)
        assert not done.success, frame


def test_a_fade_is_judged(comfy: Any) -> None:
    clip = moving()
    share = torch.linspace(0, 1, 16).view(-1, 1, 1, 1)
    fade = clip[:1] + share * (clip[-1:] - clip[:1])
    scores = [json.loads(run(comfy, "ToonJudgeSegment", images=c).value("n")) for c in (clip, fade)]
    assert scores[0]["fade"] < 0.1 < scores[1]["fade"]
    assert any("faded" in w for w in scores[1]["warnings"])
    picture_of = run(comfy, "ToonJudgeSegment", images=fade).value("n", 1)
    assert picture_of.shape[0] == 1 and picture_of.shape[3] == 3


def test_time_sheets_go_out_and_come_back(comfy: Any, sheet: dict[str, Any]) -> None:
    sheet["exposure"] = 2
    done = run(comfy, "ToonSaveTimeSheet", False, sheet=json.dumps(sheet), name="xdts_test")
    assert done.success, done.error
    text = (comfy.base / "output" / "toontween" / "xdts_test" / "sheet.xdts").read_text()
    assert text.startswith(TAG) and any("prompt" in line for line in done.said("n"))
    (comfy.base / "input" / "sheet.xdts").write_text(text)
    values = {"file": "sheet.xdts", "pictures": "{cell}.png", "track": 0}
    back = json.loads(run(comfy, "ToonLoadTimeSheet", **values).value("n"))
    assert [k["image"] for k in back["keys"]] == ["1.png", "2.png"]
    onto = json.loads(run(comfy, "ToonLoadTimeSheet", onto=json.dumps(sheet), **values).value("n"))
    assert onto == sheet
    for file in ("../sheet.xdts", "gone.xdts", "a.png", ""):
        assert not run(comfy, "ToonLoadTimeSheet", **{**values, "file": file}).success


def test_a_sequence_is_written_as_named(comfy: Any) -> None:
    frames = picture(4, (32, 48), 3)
    values = {"name": "seq", "pattern": "cut_###.png", "first_number": 8}
    assert run(comfy, "ToonSaveSequence", False, images=frames, **values).success
    folder = comfy.base / "output" / "toontween" / "seq"
    assert sorted(p.name for p in folder.iterdir()) == ["cut_008.png", "cut_009.png", "cut_010.png"]
    with Image.open(folder / "cut_009.png") as image:
        assert np.array_equal(np.array(image), (frames[1] * 255).round().byte().numpy())
    more = {**values, "first_number": 11}
    assert run(comfy, "ToonSaveSequence", False, images=frames[:1], **more).success
    assert len(list(folder.iterdir())) == 4, "clip after clip"
    done = run(comfy, "ToonSaveSequence", False, images=frames[:1], **values)
    assert any("3 other files" in line for line in done.said("n"))
    for pattern in ("frame.png", "../###.png", "a/###.png", "###.exe", "", ".###.png"):
        done = run(
            comfy, "ToonSaveSequence", False, images=frames, **{**values, "pattern": pattern}
        )
        assert not done.success and "pattern" in str(done.error)


@pytest.mark.parametrize("shot", ["wave", "dance"])
def test_an_example_shot_goes_into_the_timeline(comfy: Any, shot: str) -> None:
    prompt = {
        "example": node("ToonLoadShot", shot=shot),
        "n": node("ToonEditTimeline", sheet=["example", 2], images=["example", 0]),
    }
    done = comfy.run(prompt, keep=["example", "n"])
    assert done.success, done.error
    sheet, keys = json.loads(done.value("example", 2)), done.value("n", 1)
    assert keys.shape == (len(sheet["keys"]), 128, 128, 3) and keys.std() > 0.1
    sound = done.value("example", 1)
    seconds = sound["waveform"].shape[-1] / sound["sample_rate"]
    assert seconds == pytest.approx(sheet["length"] / sheet["fps"])


def test_an_example_shot_of_another_version_is_named(comfy: Any) -> None:
    with pytest.raises(ValueError, match="not in the list: dance, wave"):
        run(comfy, "ToonLoadShot", shot="nobody")
