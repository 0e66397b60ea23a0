"""The docs' pictures of the timeline on the page: docs/timeline.jpg, docs/shots/takes.jpg.

    .venv/bin/python scripts/timeline_pictures.py

Runs two of the bundled workflows in the real server and page. Needs `make setup`.
"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import make_workflows
from PIL import Image
from workflow_pages import PAGES

if TYPE_CHECKING:
    from browser import Browser
    from playwright.sync_api import Page

DOCS = make_workflows.ROOT / "docs"
TIMELINE = ".toon-timeline"
SEGMENT = f"{TIMELINE} [data-segment='reach']"
# Its node alone, each of its pixels one of the screen's.
NEAR = """() => {
    const node = app.graph.nodes.find(node => node.type === 'ToonEditTimeline')
    const [x, y] = node.pos
    app.canvas.ds.scale = 1
    app.canvas.ds.offset = [220 - x, 140 - y]
    app.canvas.setDirty(true, true) }"""


def rendered(name: str, browser: Browser) -> None:
    """The workflow on the page, after a run."""
    file = make_workflows.WORKFLOWS / f"{PAGES[name].file}.json"
    graph = json.loads(file.read_text("utf-8"))
    [node] = [node for node in graph["nodes"] if node["type"] == "ToonEditTimeline"]
    node["size"][1] = 560
    browser.open(graph, browser.renderers()[-1])
    browser.run(5, timeout=1200)


def take_picture(browser: Browser, file: Path, look: Any = lambda page: None) -> None:
    def work(page: Page) -> bytes:
        page.evaluate(NEAR)
        page.wait_for_timeout(1000)
        look(page)
        return page.locator(TIMELINE).screenshot()

    file.parent.mkdir(exist_ok=True)
    Image.open(io.BytesIO(browser.do(work))).convert("RGB").save(file, quality=88, optimize=True)


def show_takes(page: Page) -> None:
    page.locator(SEGMENT).click()
    page.keyboard.press("]")
    page.wait_for_timeout(1500)


def main() -> None:
    with make_workflows.opened() as browser:
        rendered("shot_nano", browser)
        take_picture(browser, DOCS / "timeline.jpg")
        rendered("shot_reroll_nano", browser)
        take_picture(browser, DOCS / "shots" / "takes.jpg", show_takes)


if __name__ == "__main__":
    main()
