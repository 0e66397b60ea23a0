"""A shot through ComfyUI: the same as from the core, only what changed, cancelled and gone on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from graphs import node, picture
from PIL import Image
from tiny_files import small_nano

import toon_core
from toon_core.shots.drawings import Drawings
from toon_core.shots.pipelined import PipelineMaker
from toon_core.shots.reading import read_sheet
from toon_core.shots.shot import Shot

STEPS, SIDE = 1, 64


@pytest.fixture(scope="module")
def small(comfy: Any) -> Path:
    """nano at a quarter of its pixels, among ComfyUI's checkpoints."""
    path = comfy.base / "models" / "checkpoints" / "nano_small.safetensors"
    path.parent.mkdir(exist_ok=True)
    small_nano(path, SIDE)
    comfy.folder_paths.filename_list_cache.clear()
    return path


@pytest.fixture
def shot(comfy: Any, small: Path, tmp_path: Path) -> Any:
    """Three keys among ComfyUI's input pictures, each test in an output folder of its own."""
    folder = comfy.base / "input" / tmp_path.name
    folder.mkdir(parents=True)
    for n, name in enumerate("abc"):
        pixels = (picture(n, (SIDE, SIDE))[0] * 255).round().byte().numpy()
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return Shots(comfy, small, tmp_path.name)


class Shots:
    def __init__(self, comfy: Any, model: Path, name: str) -> None:
        self.comfy, self.model, self.name, self.executor = comfy, model, name, comfy.executor()
        self.out = comfy.base / "output" / "toontween" / name
        keys = [("one", 0, "a"), ("two", 8, "b"), ("three", 14, "c")]
        self.document: dict[str, Any] = {
            "version": 1,
            "length": 16,
            "exposure": 2,
            "prompt": "a scene",
            "keys": [{"id": i, "frame": f, "image": f"{name}/{p}.png"} for i, f, p in keys],
        }

    def one_segment(self) -> None:
        """For what one clip shows as well as two."""
        self.document["keys"].pop()

    def prompt(self, **changes: Any) -> dict[str, Any]:
        loader = node("ToonLoadModel", file=self.model.name, weight_dtype="fp32")
        values = {
            "model": ["1", 0],
            "conditioner": ["1", 1],
            "toon_vae": ["1", 2],
            "sheet": ["2", 0],
            "name": self.name,
            "steps": STEPS,
            "cfg_scale": 0.0,
            "best_take": False,
            **changes,
        }
        timeline = node("ToonEditTimeline", sheet=json.dumps(self.document))
        return {"1": loader, "2": timeline, "3": node("ToonRenderShot", **values)}

    def run(self, on_event: Callable[[Any], None] | None = None, **changes: Any) -> Any:
        options = {"on_event": on_event} if on_event else {}
        prompt = self.prompt(**changes)
        return self.comfy.run(prompt, keep=["3"], executor=self.executor, **options)

    def report(self, **changes: Any) -> dict[str, Any]:
        run = self.run(**changes)
        assert run.success, run.error
        return json.loads(run.value("3", 2))

    def takes(self) -> dict[str, bytes]:
        return {p.name: p.read_bytes() for p in (self.out / "takes").glob("*.png")}


def test_it_is_the_shot_of_the_core(shot: Any) -> None:
    run = shot.run()
    assert run.success, run.error
    images, report = run.value("3"), json.loads(run.value("3", 2))
    assert images.shape == (16, SIDE, SIDE, 3) and report["sampled"] == ["one", "two"]
    for name, frame in (("a", 0), ("b", 8), ("c", 15)):
        with Image.open(shot.comfy.base / "input" / shot.name / f"{name}.png") as key:
            assert np.array_equal((images[frame] * 255).round().byte().numpy(), np.array(key))
    assert run.value("3", 1).get_dimensions() == (SIDE, SIDE)

    model = toon_core.load(shot.model, dtype=torch.float32).eval()
    maker = PipelineMaker(model, replace(model.config.recipe, steps=STEPS), "nano")
    core = Shot.of(read_sheet(shot.document), Drawings([shot.comfy.base / "input"]), maker)
    [made] = maker.make([core.job(core.plan.segments[0], 0)])
    take = next(p for p in (shot.out / "takes").glob("one_*.png"))
    with Image.open(take) as strip:
        frames = torch.from_numpy(np.array(strip)).view(16, SIDE, SIDE, 3)
    assert (frames.int() - made.int()).abs().max() <= 1


