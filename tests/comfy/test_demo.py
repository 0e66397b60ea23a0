"""The parts of the demo on core nodes: conversion, progress, fetching, words on failure."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import demo
import pytest
from contact_sheet import contact_sheet
from graph_to_prompt import prompt_from_graph
from headless import Event, Run, Said
from own_keys import give_keys, write_prompt
from PIL import Image
from place import comfyui_folder, make_base
from workflow_pages import PAGES

if TYPE_CHECKING:
    from browser import Browser
    from headless import Headless


def movie(count: int) -> dict[str, Any]:
    empty = {"width": 64, "height": 64, "batch_size": count, "color": 0xFF0000}
    save = {"filename_prefix": "demo", "format": "mp4", "codec": "h264"}
    return {
        "1": {"class_type": "EmptyImage", "inputs": empty},
        "2": {"class_type": "CreateVideo", "inputs": {"images": ["1", 0], "fps": 10.0}},
        "3": {"class_type": "SaveVideo", "inputs": {"video": ["2", 0], **save}},
        "4": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
    }


def test_sheet_shows_the_keys_large_at_both_sides() -> None:
    colors = ["#ff0000", *["#00ff00"] * 5, "#0000ff"]
    frames = [Image.new("RGB", (128, 64), color) for color in colors]
    sheet = contact_sheet(frames, "title")
    row = [sheet.getpixel((x, 200)) for x in range(sheet.width)]
    keys = [row.count((255, 0, 0)), row.count((0, 0, 255))]
    assert keys[0] == keys[1] > 500
    assert row.index((255, 0, 0)) < row.index((0, 255, 0)) < row.index((0, 0, 255))
    with pytest.raises(ValueError, match="at least 3 frames, got 2"):
        contact_sheet(frames[:2], "title")


def test_bars_count_the_steps_of_each_node(capsys: pytest.CaptureFixture[str]) -> None:
    bars = demo.Bars({"7": {"_meta": {"title": "Sampler"}}, "8": {"_meta": {"title": "Decoder"}}})
    for node, steps in (("7", 3), ("8", 2)):
        for value in range(1, steps + 1):
            bars(Event("progress", {"node": node, "value": value, "max": steps}))
    bars(Event("execution_success", {}))
    shown = capsys.readouterr().err
    assert "Sampler: 100%" in shown and "3/3" in shown
    assert "Decoder: 100%" in shown and "2/2" in shown


def test_what_nodes_say_is_printed_after_their_bar(capsys: pytest.CaptureFixture[str]) -> None:
    bars = demo.Bars({"7": {"_meta": {"title": "Keys"}}})
    bars(Event("text", Said("7", "one")))
    bars(Event("text", Said("7", "one\n&lt;two&gt;")))
    assert capsys.readouterr().out == ""
    bars(Event("executing", {"node": "8"}))
    assert capsys.readouterr().out == "  Keys: one\n  Keys: <two>\n"
    bars(Event("execution_success", {}))
    assert capsys.readouterr().out == ""


def test_failure_is_told_in_the_servers_words(server: Headless) -> None:
    prompt = movie(2)
    prompt["1"]["inputs"]["width"] = 0
    told = demo.explain(server.run(prompt))
    assert "node 1 (EmptyImage)" in told and "width" in told
    data = {"node_type": "ToonLoad", "exception_message": "no such file\n"}
    assert demo.explain(Run(status="error", answer=data)) == "ToonLoad: no such file"


def test_fetches_the_movie_and_exact_frames(server: Headless) -> None:
    run = server.run(movie(5))
    made, frames = demo.collect(server, run)
    assert made[4:8] == b"ftyp" and len(demo.decode(made)) == 5
    assert [frame.getpixel((9, 9)) for frame in frames] == [(255, 0, 0)] * 5
    without_pictures = Run(status="success", answer={}, outputs={"3": run.outputs["3"]})
    _, frames = demo.collect(server, without_pictures)
    assert len(frames) == 5 and frames[0].getpixel((9, 9))[0] > 200


def test_keys_of_the_cast_reach_the_input_folder(tmp_path: Any, monkeypatch: Any) -> None:
    keys, inputs = tmp_path / "keys", tmp_path / "input"
    keys.mkdir()
    inputs.mkdir()
    Image.new("RGB", (8, 8)).save(keys / "fox.png")
    monkeypatch.setattr(demo, "KEYS", keys)
    loads = [{"type": "LoadImage", "widgets_values": [name]} for name in ("fox.png", "mine.png")]
    demo.copy_keys({"nodes": loads}, inputs)
    assert [path.name for path in inputs.iterdir()] == ["fox.png"]


def test_the_demo_as_a_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The shot, in one step a segment: its files, where they are, a bar for the whole of it."""
    (tmp_path / "ComfyUI").symlink_to(comfyui_folder())
    make_base(tmp_path / "base")
    monkeypatch.setattr(demo, "COMFY", tmp_path)
    assert demo.read_options([]).workflow == demo.WORKFLOW
    graph = json.loads(demo.WORKFLOW.read_text(encoding="utf-8"))
    [render] = [node for node in graph["nodes"] if node["type"] == "ToonRenderShot"]
    names = [slot["widget"]["name"] for slot in render["inputs"] if "widget" in slot]
    render["widgets_values"][names.index("steps")] = 1
    workflow = tmp_path / "My shot.json"
    workflow.write_text(json.dumps(graph), encoding="utf-8")
    demo.main([str(workflow), "--output", str(tmp_path / "made")])
    video, sheet, moving = (
        tmp_path / "made" / f"my_shot{end}" for end in (".mp4", "_sheet.png", ".webp")
    )
    assert len(demo.decode(video.read_bytes())) == 72
    assert Image.open(sheet).width > 1000
    with Image.open(moving) as picture:
        assert getattr(picture, "n_frames", 1) == 72
    shown = capsys.readouterr()
    assert all(str(file) in shown.out for file in (video, sheet, moving))
    assert "Toon Render Shot: 100%" in shown.err


