"""What nodes say to their user: on the node, in the log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from graphs import node

if TYPE_CHECKING:
    from inprocess import Comfy


LEVELS = {"i": logging.INFO, "p": logging.DEBUG}  # the latter is host.PASSING


@pytest.fixture
def speaker(comfy: Comfy) -> Iterator[dict[str, Any]]:
    """A prompt with a node 1 that says its texts, one after the other."""
    host = comfy.part("host")
    host._said.clear()  # a node of this number ran in other tests

    class TestSay:
        RETURN_TYPES = ("STRING",)
        FUNCTION = "run"

        @classmethod
        def INPUT_TYPES(cls) -> dict[str, Any]:
            return {"required": {"texts": ("STRING", {})}}

        def run(self, texts: str) -> tuple[str]:
            host.say()
            for text in texts.split():
                host.say(text, level=LEVELS.get(text[0], logging.WARNING))
            return (texts,)

    comfy.nodes.NODE_CLASS_MAPPINGS["TestSay"] = TestSay
    yield {"1": node("TestSay", texts="")}
    del comfy.nodes.NODE_CLASS_MAPPINGS["TestSay"]


def said(comfy: Comfy, prompt: dict[str, Any], texts: str) -> list[str]:
    prompt["1"]["inputs"]["texts"] = texts
    return comfy.run(prompt, keep=["1"]).said("1")


def test_a_passing_line_goes_with_the_next(comfy: Comfy, speaker: dict[str, Any]) -> None:
    assert LEVELS["p"] == comfy.part("host").PASSING
    assert said(comfy, speaker, "one p1 p2 i3")[1:] == ["• one\n• p1", "• one\n• p2", "• one\n• i3"]


def test_lines_of_a_run_are_listed_and_those_before_go(
    comfy: Comfy, speaker: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    assert said(comfy, speaker, "") == []  # no box where nothing was said
    assert said(comfy, speaker, "one two") == ["one", "• one\n• two"]
    assert said(comfy, speaker, "three") == [" ", "three"]
    assert said(comfy, speaker, "") == [" "]
    assert said(comfy, speaker, "") == []
    assert [r.getMessage() for r in caplog.records if r.name == "toon.nodes"] == [
        f"node 1: {text}" for text in ("one", "two", "three")
    ]


def test_warnings_come_first(comfy: Comfy, speaker: dict[str, Any]) -> None:
    assert said(comfy, speaker, "i1 w1 i2 w2")[-1] == "• w1\n• w2\n• i1\n• i2"


def test_a_text_is_no_html(comfy: Comfy, speaker: dict[str, Any]) -> None:
    """The page takes it as HTML, and a file's name may be anything."""
    assert said(comfy, speaker, "<img/src=x>&") == ["&lt;img/src=x&gt;&amp;"]


def test_without_a_page_there_is_the_log(
    comfy: Comfy,
    speaker: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not to all pages that are open: node 1 is another one there."""
    execute = comfy.execution.PromptExecutor.execute
    monkeypatch.setattr(
        comfy.execution.PromptExecutor,
        "execute",
        lambda self, prompt, key, extra, outputs: execute(self, prompt, key, {}, outputs),
    )
    assert said(comfy, speaker, "alone") == []
    assert "node 1: alone" in caplog.messages


def test_outside_a_run_and_without_the_servers_call(
    comfy: Comfy, speaker: dict[str, Any], caplog: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    comfy.part("host").say("by a script", level=logging.WARNING)
    assert "by a script" in caplog.messages
    monkeypatch.delattr(type(comfy.server), "send_progress_text")
    assert said(comfy, speaker, "older") == []
    assert "node 1: older" in caplog.messages