def test_only_what_changed_is_sampled(shot: Any) -> None:
    assert shot.report()["sampled"] == ["one", "two"]
    shot.document["segments"] = [{"from": "two", "seed": 4}]
    assert shot.report()["sampled"] == ["two"]
    shot.document["exposure"] = 1
    assert shot.report()["sampled"] == []
    assert shot.report(cfg_scale=2.0)["sampled"] == ["one", "two"]


def test_takes_made_with_turbo_are_kept_apart(shot: Any) -> None:
    plain = shot.report()
    kept = shot.takes()
    assert shot.report(turbo=True)["sampled"] == ["one", "two"]
    assert kept.items() < shot.takes().items()
    again = shot.report(turbo=False)
    assert again["sampled"] == [] and again["segments"] == plain["segments"]


def test_takes_outlive_a_restart(shot: Any) -> None:
    shot.one_segment()
    shot.report()
    before = shot.takes()
    shot.executor = shot.comfy.executor()  # nothing is cached
    assert shot.report()["sampled"] == [] and shot.takes() == before


def test_a_cancelled_shot_goes_on(shot: Any) -> None:
    def cancel(event: Any) -> None:
        if len(shot.takes()) == 1:
            shot.comfy.interrupt()

    run = shot.run(on_event=cancel)
    assert run.interrupted and len(shot.takes()) == 1
    assert shot.report()["sampled"] == ["two"]


def told(run: Any, node: str = "2") -> list[dict[str, Any]]:
    """What a page's timeline was told, or what a node put out, in order."""
    outputs = [e["output"] or {} for e in run.of_kind("executed") if e["node"] == node]
    return [output["toon_timeline"][0] for output in outputs if "toon_timeline" in output]


def states(run: Any) -> list[tuple[str, str]]:
    return [(s["from"], s["state"]) for one in told(run) for s in one["segments"] if "state" in s]


def test_the_timeline_is_shown_what_becomes_of_its_segments(shot: Any) -> None:
    run = shot.run()
    work = [("one", "at work"), ("one", "made"), ("two", "at work"), ("two", "made")]
    begun = [("one", ""), ("two", "")]
    assert states(run) == [*begun, *work, *((id, "made") for id in ("one", "two", "three"))]
    last = told(run)[-1]
    assert json.loads(last["sheet"]) == shot.document, "the very text that the states are of"
    assert last["folder"] == f"toontween/{shot.name}" and last["rendered"]["frames"] == 16
    assert [(s["begin"], s["span"]) for s in last["segments"]] == [(0, 8), (8, 6), (14, 2)]
    report = json.loads(run.value("3", 2))
    for segment, reported in zip(last["segments"], report["segments"][:2], strict=False):
        assert segment["frames"] == reported["frames"]
        assert segment["takes"] == [{"name": reported["take"], "frames": 16}]
    again = shot.run()
    assert told(again, "3") == [last], "a node that is cached says it to a page opened later"


