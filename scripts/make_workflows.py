"""Make the bundled workflows and blueprints again from the tested prompts (tests/comfy/prompts/).

    python scripts/make_workflows.py [NAME ...]
    python scripts/make_workflows.py --measure

The real page turns a prompt into a graph; here it is laid out, grouped and given its note and
its thumbnail. Needs `make setup`. --pictures FOLDER leaves screenshots of each to look at, before
and after a run, in both renderers; --graph FILE the one of the README (docs/graph.jpg).

--measure writes how high the named workflows' nodes become on the page into node_heights.json, from
which the layout comes: once for each ComfyUI that counts (TOONTWEEN_COMFYUI, with its own Python),
then make the workflows. A workflow whose nodes not every ComfyUI has is left out where they lack.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "comfy")]

import boxes  # noqa: E402
from blueprints import BLUEPRINTS, Blueprint, blueprint_graph  # noqa: E402
from browser import Browser  # noqa: E402
from headless import Headless  # noqa: E402
from PIL import Image  # noqa: E402
from place import PREVIEWS, chromium, comfyui_folder, front_end, make_base  # noqa: E402
from thumbnail import thumbnail  # noqa: E402
from workflow_layout import TABLE, TITLE, Heights, arranged  # noqa: E402
from workflow_pages import PAGES  # noqa: E402

PROMPTS = ROOT / "tests" / "comfy" / "prompts"
WORKFLOWS, SUBGRAPHS = ROOT / "workflows", ROOT / "subgraphs"
SIZE = {"width": 1900, "height": 1000}  # pixels of the screenshots
GROUPS_ON_SCREEN = """() => {
    const {scale, offset} = app.canvas.ds, {left, top} = app.canvas.canvas.getBoundingClientRect()
    const at = (xs, ys) => [left + (xs + offset[0]) * scale, top + (ys + offset[1]) * scale]
    const ends = app.graph.groups.map(g => [...g.pos, g.pos[0] + g.size[0], g.pos[1] + g.size[1]])
    const of = (i, pick) => pick(...ends.map(e => e[i]))
    return [...at(of(0, Math.min), of(1, Math.min)), ...at(of(2, Math.max), of(3, Math.max))] }"""
LOWER = """() => {
    app.canvas.ds.offset[1] += 110 / app.canvas.ds.scale
    app.canvas.setDirty(true, true) }"""
VERSION = "() => window.__COMFYUI_FRONTEND_VERSION__"


def make(name: str, browser: Browser) -> Path:
    page = PAGES[name]
    file = WORKFLOWS / f"{page.file}.json"
    file.write_text(json.dumps(graph_of(name, browser), indent=1) + "\n", encoding="utf-8")
    lines = "sketch" in name
    thumbnail(page.keys, page.label, lines, between="shot" not in name).save(
        file.with_suffix(".jpg"), quality=88, optimize=True
    )
    return file


def graph_of(name: str, browser: Browser) -> dict[str, Any]:
    page = PAGES[name]
    prompt = json.loads((PROMPTS / f"{name}.json").read_text(encoding="utf-8"))
    graph = arranged(browser.to_graph(prompt), page.stacks, page.note, page.titles)
    if page.app:
        graph["extra"]["linearData"] = page.app
    return graph


def make_blueprint(wanted: Blueprint, browser: Browser) -> Path:
    prompt = json.loads((PROMPTS / f"{wanted.prompt}.json").read_text(encoding="utf-8"))
    graph = blueprint_graph(wanted, prompt, browser)
    file = SUBGRAPHS / f"{wanted.file}.json"
    file.write_text(json.dumps(graph, indent=1) + "\n", encoding="utf-8")
    return file


def measure(names: list[str], browser: Browser, only_these: bool) -> None:
    """Workflows in both renderers, from before a run to after it where it can run. only_these: what
    the table has of other nodes stays."""
    table = json.loads(TABLE.read_text(encoding="utf-8")) if TABLE.is_file() else {}
    for seed, renderer in enumerate(browser.renderers()):
        page = f"page {browser.evaluate(VERSION)}, {renderer}"
        heights: Heights = table.get(page, {}) if only_these else {}
        for name in names:
            browser.open(graph_of(name, browser), renderer)
            for found in (
                boxes.settled_nodes(browser),
                *_while_running(name, browser, seed, 2 + seed),
            ):
                for box in found:
                    height = round(box.height) - TITLE
                    least, most = heights.get(box.kind, (height, height))
                    heights[box.kind] = min(least, height), max(most, height)
            table[page] = dict(sorted(heights.items()))
            TABLE.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


def _while_running(
    name: str, browser: Browser, seed: int | None, steps: int | None = None
) -> Iterator[list[boxes.Box]]:
    if not PAGES[name].runs:
        return
    if seed is not None:
        boxes.anew(browser, seed, steps)
    browser.queue()
    ends = [node for node, title in PAGES[name].titles.items() if title == "Movie"]
    for _ in range(1500):
        if all(browser.output(node) for node in ends):
            break
        yield boxes.nodes(browser)
        browser.evaluate(boxes.PAUSE, 200)
    else:
        raise TimeoutError(f"{name} does not end on the page")
    browser.evaluate(boxes.PAUSE, 2000)
    yield boxes.settled_nodes(browser)


def photograph(names: list[str], browser: Browser, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    version = browser.evaluate(VERSION)
    for seed, renderer in enumerate(browser.renderers()):
        for name in names:
            start = f"{name} {version} {renderer}".replace(" ", "_")
            graph = json.loads((WORKFLOWS / f"{PAGES[name].file}.json").read_text("utf-8"))
            browser.open(graph, renderer)
            browser.picture(folder / f"{start}_before.png")
            for _ in _while_running(name, browser, seed):
                browser.picture(folder / f"{start}_after.png")


def graph_picture(file: Path, browser: Browser) -> None:
    """The README's: the first workflow after a run, cut to its groups."""
    name, renderer = next(iter(PAGES)), browser.renderers()[-1]
    graph = json.loads((WORKFLOWS / f"{PAGES[name].file}.json").read_text("utf-8"))
    browser.open(graph, renderer)
    for _ in _while_running(name, browser, None):
        pass
    browser.evaluate(LOWER)  # the page's own bars and messages lie over the top
    browser.evaluate(boxes.PAUSE, 1000)
    with tempfile.TemporaryDirectory() as folder:
        page = Image.open(browser.picture(Path(folder) / "page.png")).convert("RGB")
    groups = page.crop(browser.evaluate(GROUPS_ON_SCREEN))
    groups.save(file, quality=88, optimize=True)


