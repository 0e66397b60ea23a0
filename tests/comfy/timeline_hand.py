"""A hand on the timeline: real mouse and keyboard on the real page."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from browser import FIT, LOAD, Browser
from place import ROOT
from playwright.sync_api import Locator, Page

KEYS = ROOT / "cast" / "keys"
FILES = ["fox_walk_first.png", "fox_walk_last.png", "frog_jump_first.png", "frog_jump_last.png"]
CSS = ".toon-timeline"
NODES = "app.graph.nodes.filter(node => node.type === 'ToonEditTimeline')"
WIDGET = f"{NODES}[n].widgets.find(widget => widget.name === 'sheet')"
CREATE = """([sheet, size]) => {
    app.graph.clear()
    const node = LiteGraph.createNode('ToonEditTimeline')
    node.pos = [100, 100]
    app.graph.add(node)
    node.setSize(size)
    node.widgets.find(widget => widget.name === 'sheet').value = JSON.stringify(sheet)
    return JSON.stringify(app.graph.serialize()) }"""
SHOWN = f"""() => {NODES}.length && {NODES}.every(node => {{
    const {{element}} = node.widgets.find(widget => widget.name === 'sheet')
    return element.isConnected && element.querySelector('.scroll').clientWidth > 50
        && element.querySelector('.says').textContent }})"""
UNDO_STATES = "app.extensionManager.workflow.activeWorkflow.changeTracker.undoQueue.length"
CORNER = f"""() => {{
    const node = {NODES}[0], {{ds, canvas}} = app.canvas
    const shown = document.querySelector(`[data-node-id="${{node.id}}"]`)?.getBoundingClientRect()
    const {{x, y}} = canvas.getBoundingClientRect()
    return shown ? [shown.right, shown.bottom]
        : [x + (node.pos[0] + node.size[0] + ds.offset[0]) * ds.scale,
           y + (node.pos[1] + node.size[1] + ds.offset[1]) * ds.scale] }}"""
LIVE = f"""() => document.querySelectorAll('{CSS}').length === {NODES}.length && {NODES}.every(
    node => node.widgets.find(widget => widget.name === 'sheet').element.isConnected)"""
HELD = f"() => document.querySelector('{CSS} [aria-selected=true]')?.getAttribute('aria-label')"
SAYS = f"() => document.querySelector('{CSS} .says').textContent"
DRAWN = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
GRIPS = "([x, y]) => /resize/.test(getComputedStyle(document.elementFromPoint(x, y)).cursor)"
WAIT = 30_000


def sheet(**more: Any) -> dict[str, Any]:
    """Four keys, a hold, a prompt, and fields that the timeline does not show."""
    frames = {"a": 0, "b": 12, "c": 24, "d": 40}
    keys = [
        {"id": id, "frame": frame, "image": file}
        for (id, frame), file in zip(frames.items(), FILES, strict=True)
    ]
    keys[1]["note"] = "highest"
    segments = [
        {"from": "a", "prompt": "it leaps", "negative": "blur", "lock": "a_1"},
        {"from": "c", "mode": "hold", "takes": 3},
    ]
    return {
        "version": 1,
        "length": 48,
        "exposure": 2,
        "fit": "crop",
        "keys": keys,
        "segments": segments,
        **more,
    }


def still(one: Locator) -> dict[str, float]:
    """The box of something once it stands still: the page moves and grows nodes for a while."""
    before, times = None, 0
    for _ in range(100):
        box = dict(one.bounding_box(timeout=WAIT) or {})
        times = times + 1 if box == before else 0
        if times == 2:
            return box
        before = box
        one.page.wait_for_timeout(30)
    raise AssertionError("it never stands still")


@dataclass
class Hand:
    browser: Browser
    renderer: str
    loaded: int = 0

    def load(self, sheet: dict[str, Any], size: tuple[int, int] = (640, 470)) -> None:
        """A workflow of one timeline, loaded as a file is."""
        graph = json.loads(self.browser.evaluate(CREATE, [sheet, list(size)]))
        del graph["extra"]  # where the page's view stood
        graph["id"] = str(uuid.uuid4())  # another workflow, of which the timeline remembers nothing
        self.load_graph(graph)

    def load_graph(self, graph: dict[str, Any]) -> None:
        def work(page: Page) -> None:
            page.evaluate(LOAD, graph)
            page.evaluate(FIT)  # elements out of sight are not shown
            page.wait_for_function(SHOWN, timeout=WAIT)
            page.evaluate(FIT)
            still(page.locator(CSS).first)
            # Beside all nodes, so that nothing has the keyboard; twice on one place would search.
            self.loaded += 1
            page.mouse.click(1200 + 60 * (self.loaded % 5), 880)

        self.browser.do(work)

    def fit(self) -> None:
        """All nodes into sight; returns when they stand still."""

        def work(page: Page) -> None:
            page.evaluate(FIT)
            page.evaluate(DRAWN)
            still(page.locator(CSS).first)

        self.browser.do(work)

    def tell(self, told: dict[str, Any]) -> None:
        """What Toon Render Shot tells the timeline of."""
        output = {"toon_timeline": [told]}
        self.browser.evaluate(f"told => {NODES}[0].onExecuted(told)", output)

    def drop(self, css: str, name: str, frame: float) -> bool:
        """Drops a picture on a row, in a frame. True where it was taken."""
        first = self.sheet()["keys"][0]
        x = self.place(f"[data-key='{first['id']}']")["x"] + (frame + 0.5) * self.frame_width()
        y = self.place(css)["y"] + 8
        return bool(self.browser.evaluate(SEND, [f"{CSS} {css}", "drop", name, x, y]))

    def paste_picture(self, name: str) -> bool:
        return bool(self.browser.evaluate(SEND, ["", "paste", name, 0, 0]))

    def look_at(self, frame: int) -> None:
        """Clicks the ruler on a frame."""
        box, width = self.place(".ruler"), self.frame_width()
        x = self.place("[data-key]")["x"] + (frame + 0.5) * width
        self.browser.do(lambda page: page.mouse.click(x, box["y"] + box["height"] / 2))
        self.browser.evaluate(DRAWN)

    def choose(self, css: str, files: list[Path]) -> None:
        """Presses what asks for files, and gives them."""

        def work(page: Page) -> None:
            with page.expect_file_chooser() as chooser:
                page.locator(f"{CSS} {css}").first.click()
            chooser.value.set_files(files)

        self.browser.do(work)

    def text(self, n: int = 0) -> str:
        return str(self.browser.evaluate(f"n => {WIDGET}.value", n))

    def sheet(self, n: int = 0) -> dict[str, Any]:
        return json.loads(self.text(n))

    def frames(self, n: int = 0) -> list[int]:
        return [key["frame"] for key in self.sheet(n)["keys"]]

    def undo_states(self) -> int:
        return int(self.browser.evaluate(f"() => {UNDO_STATES}"))

    def until(self, script: str, argument: Any = None) -> None:
        """Waits for a condition on the page; TimeoutError where it does not come about."""
        self.browser.do(lambda p: p.wait_for_function(script, arg=argument, timeout=WAIT))

    def until_frames(self, *frames: int, n: int = 0) -> None:
        keys = f"JSON.parse({WIDGET}.value).keys.map(key => key.frame).join()"
        self.until(f"([n, frames]) => {keys} === frames", [n, ",".join(map(str, frames))])
        self.until(SHOWN)

    def place(self, css: str, n: int = 0) -> dict[str, float]:
        """The box of something in the timeline, once it stands still."""

        def work(page: Page) -> dict[str, float]:
            one = page.locator(CSS).nth(n).locator(css).first
            one.wait_for(state="visible", timeout=WAIT)
            return still(one)

        return self.browser.do(work)

    def frame_width(self, n: int = 0) -> float:
        """Pixels of the screen that a frame has."""
        places = self.browser.evaluate(
            """([css, n]) => [...document.querySelectorAll(css)[n].querySelectorAll('[data-key]')]
                .map(card => [card.dataset.key, card.getBoundingClientRect().x])""",
            [CSS, n],
        )
        frames = {key["id"]: key["frame"] for key in self.sheet(n)["keys"]}
        (first, left), *_, (last, right) = places
        return float(right - left) / (frames[last] - frames[first])

    def drag(
        self,
        css: str,
        frames: float,
        *,
        n: int = 0,
        shift: bool = False,
        before_release: Callable[[Page], object] | None = None,
    ) -> None:
        box, width = self.place(css, n), self.frame_width(n)

        def work(page: Page) -> None:
            x, y = box["x"] + min(6, box["width"] / 2), box["y"] + box["height"] / 3
            page.mouse.move(x, y)
            page.mouse.down()
            if shift:
                page.keyboard.down("Shift")
            page.mouse.move(x + frames * width, y + 2, steps=8)
            if before_release:
                before_release(page)
            page.mouse.up()
            if shift:
                page.keyboard.up("Shift")
            page.evaluate(DRAWN)

        self.browser.do(work)

    def click(self, css: str, n: int = 0) -> None:
        box = self.place(css, n)
        x, y = box["x"] + min(8, box["width"] / 2), box["y"] + box["height"] / 2
        self.browser.do(lambda page: page.mouse.click(x, y))
        self.browser.evaluate(DRAWN)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.browser.do(lambda page, key=key: page.keyboard.press(key))
        self.browser.evaluate(DRAWN)  # a busy page gets them later than the test goes on

    def has_keyboard(self) -> bool:
        inside = f"() => Boolean(document.activeElement?.closest('{CSS}'))"
        return bool(self.browser.evaluate(inside))

    def resize(self, by: tuple[int, int]) -> None:
        """Drags the node's corner."""
        x, y = self.browser.evaluate(CORNER)

        def work(page: Page) -> None:
            page.mouse.move(x - 4, y - 4)
            page.wait_for_function(GRIPS, arg=[x - 4, y - 4], timeout=WAIT)
            page.mouse.down()
            page.mouse.move(x + by[0], y + by[1], steps=8)
            page.mouse.up()

        self.browser.do(work)

    def picture(self, file: Path) -> None:
        self.browser.picture(file)


SEND = """([css, type, name, x, y]) => {
    const canvas = Object.assign(document.createElement('canvas'), {width: 8, height: 8})
    const bytes = atob(canvas.toDataURL('image/png').split(',')[1])
    const content = Uint8Array.from(bytes, c => c.charCodeAt(0))
    const file = new File([content], name, {type: 'image/png'})
    const data = new DataTransfer(); data.items.add(file)
    const more = {bubbles: true, cancelable: true, clientX: x, clientY: y}
    const event = type === 'drop' ? new DragEvent('drop', {...more, dataTransfer: data})
        : new ClipboardEvent('paste', {...more, clipboardData: data})
    const target = type === 'drop' ? document.querySelector(css) : document.body
    return !target.dispatchEvent(event) }"""
