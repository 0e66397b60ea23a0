"""The pages in docs/: commands are understood, files are there, defaults are the recipes'."""

from __future__ import annotations

import re
import shlex
from dataclasses import MISSING, Field, fields, is_dataclass
from importlib import import_module
from typing import Any

import pytest
from place import ROOT

from toon_core.metrics.networks.clip_similarity import FOLDER as CLIP_FOLDER
from toon_core.metrics.networks.i3d import FILE as I3D_FILE
from toon_core.metrics.networks.imagenet import FILES
from train.data import drawers
from train.data.filters import agreement, captions, shots, text
from train.engine.config import RunConfig, read

TEXT = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
OTHERS = ("nano.md", "evaluation.md", "puppets.md", "report/README.md")
FLAGS = ("train.evaluate", "train.study")  # entries with flags in place of key=value words


def commands(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(".venv/bin/")]


LINES = commands(TEXT)
OTHER_LINES = [
    line for page in OTHERS for line in commands((ROOT / "docs" / page).read_text(encoding="utf-8"))
]
RECIPES = ("rectify", "sketch", "decoder", "pretrain", "autoencoder")


def schema(entry: str) -> Any:
    """The options of an entry: of its dataclasses the largest."""
    found = [v for k, v in vars(import_module(f"train.{entry}")).items() if k.endswith("Config")]
    return max(filter(is_dataclass, found), key=lambda c: len(fields(c)))


def rows(head: str = "Option") -> dict[str, list[str]]:
    """First cell's names -> second cells, of the tables whose first cell is `head`."""
    found: dict[str, list[str]] = {}
    for table in re.findall(rf"^\| {head} \|.*\n(?:\|.*\n)+", TEXT, flags=re.MULTILINE):
        for line in table.splitlines()[2:]:
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            for name in re.findall(r"`([\w./-]+)`", cells[0]):
                found.setdefault(name, []).append(cells[1])
    return found


def words(value: Any) -> list[str]:
    """How the table writes a default; of a tuple, both."""
    if isinstance(value, (tuple, list)):
        return [w for v in value for w in words(v)]
    if isinstance(value, bool):
        return [str(value).lower()]
    return [number(str(value))] if value not in ("", None) else []


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
    read(schema(module.removeprefix("train.")), file, words)


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
    for name in ("prepare", "cache", "rectify", "decoder", "sketch", "assemble", "memory"):
        assert any(f"-m train.{name}" in line for line in LINES), name


def test_every_shared_option_is_in_the_table() -> None:
    shared = {f.name for f in fields(RunConfig)} - {"data", "out", "dry_run"}
    assert shared <= set(rows()), shared - set(rows())


@pytest.mark.parametrize("entry", RECIPES)
def test_defaults_are_the_recipes(entry: str) -> None:
    table, options = rows(), schema(entry)
    assert {option.name for option in fields(options)} - {"data", "out", "dry_run"} <= set(table)
    for option in fields(options):
        if option.name in table and option.default is not MISSING:
            wanted, cells = set(words(defaults(options, option))), table[option.name]
            assert any(wanted <= stated(cell) for cell in cells), (option.name, wanted, cells)


def defaults(options: Any, option: Field) -> Any:
    """An option's own, or both that go by the model."""
    if option.default is not None or option.name not in options.FULL:
        return option.default
    return options.FULL[option.name], options.SMALL[option.name]


def leaves(options: Any, prefix: str = "") -> dict[str, Any]:
    """Dotted name -> default of every option, those of groups too; `windows` has its own file."""
    found = {}
    for option in fields(options):
        name, kind = prefix + option.name, option.default_factory
        if is_dataclass(kind) and name != "windows":
            found |= leaves(kind, f"{name}.")
        elif option.name not in ("data", "out"):
            found[name] = option.default
    return found


@pytest.mark.parametrize("entry", ["prepare", "cache"])
def test_the_table_of_a_data_command_has_its_options_and_defaults(entry: str) -> None:
    table, options = rows(f"`train.{entry}`"), leaves(schema(entry))
    assert set(table) == set(options)
    for name, [cell] in table.items():
        if options[name] is not MISSING:
            assert set(words(options[name])) <= stated(cell), (name, cell)


def test_the_models_folder_has_the_names_that_are_looked_for() -> None:
    wanted = {f"{folder}/" for folder in (captions.FOLDER, agreement.FOLDER, CLIP_FOLDER)}
    wanted |= {*drawers.WEIGHTS, shots.WEIGHTS, text.WEIGHTS, *FILES.values(), I3D_FILE}
    assert set(rows("In `models/`")) == wanted


def stated(cell: str) -> set[str]:
    return {number(word) for word in re.findall(r"[\w.-]+", cell)}


def number(word: str) -> str:
    """A number as it is always written, another word as it is."""
    try:
        return f"{float(word):g}"
    except ValueError:
        return word