def test_the_timeline_hears_of_all_takes_between_two_pictures(shot: Any) -> None:
    shot.one_segment()
    shot.document["segments"] = [{"from": "one", "takes": 2}]
    shot.run()
    first = [take.removesuffix(".png") for take in shot.takes() if take.startswith("one")]
    shot.document["segments"] = [{"from": "one", "seed": 9}]
    segment = told(shot.run())[-1]["segments"][0]
    names = [take["name"] for take in segment["takes"]]
    assert len(names) == 3 and names[0] == segment["take"] and set(first) == set(names[1:])
    shot.document["segments"] = [{"from": "one", "lock": names[2]}]
    locked = told(shot.run())[-1]["segments"][0]
    assert locked["take"] == names[2]
    shot.document["keys"][1]["image"] = f"{shot.name}/c.png"
    shot.document["segments"] = []
    [take] = told(shot.run())[-1]["segments"][0]["takes"]
    assert take["name"] not in names, "those of another drawing are not offered"


def test_the_timeline_hears_of_a_failure_and_of_a_cancel(shot: Any, monkeypatch: Any) -> None:
    def cancel(event: Any) -> None:
        if len(shot.takes()) == 1:
            shot.comfy.interrupt()

    assert states(shot.run(on_event=cancel))[-2:] == [("two", "at work"), ("two", "")]
    maker = shot.comfy.part("shot_maker").ComfyMaker
    monkeypatch.setattr(maker, "clip", lambda self, jobs, step: 1 / 0)
    run = shot.run()
    assert not run.success
    assert states(run) == [("one", "made"), ("two", ""), ("two", "at work"), ("two", "failed")]


def test_sound_over_a_link_is_seen_on_the_timeline(shot: Any) -> None:
    shot.one_segment()
    samples = torch.zeros(1, 1, 8000)
    samples[..., 4000:] = 0.5
    given = shot.comfy.give({"waveform": samples, "sample_rate": 8000})
    run = shot.comfy.run({**shot.prompt(audio=["9", 0]), "9": given}, keep=["3"])
    rendered = told(run)[-1]["rendered"]
    assert rendered["movie"] == "shot.mp4"
    seconds = 16 / 24
    assert len(rendered["peaks"]) == int(seconds * rendered["rate"])
    assert max(rendered["peaks"][:45]) == 0 and min(rendered["peaks"][55:]) > 100


def test_progress_runs_over_the_whole_shot(shot: Any) -> None:
    run = shot.run()
    values = [e["value"] for e in run.of_kind("progress") if e["node"] == "3"]
    assert values == sorted(values) and values[-1] >= 900 and len(run.previews) >= 2


def test_a_patch_makes_its_own_takes(shot: Any, comfy: Any) -> None:
    """LoRA and its kin are known by their tensors, a function only while ComfyUI runs."""
    shot.one_segment()
    plain = shot.run().value("3", 2)
    model = shot.comfy.run({"1": shot.prompt()["1"]}, keep=["1"]).value("1")
    key = next(k for k in model.model.state_dict() if k.endswith("attn1.to_q.weight"))
    for strength in (1.0, 0.5):
        patched = model.clone()
        generator = torch.Generator().manual_seed(0)
        change = torch.randn(model.model.state_dict()[key].shape, generator=generator)
        patched.add_patches({key: ("diff", (change,))}, strength)
        given = shot.comfy.give(patched)
        prompt = {**shot.prompt(model=["9", 0]), "9": given}
        run = shot.comfy.run(prompt, keep=["3"])
        assert json.loads(run.value("3", 2))["sampled"] == ["one"], run.error
    again = shot.comfy.run({**prompt, "9": shot.comfy.give(patched.clone())}, keep=["3"])
    assert json.loads(again.value("3", 2))["sampled"] == []
    assert json.loads(shot.comfy.run(shot.prompt(), keep=["3"]).value("3", 2))["sampled"] == []
    assert plain

    odd = model.clone()
    odd.add_object_patch("something_else", object())
    run = shot.comfy.run({**prompt, "9": shot.comfy.give(odd)}, keep=["3"])
    assert any("something_else" in text for text in run.said("3")), run.error


