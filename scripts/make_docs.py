"""Write what is generated in the docs: the file tree of docs/architecture.md, the options of the
training commands, docs/options.md, the metrics and networks of docs/evaluation.md, and the schema
of exposure sheets, docs/sheet.schema.json.

    .venv/bin/python scripts/make_docs.py [--check]      (or: make docs)

A module's line is the first sentence of its docstring, and an option's text the comment at its
field, so that each is said in one place. --check writes nothing and ends with 1 where a file is
not what would be written.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from toon_core.metrics.metric import SetMetric  # noqa: E402
from toon_core.metrics.registry import metrics, networks  # noqa: E402
from toon_core.shots.schema import schema  # noqa: E402
from train.data.prepare.config import PrepareConfig  # noqa: E402
from train.data.puppets.folder import PuppetsConfig  # noqa: E402
from train.data.resident.folder import LayersConfig  # noqa: E402
from train.data.windows.dataset import TrainingConfig  # noqa: E402
from train.engine.options import default_text, describe, options_of  # noqa: E402
from train.eval.testset import HeldoutConfig  # noqa: E402
from train.recipes.assemble import AssembleConfig  # noqa: E402
from train.recipes.autoencoder import AutoencoderConfig  # noqa: E402
from train.recipes.cache import CacheConfig  # noqa: E402
from train.recipes.decoder import DecoderConfig  # noqa: E402
from train.recipes.nano import NanoConfig  # noqa: E402
from train.recipes.pretrain import PretrainConfig  # noqa: E402
from train.recipes.rectify import RectifyConfig  # noqa: E402
from train.recipes.sketch import SketchTrainConfig  # noqa: E402

PAGE = ROOT / "docs" / "architecture.md"
EVALUATION = ROOT / "docs" / "evaluation.md"
SCHEMA = ROOT / "docs" / "sheet.schema.json"
OPTIONS = ROOT / "docs" / "options.md"
BEGIN, END = "<!-- generated -->\n", "<!-- /generated -->\n"
PACKAGES = ("toon_core", "nodes", "train")
DATA = {
    "prepare": PrepareConfig,
    "puppets": PuppetsConfig,
    "layers": LayersConfig,
    "cache": CacheConfig,
}
RECIPES = {
    "rectify": RectifyConfig,
    "decoder": DecoderConfig,
    "sketch": SketchTrainConfig,
    "autoencoder": AutoencoderConfig,
    "pretrain": PretrainConfig,
}
REST = {
    "nano": NanoConfig,
    "assemble": AssembleConfig,
    "heldout": HeldoutConfig,
}
INTRODUCTION = """# Options of the training commands

Every option is a `key=value` word after the command, or a line of a YAML file given with \
`--config`; words win. Groups are written with a dot: `optim.ema=0.99`, or in YAML \
`optim: {ema: 0.99}`. `python -m train.NAME --help` prints the same list. Where two defaults are \
given, the second is that of models narrower than the released one, as nano is.

This page is made by `make docs` from the comments beside the options.
"""
FOLDERS = {
    "js/docs/": "Help pages of the nodes, which ComfyUI shows.",
    "locales/": "Names and tooltips of the nodes in English (generated), Chinese and Japanese.",
    "workflows/": "Bundled workflows, also ComfyUI's templates.",
    "subgraphs/": "Parts of them as blueprints: one node for each.",
    "weights/": "nano, trained, with its manifests.",
    "cast/": "The project's own characters: puppets, key frames, clips (CC0).",
    "benchmarks/": "Times, memory, and differences from the release, in figures.",
    "scripts/": "Set-up, the demo, and what makes pictures, docs and workflows.",
    "tests/": "Core, nodes, training, the real ComfyUI, the page; `tests/parity/` compares with "
    "recorded outputs of the released code.",
}


def sentence(module: Path) -> str:
    """The first sentence of a module's docstring; ValueError where it has none."""
    text = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8")))
    if not text:
        raise ValueError(f"{module} has no docstring")
    first = " ".join(text.split("\n\n")[0].split()).replace("architecture.md ", "")
    return re.split(r"(?<=[^.]\.)\s+(?=[A-Z`])", first)[0].rstrip(".:") + "."


def modules(folder: Path) -> list[tuple[str, str]]:
    """Path and sentence of each module in a folder and below, a package before what it holds."""
    rows = []
    for path in sorted(folder.rglob("*.py"), key=lambda p: (p.parent.parts, p.name)):
        name = path.relative_to(ROOT).as_posix()
        if path.name == "__init__.py":
            name = name.removesuffix("__init__.py")
        if path.stat().st_size:
            rows.append((name, sentence(path)))
    return rows


def tree() -> str:
    lines = []
    for package in PACKAGES:
        for name, text in modules(ROOT / package):
            depth = name.rstrip("/").count("/")
            last = re.search(r"[^/]+/?$", name).group()
            lines.append(f"{'  ' * depth}- `{last}`: {text}")
    lines += [f"- `{name}`: {text}" for name, text in FOLDERS.items()]
    return "\n".join(lines) + "\n"


def measures() -> str:
    """A row for each metric, by the registry."""
    rows = ["| Column | Key | Better | Needs | What it is |", "| --- | --- | --- | --- | --- |"]
    for metric in metrics():
        needs = ", ".join(metric.needs) or "the clip alone"
        scope = "of all clips together; " if isinstance(metric, SetMetric) else ""
        meaning = metric.meaning.split(" Option: ")[0]
        better = metric.better.removesuffix(" is better")
        rows.append(f"| {metric.title} | `{metric.key}` | {better} | {needs} | {scope}{meaning} |")
    rows += ["", "| Network | How to get it |", "| --- | --- |"]
    rows += [f"| {name} | {network.advice} |" for name, network in sorted(networks().items())]
    return "\n".join(rows) + "\n"


def page(text: str, made: str | None = None) -> str:
    """The page with what is generated between its marks, by default the tree of now."""
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{tree() if made is None else made}\n{END}{rest.split(END)[1]}"


def table(schema: type, beside: type | None = None) -> list[str]:
    """A row for each option; without what another schema says alike."""
    others = options_of(beside) if beside else ()
    alike = {(own.name, default_text(own, beside)) for own in others}
    lines = ["| Option | Default | What it does |", "|---|---|---|"]
    for own in options_of(schema):
        default = default_text(own, schema)
        if (own.name, default) not in alike:
            text = describe(own).replace("|", r"\|")
            lines.append(f"| `{own.name}` | {default} | {text} |")
    return lines


def options() -> str:
    """docs/options.md."""
    parts = [INTRODUCTION, "## All recipes\n", *table(TrainingConfig), ""]
    for name, own in RECIPES.items():
        parts += [f"## train.{name}\n", "Besides those of all recipes, or other than there:\n"]
        parts += [*table(own, TrainingConfig), ""]
    for name, own in {**DATA, **REST}.items():
        parts += [f"## train.{name}\n", *table(own), ""]
    return "\n".join(parts)


def main(arguments: list[str]) -> None:
    made = {
        PAGE: page(PAGE.read_text(encoding="utf-8")),
        EVALUATION: page(EVALUATION.read_text(encoding="utf-8"), measures()),
        OPTIONS: options(),
        SCHEMA: json.dumps(schema(), indent=1, ensure_ascii=False) + "\n",
    }
    for file, text in made.items():
        if "--check" not in arguments:
            file.write_text(text, encoding="utf-8")
        elif not file.is_file() or file.read_text(encoding="utf-8") != text:
            sys.exit(f"{file.relative_to(ROOT)} is not up to date: run `make docs`")


if __name__ == "__main__":
    main(sys.argv[1:])
