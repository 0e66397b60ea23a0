"""The timeline in the languages of the page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from place import ROOT
from timeline_hand import CSS, Hand, sheet

FOLDER = ROOT / "js" / "timeline"
LANGUAGES = sorted(path.stem for path in (FOLDER / "words").glob("*.js"))
LOCALE = "app.extensionManager.setting.set('Comfy.Locale', language)"


def texts(source: str) -> Iterator[str]:
    """What words.js looks up for each template of a source: "Frame {0} of {1}"."""
    for begin in re.finditer(r"(?<![\w$.])(?:t|later)`", source):
        at, values, text = begin.end(), 0, ""
        while source[at] != "`":
            if not source.startswith("${", at):
                text, at = text + source[at], at + 1
                continue
            text, values, at = f"{text}{{{values}}}", values + 1, at + 2
            depth = 1
            while depth:
                depth += {"{": 1, "}": -1}.get(source[at], 0)
                at += 1
        yield text


def translated(language: str) -> dict[str, str]:
    source = (FOLDER / "words" / f"{language}.js").read_text(encoding="utf-8")
    words = source[source.index("{") : source.rindex("}")].rstrip().rstrip(",")
    return json.loads(words + "}")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_has_its_words(language: str) -> None:
    sources = [path for path in FOLDER.glob("*.js") if path.name != "words.js"]
    said = {text for path in sources for text in texts(path.read_text(encoding="utf-8"))}
    words = translated(language)
    assert said == words.keys()
    for english, other in words.items():
        values = [sorted(re.findall(r"\{\d\}", text)) for text in (english, other)]
        assert other and values[0] == values[1], english


def shown(hand: Hand, css: str) -> str:
    return hand.browser.do(lambda page: page.locator(f"{CSS} {css}").inner_text())


def test_the_timeline_speaks_the_pages_language(hand: Hand) -> None:
    words = translated("ja")
    hand.browser.evaluate(f"language => {LOCALE}", "ja")
    try:
        hand.load(sheet())
        says, bar = (shown(hand, part) for part in (".says", ".bar"))
        assert says == words["{0} keys, ready."].format(4)
        assert words["+ Sketch"] in bar and words["Fit"] in bar
        assert shown(hand, "[data-segment=b] span") == words["on {0}s"].format(2)
        hand.click("[data-segment=c]")
        panel = shown(hand, ".panel")
        assert words["Exposure"] in panel and words["tween"] in panel
        hand.browser.do(lambda page: page.select_option(f"{CSS} [name=mode]", label=words["tween"]))
        assert "mode" not in hand.sheet()["segments"][1]
    finally:
        hand.browser.evaluate(f"language => {LOCALE}", "en")