@pytest.mark.parametrize("name", ["", "  ", "../shot", "/tmp/shot", "a/../../b", "."])
def test_a_shot_stays_in_its_folder(shot: Any, name: str) -> None:
    run = shot.run(name=name)
    assert not run.success and "name" in str(run.error)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"length": 10}, ("three", "frame 14")),
        ({"keys": []}, ("keys",)),
        ({"fpz": 3}, ("fpz",)),
        ({"sketches": [{"frame": 4, "image": 0}]}, ("sketches", "frame 4")),
    ],
)
def test_a_wrong_sheet_is_said_by_the_timeline(shot: Any, change: Any, words: Any) -> None:
    shot.document |= change
    run = shot.run()
    assert run.of_kind("execution_error")[0]["node_id"] == "2"
    assert all(word in str(run.error) for word in words)


def test_a_sheet_comes_as_text_object_or_link(shot: Any) -> None:
    shot.one_segment()
    first = shot.report()
    for sheet in (json.dumps(shot.document), shot.document):
        assert shot.report(sheet=sheet) == {**first, "sampled": []}
    run = shot.run(sheet="")
    assert not run.success and "sheet" in str(run.error)


def test_keys_by_number(shot: Any) -> None:
    """Transparent parts become white, as those of files."""
    images = torch.cat([picture(5, (SIDE, SIDE), 3), torch.ones(3, SIDE, SIDE, 1)], -1)
    images[1, :9, :9, 3] = 0
    for n, key in enumerate(shot.document["keys"]):
        key["image"] = n
    prompt = shot.prompt()
    prompt["2"]["inputs"]["images"] = ["8", 0]
    run = shot.comfy.run({**prompt, "8": shot.comfy.give(images)}, keep=["3"])
    assert run.success, run.error
    shown, key = run.value("3")[8], images[1, ..., :3].clone()
    key[:9, :9] = 1
    assert (shown - key).abs().max() <= 0.5 / 255 + 1e-6
    images[0, 0, 0, 0] = float("nan")
    run = shot.comfy.run({**prompt, "8": shot.comfy.give(images)}, keep=["3"])
    assert "images holds NaN" in str(run.error)


def test_frames_that_do_not_fit_into_memory_stop_nobody_else(shot: Any, monkeypatch: Any) -> None:
    """The movie and the report are there; only who would take the frames is told."""
    shot.one_segment()
    monkeypatch.setattr(shot.comfy.part("host"), "MOST_OF_MEMORY", 0.0)
    run = shot.run()
    assert (shot.out / "shot.mp4").is_file() and (shot.out / "report.json").is_file()
    assert "images: 16 pictures of" in str(run.error) and "output folder" in str(run.error)
    assert run.of_kind("execution_error")[0]["node_id"] != "3"


def test_sketches_and_sound(shot: Any) -> None:
    """Keys by number come into Toon Render Shot, and the timeline's sketches stay."""
    shot.one_segment()
    plain = shot.run().value("3")
    shot.document["sketches"] = [{"frame": 4, "image": 0}]
    for n, key in enumerate(shot.document["keys"]):
        key["image"] = n
    keys = picture(0, (SIDE, SIDE), 2)
    encoder = node("ToonLoadSketchEncoder", file="nano (built in)")
    lines = torch.ones(1, SIDE, SIDE, 3)
    lines[:, 40:44] = 0
    tone = {"waveform": torch.sin(torch.arange(8000) / 5).view(1, 1, -1), "sample_rate": 8000}
    prompt = shot.prompt(sketch_encoder=["7", 0], audio=["6", 0], images=["9", 0])
    prompt["2"]["inputs"] |= {"images": ["9", 0], "sketches": ["8", 0]}
    more = {"6": shot.comfy.give(tone), "7": encoder, "8": shot.comfy.give(lines)}
    more["9"] = shot.comfy.give(keys)
    run = shot.comfy.run({**prompt, **more}, keep=["3"])
    assert run.success, run.error
    assert json.loads(run.value("3", 2))["sampled"] == ["one"]
    assert not torch.equal(run.value("3"), plain)
    assert run.value("3", 1).get_components().audio is not None
