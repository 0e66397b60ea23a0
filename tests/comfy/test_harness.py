"""The harness itself, with core nodes only: each way into ComfyUI works and notices failure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import place
import pytest
import torch
from graph_to_prompt import prompt_from_graph

if TYPE_CHECKING:
    from browser import Browser
    from headless import Event, Headless
    from inprocess import Comfy
    from playwright.sync_api import Page


def picture(color: int = 0xFF8000) -> dict[str, Any]:
    empty = {"width": 64, "height": 32, "batch_size": 2, "color": color}
    return {
        "1": {"class_type": "EmptyImage", "inputs": empty},
        "2": {"class_type": "ImageInvert", "inputs": {"image": ["1", 0]}},
        "3": {"class_type": "PreviewImage", "inputs": {"images": ["2", 0]}},
    }


class Slow:
    """Four steps with progress and preview; stands in for a sampler."""

    RETURN_TYPES = ("INT",)
    FUNCTION = "work"
    OUTPUT_NODE = True
    CATEGORY = "tests"
    steps_done = 0

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {"fail": ("BOOLEAN", {"default": False})}}

    def work(self, fail: bool) -> tuple[int]:
        from comfy.utils import ProgressBar
        from PIL import Image

        Slow.steps_done, bar = 0, ProgressBar(4)
        for step in range(4):
            bar.update_absolute(step + 1, 4, ("JPEG", Image.new("RGB", (8, 8)), 64))
            Slow.steps_done += 1
        if fail:
            raise ValueError("as asked")
        return (4,)


@pytest.fixture
def slow(comfy: Comfy) -> dict[str, Any]:
    comfy.nodes.NODE_CLASS_MAPPINGS["TestSlow"] = Slow
    return {"1": {"class_type": "TestSlow", "inputs": {"fail": False}}}


def test_inprocess_runs_and_caches(comfy: Comfy) -> None:
    executor = comfy.executor()
    first = comfy.run(picture(), executor=executor)
    assert first.success and len(first.outputs["3"]["images"]) == 2
    assert first.value("2").shape == (2, 32, 64, 3)
    assert torch.allclose(first.value("1") + first.value("2"), torch.ones(2, 32, 64, 3))
    assert comfy.run(picture(), executor=executor).cached == {"1", "2", "3"}
    assert comfy.run(picture(1), executor=executor).cached == set()


def test_inprocess_takes_and_keeps_objects(comfy: Comfy) -> None:
    image = torch.rand(1, 8, 8, 3)
    prompt = {"a": comfy.give(image), **picture()}
    prompt["2"]["inputs"]["image"] = ["a", 0]
    del prompt["3"]
    assert torch.equal(comfy.run(prompt, keep=["2"]).value("2"), 1 - image)


def test_inprocess_refuses_bad_input(comfy: Comfy) -> None:
    prompt = picture()
    prompt["1"]["inputs"]["width"] = 0
    assert not comfy.validate(prompt).ok
    with pytest.raises(ValueError, match="smaller than min"):
        comfy.run(prompt)


def test_inprocess_interrupt_stops_within_a_step(comfy: Comfy, slow: dict[str, Any]) -> None:
    def cancel(event: Any) -> None:
        if event.kind == "progress" and event.data["value"] == 2:
            comfy.interrupt()

    stopped = comfy.run(slow, on_event=cancel)
    assert stopped.interrupted and not stopped.success and Slow.steps_done == 2
    whole = comfy.run(slow)
    assert whole.success and len(whole.previews) == 4


def test_inprocess_reports_the_failing_node(comfy: Comfy, slow: dict[str, Any]) -> None:
    slow["1"]["inputs"]["fail"] = True
    run = comfy.run(slow)
    assert not run.success and run.error == "as asked"
    with pytest.raises(KeyError, match="as asked"):
        run.value("1")


def test_missing_comfyui_names_the_remedy(tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("TOONTWEEN_COMFYUI", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="make setup"):
        place.comfyui_folder()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="make setup"):
        place.chromium()


def test_another_page_is_asked_for_by_its_folder(tmp_path: Any, monkeypatch: Any) -> None:
    monkeypatch.delenv("TOONTWEEN_FRONTEND", raising=False)
    assert place.front_end() == ()
    monkeypatch.setenv("TOONTWEEN_FRONTEND", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="no index.html"):
        place.front_end()
    (tmp_path / "index.html").touch()
    assert place.front_end() == ("--front-end-root", str(tmp_path))


def test_server_runs_and_serves_the_picture(server: Headless) -> None:
    run = server.run(picture())
    assert run.status == "success", run.answer
    assert server.view(run.outputs["3"]["images"][0]).startswith(b"\x89PNG")
    assert run.of_kind("executed")


def test_server_refuses_bad_input(server: Headless) -> None:
    prompt = picture()
    prompt["1"]["inputs"]["width"] = 0
    run = server.run(prompt)
    assert run.status == "rejected" and "1" in run.answer["node_errors"]


def test_server_interrupt_leaves_the_next_run_healthy(server: Headless) -> None:
    blurs = 30
    long = {"0": picture()["1"]}
    for node in range(1, blurs + 1):
        blur = {"image": [str(node - 1), 0], "blur_radius": 31, "sigma": 5.0}
        long[str(node)] = {"class_type": "ImageBlur", "inputs": blur}
    long["0"]["inputs"].update(width=256, height=256)
    long["end"] = {"class_type": "PreviewImage", "inputs": {"images": [str(blurs), 0]}}

    def cancel(event: Event) -> None:
        if event.kind == "executing" and event.data["node"] == "1":
            server.interrupt()

    stopped = server.run(long, on_event=cancel)
    assert stopped.status == "interrupted"
    assert len(stopped.answer["executed"]) < blurs / 2
    assert server.run(picture(2)).status == "success"


def test_page_converts_opens_and_runs(server: Headless, browser: Browser, tmp_path: Any) -> None:
    prompt = picture(3)
    graph = browser.to_graph(prompt)
    opened = browser.open(graph)
    assert opened.complaints == []
    assert strip(opened.prompt) == strip(prompt)
    assert strip(prompt_from_graph(graph, server.get("/object_info"))) == strip(prompt)
    assert len(browser.run(3)["images"]) == 2
    assert browser.picture(tmp_path / "page.png").stat().st_size > 10_000


def test_page_complains_about_an_unknown_node(browser: Browser) -> None:
    graph = browser.to_graph(picture(4))
    graph["nodes"][0]["type"] = "NoSuchNode"
    opened = browser.open(graph)
    assert opened.unknown == ["NoSuchNode"] and opened.complaints


def strip(prompt: dict[str, Any]) -> dict[str, Any]:
    return {
        key: {"class_type": node["class_type"], "inputs": node["inputs"]}
        for key, node in prompt.items()
    }


def test_errors_of_a_packs_scripts_are_told_from_the_pages(browser: Browser) -> None:
    from browser import EMPTY_GRAPH

    browser.open(EMPTY_GRAPH)
    fails = "setTimeout(() => { throw new Error('as asked') })"

    def work(page: Page) -> None:
        page.route("**/extensions/pack/fails.js", lambda route: route.fulfill(body=fails))
        page.add_script_tag(url="/extensions/pack/fails.js")
        page.evaluate("() => setTimeout(() => { throw new Error('of the page') })")
        page.wait_for_timeout(300)

    browser.do(work)
    with pytest.warns(UserWarning, match="of the page"):
        [error] = browser.errors()
    assert "as asked" in error
