"""What the READMEs, the pages in docs/, the help pages and the translations say is so."""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import english_locale
import make_docs
import pytest
import tomllib
import yaml
from PIL import Image
from place import ROOT

if TYPE_CHECKING:
    from inprocess import Comfy

READMES = ("README.md", "README.zh-TW.md")
TEXTS = [ROOT / name for name in (*READMES, "CONTRIBUTING.md", "CHANGELOG.md")]
DOCS = sorted((ROOT / "docs").glob("*.md"))
PAGES = sorted((ROOT / "js" / "docs").rglob("*.md"))
MADE_LATER = (".venv/", ".comfyui/", "output/", "data/", "runs/")  # by set-up and by runs
OTHERS = ("ComfyUI/", "models/")  # folders of the user's ComfyUI
PYTHON = ".venv/bin/python"
MACHINE = r"/home/|/root/|/tmp/|/work/|localhost"
HOSTS = ("127.0.0.1", "creativecommons.org", "github.com", "huggingface.co", "semver.org")
BIG = 2**64 - 1
FLAGS = ("train.evaluate", "train.study")  # entries with flags in place of key=value words
SHOWN = ("required", "optional")  # an output node has hidden inputs too
MOST_WORDS = 1300  # of the README: what is longer belongs into docs/


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def parts(text: str) -> tuple[str, list[str]]:
    """The text outside of fenced blocks, and the blocks."""
    pieces = re.split(r"^```\w*\n", text, flags=re.MULTILINE)
    assert len(pieces) % 2, "a fence is open"
    return "".join(pieces[::2]), pieces[1::2]


def headings(text: str) -> list[str]:
    """The levels, in order."""
    return re.findall(r"^(#+) ", parts(text)[0], flags=re.MULTILINE)


