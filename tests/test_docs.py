"""What the READMEs, the help pages and the translation say is so."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from place import ROOT

if TYPE_CHECKING:
    from inprocess import Comfy

READMES = ("README.md", "README.zh-TW.md")
PAGES = sorted((ROOT / "js" / "docs").rglob("*.md"))
CODE = ("toon_core", "nodes", "train", "scripts", "benchmarks", "tests", "cast")
MADE_LATER = (".venv/", ".comfyui/", "output/", "data/", "runs/")  # by set-up and by runs
OTHERS = ("ComfyUI/", "models/")  # folders of the user's ComfyUI
PYTHON = ".venv/bin/python"
MACHINE = r"/home/|/root/|/tmp/|/work/|localhost|https?://(?!creativecommons\.org)"
BIG = 2**64 - 1
FLAGS = ("train.evaluate", "train.study")  # entries with flags in place of key=value words
SHOWN = ("required", "optional")  # an output node has hidden inputs too


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def parts(text: str) -> tuple[str, list[str]]:
    """The text outside of fenced blocks, and the blocks."""
    pieces = re.split(r"^```\n", text, flags=re.MULTILINE)
    assert len(pieces) % 2, "a fence is open"
    return "".join(pieces[::2]), pieces[1::2]


def headings(text: str) -> list[str]:
    """The levels, in order."""
    return re.findall(r"^(#+) ", parts(text)[0], flags=re.MULTILINE)


def spans(text: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", parts(text)[0])


def tree(text: str) -> dict[str, str]:
    """Path -> comment, of the block that begins with __init__.py."""
    [block] = [b for b in parts(text)[1] if b.startswith("__init__.py")]
    found, folder = {}, ""
    for line in block.splitlines():
        indent, name, comment = re.fullmatch(r"( *)(\S+) +(\S.*)", line).groups()
        if not indent:
            folder = name if name.endswith("/") else ""
        found[folder + name if indent else name] = comment
    return found


def commands(text: str) -> list[str]:
    outside, blocks = parts(text)
    lines = [line for block in blocks for line in block.splitlines()] + spans(text)
    return [line for line in lines if line.startswith((PYTHON + " ", "make ", "pip "))]


def targets() -> set[str]:
    return set(re.findall(r"^(\w+):", text_of("Makefile"), flags=re.MULTILINE))


def exists(path: str) -> bool:
    return (ROOT / path).is_dir() if path.endswith("/") else (ROOT / path).exists()


def check_command(command: str) -> None:
    program, *words = shlex.split(command)
    if program == "make":
        assert set(words) <= targets(), command
    elif program == "pip":
        assert words[:2] == ["install", "-r"] and exists(words[2]), command
    elif words[0] == "-m":
        check_options(words[1], words[2:])
    else:
        assert all(known(word) for word in words if not word.startswith("--")), command


def known(value: str) -> bool:
    """A file here or made before, or a number."""
    return value.startswith(MADE_LATER) or value.isdigit() or exists(value)


@contextmanager
def exits_are_failures(module: str) -> Iterator[None]:
    """argparse ends the program at a wrong flag."""
    try:
        yield
    except SystemExit as error:
        raise AssertionError(f"{module}: wrong flags") from error


def check_options(module: str, words: list[str]) -> None:
    """key=value words are options of the entry, and what it reads is there or made before."""
    assert '__name__ == "__main__"' in text_of(module.replace(".", "/") + ".py")
    if module in FLAGS:
        with exits_are_failures(module):
            import_module(module).parse(words)
        return
    schemas = [v for v in vars(import_module(module)).values() if is_dataclass(v)]
    options = {field.name for schema in schemas for field in fields(schema)}
    if words[:1] == ["--config"]:
        assert exists(words[1]) and set(yaml.safe_load(text_of(words[1]))) <= options, words[1]
        words = words[2:]
    for word in words:
        key, value = word.split("=", 1)
        assert key in options, word
        assert known(value), word


def test_both_readmes_have_the_same_sections() -> None:
    english, chinese = (text_of(name) for name in READMES)
    assert headings(english) == headings(chinese) and len(headings(english)) > 10
    assert parts(english)[1][:-1] == parts(chinese)[1][:-1], "the same commands"
    assert list(tree(english)) == list(tree(chinese))
    for pattern in (r"\d+(?:\.\d+)?(?:e-\d+)?", r"`[^`\n]+`"):
        ours, theirs = (sorted(set(re.findall(pattern, parts(t)[0]))) for t in (english, chinese))
        assert set(ours) == set(theirs), set(ours) ^ set(theirs)


@pytest.mark.parametrize("name", READMES)
def test_commands_exist(name: str) -> None:
    found = commands(text_of(name))
    assert len(found) >= 10
    for command in found:
        check_command(command)
    assert {"make demo", "make test", "make setup", "make lint"} <= set(found)


@pytest.mark.parametrize(
    "command",
    [
        "make nothing",
        f"{PYTHON} scripts/nothing.py",
        f"{PYTHON} -m train.prepare dat=cast/clips",
        f"{PYTHON} -m train.prepare data=cast/nothing",
        f"{PYTHON} -m train.rectify --config train/configs/nothing.yaml",
        f"{PYTHON} -m train.prepare --config train/configs/trial.yaml",
        f"{PYTHON} -m train.evaluate --testset data/heldout --systems nano --out runs/report",
    ],
)
def test_wrong_commands_are_noticed(command: str) -> None:
    with pytest.raises(AssertionError):
        check_command(command)


@pytest.mark.parametrize("name", READMES)
def test_paths_exist(name: str) -> None:
    text = text_of(name)
    paths = [s for s in spans(text) if "/" in s and " " not in s and "=" not in s]
    paths += re.findall(r"\]\(([^)]+)\)", text)
    ours = [p for p in paths if not p.startswith((*MADE_LATER, *OTHERS))]
    assert len(ours) > 20 and [p for p in ours if not exists(p)] == []
    modules = [s for s in spans(text) if re.fullmatch(r"train\.\w+", s)]
    assert modules and all(exists(m.replace(".", "/") + ".py") for m in modules)


@pytest.mark.parametrize("name", READMES)
def test_tree_is_what_is_there(name: str) -> None:
    found = tree(text_of(name))
    assert [path for path in found if not exists(path)] == []
    top = {p.name for p in ROOT.iterdir() if p.is_dir() and p.name in (*CODE, "js", "workflows")}
    assert top <= {path.split("/")[0] for path in found}
    for folder in ("nodes", "toon_core"):
        there = {f"{folder}/{p.name}" for p in (ROOT / folder).glob("*.py")}
        there |= {f"{folder}/{p.parent.name}/" for p in (ROOT / folder).glob("*/__init__.py")}
        there -= {f"{folder}/__init__.py"}
        assert {p for p in found if p.startswith(folder + "/")} - {folder + "/"} == there


@pytest.mark.parametrize("path", [ROOT / n for n in READMES] + PAGES, ids=lambda p: p.name)
def test_no_machine_and_no_unfinished_places(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(MACHINE, text) and not re.search(r"TODO|FIXME|\bTBD\b|\u2014", text)


def infos(comfy: Comfy) -> dict[str, Any]:
    found = {k: v for k, v in comfy.nodes.NODE_CLASS_MAPPINGS.items() if k.startswith("Toon")}
    return {k: v.GET_NODE_INFO_V1() for k, v in found.items()}


def rows(page: str, columns: int) -> dict[str, list[str]]:
    """The first cell's name -> the other cells, of the tables with that many columns."""
    lines = [line.strip("|").split("|") for line in page.splitlines() if line.startswith("| `")]
    cells = [[cell.strip() for cell in line] for line in lines if len(line) == columns]
    return {re.match(r"`(\w+)`", first).group(1): rest for first, *rest in cells}