@pytest.fixture
def own(tmp_path: Path) -> tuple[Path, Path]:
    """A square transparent picture, and a wide one in another format."""
    first, last = tmp_path / "cat.png", tmp_path / "dog.webp"
    Image.new("RGBA", (64, 64), (255, 0, 0, 0)).save(first)
    Image.new("RGB", (128, 64), (0, 0, 255)).save(last)
    return first, last


def converted(server: Headless, workflow: Path) -> dict[str, Any]:
    return prompt_from_graph(json.loads(workflow.read_text("utf-8")), server.get("/object_info"))


def test_own_keys_in_the_bundled_workflow(server: Headless, own: tuple[Path, Path]) -> None:
    prompt = converted(server, demo.CLIP)
    inputs = server.base / "input"
    with give_keys(prompt, inputs, *own):
        write_prompt(prompt, "a cat")
        kinds = {node["class_type"]: node["inputs"] for node in prompt.values()}
        assert "ToonLoadCast" not in kinds and kinds["ToonEncodeKeys"]["prompt"] == "a cat"
        kinds["ToonSample"]["steps"] = 1
        run = server.run(prompt)
    assert run.status == "success", demo.explain(run)
    assert not list(inputs.glob("demo_*"))
    _, frames = demo.collect(server, run)
    assert len(frames) == 16 and frames[0].size == (128, 64)  # where both have picture
    said = "\n".join(said.text for said in run.of_kind("text"))
    assert "first_image: 100% transparent" in said and "the clip is 128x64" in said


def test_workflows_that_take_no_own_keys(server: Headless, own: tuple[Path, Path]) -> None:
    """Something else in them would still be the example's; or nothing takes keys."""
    sketches = converted(
        server, demo.WORKFLOW.with_name(f"{PAGES['sketch_guided_nano'].file}.json")
    )
    other = "takes something from Toon Example Keys, too"
    for prompt, message in ((sketches, other), (movie(3), "has no Toon Encode Keys")):
        with (
            pytest.raises(ValueError, match=message),
            give_keys(prompt, server.base / "input", *own),
        ):
            pass
    assert not list((server.base / "input").glob("demo_*"))
    with pytest.raises(ValueError, match="has no Toon Encode Keys"):
        write_prompt(movie(3), "a cat")