def spans(text: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", parts(text)[0])


def links(text: str) -> list[str]:
    return re.findall(r"\]\(([^)]+)\)", parts(text)[0])


def commands(text: str) -> list[str]:
    outside, blocks = parts(text)
    lines = [line for block in blocks for line in block.splitlines()] + spans(text)
    return [line for line in lines if line.startswith((PYTHON + " ", "make ", "pip "))]


def targets() -> set[str]:
    return set(re.findall(r"^([\w-]+):", text_of("Makefile"), flags=re.MULTILINE))


def exists(path: str, folder: Path = ROOT) -> bool:
    return (folder / path).is_dir() if path.endswith("/") else (folder / path).exists()


def check_command(command: str) -> None:
    program, *words = shlex.split(command)
    if program == "make":
        assert set(words) <= targets(), command
    elif program == "pip":
        assert words[:2] == ["install", "-r"], command
        assert exists(words[2].removeprefix("ToonTween/")), command
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


def test_readme_is_short() -> None:
    words = len(text_of("README.md").split())
    assert words <= MOST_WORDS, f"{words} words: move something to docs/"


def test_both_readmes_have_the_same_sections() -> None:
    english, chinese = (text_of(name) for name in READMES)
    assert headings(english) == headings(chinese) and len(headings(english)) > 10
    assert parts(english)[1] == parts(chinese)[1], "the same commands"
    assert set(links(english)) == set(links(chinese)), "the same links"


@pytest.mark.parametrize("name", READMES)
def test_commands_exist(name: str) -> None:
    found = commands(text_of(name))
    for command in found:
        check_command(command)
    assert {"make demo", "make test", "make setup"} <= set(found)
    assert sum("train." in command for command in found) >= 2


@pytest.mark.parametrize(
    "command",
    [
        "make nothing",
        "pip install -r ToonTween/nothing.txt",
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


@pytest.mark.parametrize("path", [*TEXTS, *DOCS], ids=lambda p: p.name)
def test_links_and_paths_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    ours = [link.split("#")[0] for link in links(text) if not link.startswith("https://")]
    assert [p for p in ours if not exists(p, path.parent)] == []
    named = [s for s in spans(text) if re.fullmatch(r"[\w.]+/[\w./-]*", s)]
    ours = [p for p in named if p.split("/")[0] in FOLDERS]
    assert [p for p in ours if not exists(p)] == []
    modules = [s for s in spans(text) if re.fullmatch(r"train\.[a-z]+", s)]
    assert all(exists(m.replace(".", "/") + ".py") for m in modules)


FOLDERS = {p.name for p in ROOT.iterdir() if p.is_dir()} - {p.strip("/") for p in MADE_LATER}


@pytest.mark.parametrize("path", [*TEXTS, *DOCS, *PAGES], ids=lambda p: p.name)
def test_no_machine_and_no_unfinished_places(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(MACHINE, text) and not re.search(r"TODO|FIXME|\bTBD\b|\u2014", text)
    assert [h for h in re.findall(r"https?://([\w.-]+)", text) if h not in HOSTS] == []


def test_generated_docs_are_up_to_date() -> None:
    text = make_docs.PAGE.read_text(encoding="utf-8")
    assert text == make_docs.page(text), "run `make docs`"


def test_python_versions_agree() -> None:
    """What set-up takes lies within what pyproject.toml allows, and the README says the lowest."""
    lowest = re.search(r'requires-python = ">=3\.(\d+)"', text_of("pyproject.toml")).group(1)
    taken = re.search(r"\(3, (\d+)\) <= sys\.version_info", text_of("scripts/setup.sh")).group(1)
    assert lowest == taken
    assert all(f"Python 3.{lowest}" in text_of(name) for name in READMES)


def test_the_registry_s_fields() -> None:
    """As ComfyUI's registry demands them; the pictures are files of this repository."""
    text = tomllib.loads(text_of("pyproject.toml"))
    project, comfy_fields = text["project"], text["tool"]["comfy"]
    assert (
        re.fullmatch(r"[a-z][a-z0-9_-]{1,98}", project["name"]) and "comfyui" not in project["name"]
    )
    assert re.fullmatch(r"\d+\.\d+\.\d+", project["version"])
    assert project["urls"]["Repository"] and comfy_fields["PublisherId"]
    for field, (width, height) in {"Icon": (400, 400), "Banner": (21, 9)}.items():
        folder, file = comfy_fields[field].split("/main/")[1].split("/")
        with Image.open(ROOT / folder / file) as picture:
            assert picture.width * height == picture.height * width
            assert field != "Icon" or picture.size == (400, 400)


def messages() -> list[str]:
    """Every text in the code, with what is filled in left out."""
    found = []
    for folder in ("nodes", "toon_core", "train"):
        for file in (*(ROOT / folder).rglob("*.py"), ROOT / "__init__.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.append(node.value)
    return found


def test_common_problems_quote_messages_that_exist() -> None:
    heads = re.findall(r"^### (.+)$", text_of("docs/problems.md"), flags=re.MULTILINE)
    quoted = [part for head in heads for part in re.findall(r"`([^`]+)`", head)]
    texts = messages()
    assert len(quoted) > 10
    assert [q for q in quoted if not any(q in text for text in texts)] == []


def infos(comfy: Comfy) -> dict[str, Any]:
    found = {k: v for k, v in comfy.nodes.NODE_CLASS_MAPPINGS.items() if k.startswith("Toon")}
    return {k: v.GET_NODE_INFO_V1() for k, v in found.items()}


def section(page: str, title: str) -> str:
    """What stands under a heading of the second level."""
    return page.split(f"\n## {title}\n")[1].split("\n## ")[0]


def items(page: str, title: str) -> dict[str, tuple[str, str]]:
    """Name -> what stands in brackets behind it, and the text, of the list under a heading."""
    found = re.findall(r"^- \*\*(\w+)\*\* \((.+?)\): (.+)$", section(page, title), re.MULTILINE)
    return {name: (facts, text) for name, facts, text in found}


def inputs_of(info: dict[str, Any]) -> dict[str, tuple[str, dict[str, Any]]]:
    return {k: (v[0], v[1]) for kind in SHOWN for k, v in info["input"].get(kind, {}).items()}


def check_input(facts: str, text: str, kind: str, options: dict[str, Any]) -> None:
    assert facts.split(", ")[0] == kind and len(text) > 4
    if "default" in options:
        value = options["default"]
        shown = str(value).lower() if isinstance(value, bool) else str(value)
        assert f", default `{shown}`" in facts if shown else ", default empty" in facts
    if "min" in options:
        most = "2^64 - 1" if options["max"] == BIG else options["max"]
        assert f", {options['min']} to {most}" in facts
    if "options" in options and "files found" not in facts:
        listed = ", ".join(f"`{option}`" for option in options["options"])
        assert f", one of {listed}" in facts


def test_every_node_has_a_true_help_page(comfy: Comfy) -> None:
    nodes = infos(comfy)
    assert {p.stem for p in PAGES} == set(nodes)
    for path in PAGES:
        page, info = path.read_text(encoding="utf-8"), nodes[path.stem]
        wanted, shown = inputs_of(info), items(page, "Inputs")
        assert list(shown) == list(wanted), path
        for name, (kind, options) in wanted.items():
            check_input(*shown[name], kind, options)
        outputs = {name: facts for name, (facts, _) in items(page, "Outputs").items()}
        assert outputs == dict(zip(info["output_name"], info["output"], strict=True)), path
        assert len(headings(page)) == 5 and page.splitlines()[0] == f"# {info['display_name']}"


@pytest.mark.parametrize("path", PAGES, ids=lambda p: p.stem)
def test_help_pages_fit_a_narrow_panel(path: Path) -> None:
    """ComfyUI's panel is about 270 pixels wide: no tables, and no code that cannot be broken."""
    page = path.read_text(encoding="utf-8")
    assert not re.search(r"^\s*\|", page, re.MULTILINE) and not parts(page)[1]
    assert max(len(word) for span in spans(page) for word in re.split(r"[\s/_-]", span)) <= 30


def test_titles_in_the_texts_are_the_nodes(comfy: Comfy) -> None:
    """A renamed node must not live on under its old name."""
    nodes = infos(comfy)
    titles = {info["display_name"] for info in nodes.values()}
    titles |= {file.stem.rsplit(" ", 1)[0] for file in (ROOT / "subgraphs").glob("*.json")}
    texts = {p: p.read_text(encoding="utf-8") for p in [*TEXTS, *DOCS, *PAGES]}
    for path, text in texts.items():
        ids = {s for s in spans(text) if re.fullmatch(r"Toon[A-Z]\w+", s)}
        assert ids - set(nodes) - {"ToonTween", "ToonCrafter", "ToonConfig"} == set(), path
        named = re.findall(r"\bToon (?:[A-Z]\w+)(?: [A-Z]\w+)*", text)
        wrong = [n for n in named if not any(n.startswith(t) for t in titles)]
        assert wrong == [], path
    for name in READMES:
        assert set(nodes) <= set(spans(texts[ROOT / name]))


def test_the_english_locale_is_the_schema(comfy: Comfy) -> None:
    wanted = english_locale.text(infos(comfy))
    assert english_locale.FILE.read_text(encoding="utf-8") == wanted, "run `make docs`"


@pytest.mark.parametrize("language", ["zh-TW", "zh", "ja"])
def test_translations_name_what_exists(comfy: Comfy, language: str) -> None:
    nodes = infos(comfy)
    from app.custom_node_manager import CustomNodeManager

    translated = json.loads(text_of(f"locales/{language}/nodeDefs.json"))
    assert CustomNodeManager().build_translations()[language]["nodeDefs"] == translated
    assert set(translated) == set(nodes)
    english = english_locale.entries(nodes)
    for node, entry in translated.items():
        assert entry["display_name"].startswith(f"{english[node]['display_name']} ")
        for kind in ("inputs", "outputs"):
            assert entry[kind].keys() == english[node][kind].keys(), node
            for name, theirs in entry[kind].items():
                ours = english[node][kind][name]
                assert theirs["name"] and theirs["tooltip"]
                assert numbers(theirs["tooltip"]) == numbers(ours["tooltip"]), (node, name)


def numbers(text: str) -> set[str]:
    """Those that a translation must say, too."""
    return set(re.findall(r"-?\d+(?:\.\d+)?(?:x\d+)?", text))
