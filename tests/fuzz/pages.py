"""Hostile names, prompts and answers in what an evaluation and a user study write for people."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from case import Case

from toon_core.metrics.metric import HIGHER, Metric
from train.eval.options import Settings, Spec, read_spec
from train.eval.output import TEMPLATES, write_page
from train.eval.report import Report
from train.eval.scores import ClipScores, Scored
from train.eval.study import Study, make, tally
from train.eval.tables import Curve, Table, interval, write_curves, write_table
from train.eval.testset import write_frames

TEXTS = {
    "script": "</script><script>window.PWN=1</script>",
    "capitals": "</SCRIPT ><svg onload=window.PWN=1>",
    "comment": "<!--<script>",
    "comment_end": "--></script>",
    "image": "<img src=x onerror=window.PWN=1>",
    "cdata": "]]><![CDATA[",
    "facts": "@FACTS@",
    "entities": "a'\"&amp;b&lt;script&gt;",
    "escaped": "<\\/script> \\u003c \\",
    "prototype": "__proto__",
    "constructor": "constructor",
    "template": "{{7*7}}${7*7}`",
    "link": "[a](javascript:alert(1)) javascript:alert(1)",
    "cells": "a | b || c |",
    "heading": "# a\n\n<b>\n| x | y |\n",
    "stars": "**a** _b_ `c`",
    "separators": "a\u2028b\u2029c\x85d",
    "controls": "\x1b[31m\x07\x7f\x08",
    "bidi": "\u202egnp.\u2066x",
    "emoji": "\u72d0\u72f8\U0001f98a\u200d",
    "quotes": '"}];alert(1);//',
    "path": "../../x",
    "dots": "..",
    "long": "x" * 20_000,
    "empty": "",
    "space": " ",
}
ANSWERS = {
    "none": b"",
    "list": b"[]",
    "bytes": bytes(range(128, 256)),
    "deep": b"[" * 100_000,
    "study": b'{"study": "x", "rater": "a", "answers": []}',
    "rater": b'{"study": "@", "rater": 5, "answers": []}',
    "answers": b'{"study": "@", "rater": "a", "answers": [1]}',
    "criterion": b'{"study": "@", "rater": "a", "answers": [{"criterion": "x"}]}',
    "chosen": b'{"study": "@", "rater": "a", "answers": [{"chosen": {"a": 1}}]}',
    "prototype": b'{"study": "@", "rater": "a", "answers": [{"chosen": "__proto__"}]}',
    "tie": b'{"study": "@", "rater": "a", "answers": [{"chosen": "tie", "clip": {"a": 1}}]}',
    "nan": b'{"study": NaN, "rater": "a", "answers": []}',
}
METRIC = Metric(
    key="psnr", title="PSNR", better=HIGHER, digits=2, meaning="of the frames", compute=float
)


def cases() -> list[Case]:
    torch.set_num_threads(1)
    kinds: dict[str, Callable[[str, Path], object]] = {
        "report": report,
        "tables": tables,
        "study": study,
    }
    found = [
        Case(
            area="pages",
            name=f"{kind}_{name}",
            attempt=lambda folder, show=show, text=text: show(text, folder),
            refused=False,
        )
        for kind, show in kinds.items()
        for name, text in TEXTS.items()
    ]
    found += [
        Case(
            area="pages",
            name=f"answers_{name}",
            attempt=lambda folder, data=data: answers(data, folder),
            names=("ann.json",),
            refused=True,
        )
        for name, data in ANSWERS.items()
    ]
    return found + [
        Case(
            area="pages",
            name=f"system_{name}",
            attempt=lambda folder, text=text: read_spec(text),
            names=("system",),
            refused=True,
        )
        for name, text in TEXTS.items()
        if len(text) < 300 and name != "dots"  # a folder that is there
    ]


def good(folder: Path) -> None:
    report("a fox", folder)
    tables("nano", folder)


@dataclass(frozen=True, kw_only=True)
class BlackClips(Report):
    """A report of clips that are on no disk."""

    def rows(self, name: str) -> dict[str, torch.Tensor]:
        frames = torch.zeros(4, 3, *self.clips[name].size)
        return dict.fromkeys(["truth", *self.clips[name].systems], frames)


def report(text: str, folder: Path) -> None:
    """The text everywhere in the page of an evaluation; RuntimeError where its script would not
    find it there again."""
    over_time = dict.fromkeys(("psnr", "ssim", "colour_drift"), [1.0, 2.0])
    scored = Scored(values={"psnr": 1.0, "ssim": 1.0}, over_time=over_time)
    clip = ClipScores(
        name=text,
        folder=folder,
        digest="",
        frames=4,
        size=(8, 8),
        prompt=text,
        fps=None,
        passing=False,
        truth=scored,
        systems={text: scored},
        decoded={text: scored},
    )
    given = BlackClips(
        testset=text,
        settings=Settings(out=folder, only=()),
        specs=[Spec(name=text, what="nearest")],
        clips={text: clip},
    )
    write_page(folder / "report.html", given)
    facts = _facts(folder / "report.html", TEMPLATES / "report.html")
    prompts = {name: clip["prompt"] for name, clip in facts["media"].items()}
    shown = facts["title"], facts["notes"], prompts, list(facts["clips"])
    if shown != (f"1 clips of {text}", [given.caption()], {text: text}, [text]):
        raise RuntimeError(f"the page shows {shown}")


def study(text: str, folder: Path) -> None:
    """The text as the prompt of a clip, and as far as it can be, as the name of its folder."""
    name = re.sub(r"[/\0]", "_", text)[:100].strip(". ") or "clip"
    clip = folder / "set" / name
    write_frames(torch.rand(4, 3, 16, 16), clip)
    (clip / "prompt.txt").write_text(text, encoding="utf-8", newline="")
    page = make(
        Study(
            testset=folder / "set",
            out=folder / "out",
            systems=("crossfade", "nearest"),
            size=16,
        )
    )
    [shown] = _facts(page, TEMPLATES / "study.html")["clips"]
    if shown["prompt"] != text.replace("\r", "\n").strip():
        raise RuntimeError(f"the page shows {shown['prompt']!r}")


def tables(text: str, folder: Path) -> None:
    """The text as a system's name in Markdown; RuntimeError where it makes a cell, or a tag."""
    write_table(folder / "table", _table(text))
    curve = Curve(title="PSNR", metric=METRIC, systems={text: [1.0], "b": [2.0]})
    write_curves(folder / "curves", [curve])
    for file in (folder / "table.md", folder / "curves.md"):
        lines = file.read_text(encoding="utf-8").splitlines()
        rows = [re.findall(r"(?<!\\)(?:\\\\)*\|", line) for line in lines if line.startswith("|")]
        if len(rows) != 4 or len({len(row) for row in rows}) > 1:
            raise RuntimeError(f"{file.name} has other rows: {lines}")
        if re.search(r"(?<!\\)(?:\\\\)*<", "".join(lines)):
            raise RuntimeError(f"{file.name} holds a tag: {lines}")
    found = json.loads((folder / "table.json").read_text(encoding="utf-8"))
    if list(found["systems"]) != [text, "b"]:
        raise RuntimeError(f"the JSON holds {list(found['systems'])}")


def answers(data: bytes, folder: Path) -> None:
    study("a fox", folder)
    key = json.loads((folder / "out" / "key.json").read_text())
    (folder / "ann.json").write_bytes(data.replace(b"@", key["study"].encode()))
    tally(folder / "out", [folder / "ann.json"])


def _table(system: str) -> Table:
    summary = {name: {"psnr": interval([1.0, 2.0]) | {"model": None}} for name in (system, "b")}
    return Table(title="All", metrics=[METRIC], summary=summary, clips=2)


def _facts(page: Path, template: Path) -> dict:
    """What stands in a page's script element: there is nothing in it that a parser of HTML would
    take for its end or another's begin, and all else is the template's."""
    before, after = template.read_text(encoding="utf-8").split("@FACTS@")
    html = page.read_text(encoding="utf-8")
    if not (html.startswith(before) and html.endswith(after)):
        raise RuntimeError(f"{page.name} is not its template around the facts")
    text = html[len(before) : len(html) - len(after)]
    if "<" in text:
        raise RuntimeError(f"{page.name} holds '<' in its facts")
    return json.loads(text)