def test_options_that_cannot_be_are_refused_at_once(
    own: tuple[Path, Path], tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    (tmp_path / "ComfyUI").mkdir()
    monkeypatch.setattr(demo, "COMFY", tmp_path)
    first, missing, text = str(own[0]), str(tmp_path / "no.png"), tmp_path / "text.png"
    text.write_text("no picture")
    with pytest.raises(SystemExit):
        demo.main(["--first", first])
    assert "--first and --last belong together" in capsys.readouterr().err
    with pytest.raises(SystemExit, match=r"There is no file .*no\.png"):
        demo.main(["--first", first, "--last", missing])
    with pytest.raises(SystemExit, match=r"text\.png cannot be read as a picture"):
        demo.main(["--first", first, "--last", str(text)])


def test_conversion_is_the_pages_own(server: Headless, browser: Browser) -> None:
    """Widgets of every kind: seeds with their control, combos, links into widgets, uploads."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG")
    (server.base / "input" / "a.png").write_bytes(buffer.getvalue())
    sample = {"seed": 7, "steps": 3, "cfg": 2.5, "denoise": 0.75}
    combos = {"sampler_name": "euler", "scheduler": "simple"}
    prompt = {
        **movie(3),
        "10": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
        "11": {"class_type": "PrimitiveInt", "inputs": {"value": 5}},
        "12": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64}},
        "13": {"class_type": "KSampler", "inputs": {"latent_image": ["12", 0], **sample, **combos}},
    }
    prompt["12"]["inputs"]["batch_size"] = ["11", 0]
    graph = browser.to_graph(prompt)
    note = {"id": 99, "type": "Note", "pos": [0, 0], "size": [200, 100], "widgets_values": ["hi"]}
    graph["nodes"].append({**note, "flags": {}, "order": 0, "mode": 0, "inputs": [], "outputs": []})
    ours = prompt_from_graph(graph, server.get("/object_info"))
    assert plain(ours) == plain(browser.open(graph).prompt)
    assert ours["13"]["inputs"]["cfg"] == 2.5 and ours["12"]["inputs"]["batch_size"] == ["11", 0]


def test_conversion_fills_in_what_came_after_the_file() -> None:
    """Choices with inputs of their own, nested, and widgets that the file has no values for."""
    crf = {"required": {"crf": ["FLOAT", {"default": 23.0}], "mask": ["MASK", {}]}}
    codec = [{"key": "auto", "inputs": {"required": {}}}, {"key": "h264", "inputs": crf}]
    inner = {"required": {"codec": ["COMFY_DYNAMICCOMBO_V3", {"options": codec}]}}
    formats = [{"key": "auto", "inputs": {"required": {}}}, {"key": "mp4", "inputs": inner}]
    declared = {
        "required": {
            "format": ["COMFY_DYNAMICCOMBO_V3", {"options": formats}],
            "tint": ["COLOR", {"socketless": True, "default": "#fff"}],
        },
        "optional": {
            "depth": ["INT", {"default": 8}],
            "any": ["FLOAT,INT", {"widgetType": "FLOAT", "default": 1.5}],
            "mode": ["COMBO", {"options": ["fast", "slow"]}],
        },
    }
    info = {"Save": {"input": declared, "display_name": "Save"}}

    def inputs(*values: Any) -> dict[str, Any]:
        node = {"id": 5, "type": "Save", "inputs": [], "widgets_values": [*values]}
        return prompt_from_graph({"nodes": [node]}, info)["5"]["inputs"]

    rest = {"tint": "#fff", "depth": 8, "any": 1.5, "mode": "fast"}
    assert inputs() == {"format": "auto", **rest}
    assert inputs("mp4") == {"format": "mp4", "format.codec": "auto", **rest}
    chosen = {"format": "mp4", "format.codec": "h264", "format.codec.crf": 18.0}
    assert inputs("mp4", "h264", 18.0, "#000") == {**chosen, **rest, "tint": "#000"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"type": "NoSuchNode"}, "no such node"),
        ({"mode": 4}, "bypassed"),
        ({"widgets_values": [1]}, "1 widget values"),
    ],
)
def test_conversion_refuses_by_name(change: dict[str, Any], message: str) -> None:
    declared = {"required": {"a": ["INT", {}], "b": ["STRING", {}]}}
    info = {"Some": {"input": declared, "display_name": "Some"}}
    node = {"id": 5, "type": "Some", "mode": 0, "inputs": [], "widgets_values": [1, "x"]}
    assert prompt_from_graph({"nodes": [node]}, info)["5"]["inputs"] == {"a": 1, "b": "x"}
    with pytest.raises(ValueError, match=rf"node 5 .*{message}"):
        prompt_from_graph({"nodes": [{**node, **change}]}, info)


def plain(prompt: dict[str, Any]) -> str:
    for node in prompt.values():
        node.pop("_meta", None)
    return json.dumps(prompt, sort_keys=True)
