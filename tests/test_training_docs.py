"""The pages in docs/: commands are understood and files are there. Options are generated."""

from __future__ import annotations

import re
import shlex
from importlib import import_module
from typing import Any

import pytest
from place import ROOT

from toon_core.metrics.networks.clip_similarity import FOLDER as CLIP_FOLDER
from toon_core.metrics.networks.i3d import FILE as I3D_FILE
from toon_core.metrics.networks.imagenet import FILES
from train.data.filters import captions, pictures, shots, sketches
from train.engine.config import read
from train.engine.options import options_of

TEXT = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
OTHERS = ("nano.md", "evaluation.md", "puppets.md", "report/README.md")
FLAGS = ("train.evaluate", "train.study")  # entries with flags in place of key=value words
DESCRIBED = (
    *(
        f"train.{name}"
        for name in (
            *("prepare", "puppets", "layers", "nano", "cache", "autoencoder"),
            *("pretrain", "rectify", "decoder", "sketch", "assemble"),
        )
    ),
    "benchmarks.recipe_memory",
)


def commands(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(".venv/bin/")]


LINES = commands(TEXT)
OTHER_LINES = [
    line for page in OTHERS for line in commands((ROOT / "docs" / page).read_text(encoding="utf-8"))
]


def schema(entry: str) -> Any:
    """The options of an entry: of the dataclasses behind its door the one that it parses."""
    source = (ROOT / entry.replace(".", "/")).with_suffix(".py").read_text(encoding="utf-8")
    found = re.search(r"parse\((\w+Config), arguments", source)
    return getattr(import_module(entry), found[1])


def rows(head: str = "Option") -> dict[str, list[str]]:
    """First cell's names -> second cells, of the tables whose first cell is `head`."""
    found: dict[str, list[str]] = {}
    for table in re.findall(rf"^\| {head} \|.*\n(?:\|.*\n)+", TEXT, flags=re.MULTILINE):
        for line in table.splitlines()[2:]:
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            for name in re.findall(r"`([\w./-]+)`", cells[0]):
                found.setdefault(name, []).append(cells[1])
    return found


@pytest.mark.parametrize("line", [*LINES, *OTHER_LINES])
def test_commands_are_understood(line: str) -> None:
    program, *rest = shlex.split(line)
    module, given = rest[rest.index("-m") + 1], rest[rest.index("-m") + 2 :]
    assert (program == ".venv/bin/torchrun") == ("--standalone" in rest)
    assert (program == ".venv/bin/accelerate") == (rest[0] == "launch")
    if module in FLAGS:
        import_module(module).parse(given)  # ends the program at a wrong flag
        return
    given = [word for word in given if word != "--dry-run"]
    file, words = (ROOT / given[1], given[2:]) if given[:1] == ["--config"] else (None, given)
    read(schema(module), file, words)


def test_the_report_s_files_are_there() -> None:
    folder = ROOT / "docs" / "report"
    text = (folder / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)]+)\)", text)
    listed = [
        re.findall(r"`(\w+\.\w+)`", row) for row in re.findall(r"^\| `.*", text, re.MULTILINE)
    ]
    files = [*links, *(name for row in listed for name in row)]
    assert len(files) > 12 and [name for name in files if not (folder / name).exists()] == []


def test_clips_of_noto_are_prepared_with_their_families() -> None:
    """Without them look-alikes of training clips would be held out."""
    noto = [line for line in (*LINES, *OTHER_LINES) if "train.prepare" in line and "noto" in line]
    assert len(noto) > 1 and all("--config train/configs/noto.yaml" in line for line in noto)


def test_every_recipe_is_shown() -> None:
    for name in ("prepare", "cache", "rectify", "decoder", "sketch", "assemble"):
        assert any(f"-m train.{name}" in line for line in LINES), name
    assert any("-m benchmarks.recipe_memory" in line for line in LINES)


@pytest.mark.parametrize("entry", DESCRIBED)
def test_every_option_says_what_it_does(entry: str) -> None:
    told = {own.name: own.text for own in options_of(schema(entry))}
    assert len(told) > 4 and [name for name, text in told.items() if not text] == []


def test_the_models_folder_has_the_names_that_are_looked_for() -> None:
    wanted = {
        f"{folder}/" for folder in (captions.CAPTION_FOLDER, captions.CLIP_FOLDER, CLIP_FOLDER)
    }
    wanted |= {*sketches.WEIGHTS, shots.WEIGHTS, pictures.TEXT_WEIGHTS, *FILES.values(), I3D_FILE}
    assert set(rows("In `models/`")) == wanted
