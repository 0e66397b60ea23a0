"""docs/training.md and docs/nano.md: commands can be read, and defaults are the recipes'."""

from __future__ import annotations

import re
import shlex
from dataclasses import MISSING, Field, fields, is_dataclass
from importlib import import_module
from typing import Any

import pytest
from place import ROOT

from train.engine.config import RunConfig, read

TEXT = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
NANO = (ROOT / "docs" / "nano.md").read_text(encoding="utf-8")
LINES = [line for line in TEXT.splitlines() if line.startswith(".venv/bin/")]
NANO_LINES = [line for line in NANO.splitlines() if line.startswith(".venv/bin/")]
RECIPES = ("rectify", "sketch", "decoder", "pretrain", "autoencoder")


def schema(entry: str) -> Any:
    """The options of an entry: of its dataclasses the largest."""
    found = [v for k, v in vars(import_module(f"train.{entry}")).items() if k.endswith("Config")]
    return max(filter(is_dataclass, found), key=lambda c: len(fields(c)))


def rows() -> dict[str, list[str]]:
    """Option -> its Default cells, of the tables whose head begins with Option."""
    found: dict[str, list[str]] = {}
    for table in re.findall(r"^\| Option .*\n(?:\|.*\n)+", TEXT, flags=re.MULTILINE):
        for line in table.splitlines()[2:]:
            cells = [cell.strip() for cell in line.strip("|").split(" | ")]
            for name in re.findall(r"`(\w+)`", cells[0]):
                found.setdefault(name, []).append(cells[1])
    return found


def words(value: Any) -> list[str]:
    """How the table writes a default; of a tuple, both."""
    if isinstance(value, (tuple, list)):
        return [w for v in value for w in words(v)]
    if isinstance(value, bool):
        return [str(value).lower()]
    return [number(str(value))] if value not in ("", None) else []


@pytest.mark.parametrize("line", [*LINES, *NANO_LINES])
def test_commands_are_understood(line: str) -> None:
    program, *rest = shlex.split(line)
    module, given = rest[rest.index("-m") + 1], rest[rest.index("-m") + 2 :]
    assert (program == ".venv/bin/torchrun") == ("--standalone" in rest)
    read(schema(module.removeprefix("train.")), None, [w for w in given if w != "--dry-run"])


def test_every_recipe_is_shown() -> None:
    for name in ("prepare", "cache", "rectify", "decoder", "sketch", "assemble", "memory"):
        assert any(f"-m train.{name}" in line for line in LINES), name


def test_every_shared_option_is_in_the_table() -> None:
    shared = {f.name for f in fields(RunConfig)} - {"data", "out", "dry_run"}
    assert shared <= set(rows()), shared - set(rows())


@pytest.mark.parametrize("entry", ["rectify", "sketch", "decoder", "pretrain"])
def test_defaults_are_the_recipes(entry: str) -> None:
    table, options = rows(), schema(entry)
    for option in fields(options):
        if option.name in table and option.default is not MISSING:
            wanted, cells = set(words(defaults(options, option))), table[option.name]
            assert any(wanted <= stated(cell) for cell in cells), (option.name, wanted, cells)


def defaults(options: Any, option: Field) -> Any:
    """An option's own, or both that go by the model."""
    if option.default is not None or option.name not in options.FULL:
        return option.default
    return options.FULL[option.name], options.SMALL[option.name]


def stated(cell: str) -> set[str]:
    return {number(word) for word in re.findall(r"[\w.-]+", cell)}


def number(word: str) -> str:
    """A number as it is always written, another word as it is."""
    try:
        return f"{float(word):g}"
    except ValueError:
        return word
