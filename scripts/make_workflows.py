"""Make the bundled workflows again from the tested prompts (tests/comfy/prompts/).

    python scripts/make_workflows.py [NAME ...]

The real page turns a prompt into a graph; here it is laid out, grouped and given its note and
its thumbnail. Needs `make setup`. --pictures FOLDER leaves a screenshot of each to look at.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "comfy")]

from browser import Browser  # noqa: E402
from headless import Headless  # noqa: E402
from place import chromium, comfyui_folder, make_base  # noqa: E402
from thumbnail import thumbnail  # noqa: E402
from workflow_layout import arranged  # noqa: E402
from workflow_pages import PAGES  # noqa: E402

PROMPTS = ROOT / "tests" / "comfy" / "prompts"
WORKFLOWS = ROOT / "workflows"
KEYS = ROOT / "cast" / "keys"


def make(name: str, browser: Browser) -> Path:
    page = PAGES[name]
    prompt = json.loads((PROMPTS / f"{name}.json").read_text(encoding="utf-8"))
    graph = arranged(browser.to_graph(prompt), page.stacks, page.note, page.titles)
    file = WORKFLOWS / f"{name}.json"
    file.write_text(json.dumps(graph, indent=1) + "\n", encoding="utf-8")
    keys = [KEYS / f"{page.clip}_{end}.png" for end in ("first", "last")]
    thumbnail(*keys, page.label, lines=name.startswith("sketch")).save(
        file.with_suffix(".jpg"), quality=88, optimize=True
    )
    return file


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(PAGES))
    parser.add_argument("--pictures", type=Path)
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - PAGES.keys():
        parser.error(f"no such workflow: {', '.join(sorted(unknown))}")
    WORKFLOWS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        base = make_base(Path(folder))
        with Headless(comfyui_folder(), base, base / "server.log") as server:
            browser = Browser(server.url, chromium())
            files = [make(name, browser) for name in options.names or PAGES]
            if options.pictures:
                _photograph(files, browser, options.pictures)
            browser.close()
    print("\n".join(str(file.relative_to(ROOT)) for file in files))


def _photograph(files: list[Path], browser: Browser, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        browser.open(json.loads(file.read_text(encoding="utf-8")))
        browser.picture(folder / f"{file.stem}.png")


if __name__ == "__main__":
    main(sys.argv[1:])