def inputs_of(info: dict[str, Any]) -> dict[str, tuple[str, dict[str, Any]]]:
    return {k: (v[0], v[1]) for kind in SHOWN for k, v in info["input"].get(kind, {}).items()}


def check_input(row: list[str], kind: str, options: dict[str, Any]) -> None:
    shown_kind, default, limits, meaning = row
    assert shown_kind == kind and len(meaning) > 4
    if "default" in options:
        value = options["default"]
        shown = str(value).lower() if isinstance(value, bool) else str(value)
        assert default == f"`{shown}`" if shown else default
    if "min" in options:
        wanted = [options["min"], "2^64 - 1" if options["max"] == BIG else options["max"]]
        found = re.match(r"(-?[\d.]+) (?:to|\u5230) (2\^64 - 1|[\d.]+)", limits).groups()
        assert [str(w) for w in wanted] == list(found)
    if "options" in options and "file" not in row[3] and "`" in limits:
        assert re.findall(r"`([^`]+)`", limits) == options["options"]


def test_every_node_has_a_true_help_page(comfy: Comfy) -> None:
    nodes = infos(comfy)
    assert {p.stem for p in PAGES if p.parent.name == "docs"} == set(nodes)
    assert {p.parent.name for p in PAGES if p.parent.name != "docs"} <= set(nodes)
    for path in PAGES:
        node = path.stem if path.parent.name == "docs" else path.parent.name
        page, info = path.read_text(encoding="utf-8"), nodes[node]
        wanted, shown = inputs_of(info), rows(page, 5)
        assert list(shown) == list(wanted), path
        for name, (kind, options) in wanted.items():
            check_input(shown[name], kind, options)
        outputs = {name: row[0] for name, row in rows(page, 3).items()}
        assert outputs == dict(zip(info["output_name"], info["output"], strict=True)), path
        assert len(headings(page)) == 5 and f"`{node}`" in page.splitlines()[0]


def test_titles_in_the_texts_are_the_nodes(comfy: Comfy) -> None:
    """A renamed node must not live on under its old name."""
    nodes = infos(comfy)
    titles = {info["display_name"] for info in nodes.values()}
    texts = {p: p.read_text(encoding="utf-8") for p in [*(ROOT / n for n in READMES), *PAGES]}
    for path, text in texts.items():
        ids = {s for s in spans(text) if re.fullmatch(r"Toon[A-Z]\w+", s)}
        assert ids - set(nodes) - {"ToonTween", "ToonCrafter"} == set(), path
        named = re.findall(r"\bToon (?:[A-Z]\w+)(?: [A-Z]\w+)*", text)
        wrong = [n for n in named if not any(n.startswith(t) for t in titles)]
        assert wrong == [], path
    for name in READMES:
        assert set(nodes) <= set(spans(texts[ROOT / name]))


def test_translation_names_what_exists(comfy: Comfy) -> None:
    nodes = infos(comfy)
    from app.custom_node_manager import CustomNodeManager

    translated = json.loads(text_of("locales/zh-TW/nodeDefs.json"))
    assert CustomNodeManager().build_translations()["zh-TW"]["nodeDefs"] == translated
    assert set(translated) == set(nodes)
    for node, entry in translated.items():
        info = nodes[node]
        assert entry["display_name"] and entry["description"]
        assert set(entry["inputs"]) == set(inputs_of(info)), node
        assert len(entry["outputs"]) == len(info["output"]), node
        for part in (*entry["inputs"].values(), *entry["outputs"].values()):
            assert part["name"] and part["tooltip"]