@contextmanager
def opened() -> Iterator[Browser]:
    """The page of a server with this pack."""
    with tempfile.TemporaryDirectory() as folder:
        base = make_base(Path(folder))
        options = ("--cpu", *PREVIEWS, *front_end())
        with (
            Headless(comfyui_folder(), base, base / "server.log", options=options) as server,
            closing(Browser(server.url, chromium(), SIZE)) as browser,
        ):
            yield browser


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PAGES))
    parser.add_argument("--measure", action="store_true", help="only write node_heights.json")
    parser.add_argument("--pictures", type=Path, metavar="FOLDER")
    parser.add_argument("--graph", type=Path, metavar="FILE", help="a picture of the first graph")
    parser.add_argument("--keep", action="store_true", help="take the workflows as they are")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - PAGES.keys():
        parser.error(f"no such workflow: {', '.join(sorted(unknown))}")
    with opened() as browser:
        names = [n for n in options.names or PAGES if browser.has(PAGES[n].needs)]
        if options.measure:
            measure(names, browser, only_these=bool(options.names))
            return
        files = [] if options.keep else [make(name, browser) for name in names]
        if not options.keep:
            parts = [part for part in BLUEPRINTS if part.prompt in names]
            files += [make_blueprint(part, browser) for part in parts]
        if options.pictures:
            photograph(names, browser, options.pictures)
        if options.graph:
            graph_picture(options.graph, browser)
    print("\n".join(str(file.relative_to(ROOT)) for file in files))


if __name__ == "__main__":
    main(sys.argv[1:])
