"""What the open page draws: where nodes and groups are, and which pictures can be seen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from browser import Browser

# In the graph's own pixels, titles included: a node's element where the page has one.
NODES = """() => app.graph.nodes.map(node => {
    const {scale, offset} = app.canvas.ds, title = LiteGraph.NODE_TITLE_HEIGHT
    const element = document.querySelector(`[data-node-id="${node.id}"]`)
    let [x, y, w, h] = [node.pos[0], node.pos[1] - title, node.size[0], node.size[1] + title]
    if (element) {
        const drawn = element.getBoundingClientRect()
        const canvas = app.canvas.canvas.getBoundingClientRect();
        [x, y] = [(drawn.left - canvas.left) / scale - offset[0],
                  (drawn.top - canvas.top) / scale - offset[1]];
        [w, h] = [drawn.width / scale, drawn.height / scale]
    }
    const kind = node.type === 'MarkdownNote' ? node.title : node.type
    return {id: node.id, kind, left: x, top: y, right: x + w, bottom: y + h} })"""
GROUPS = """() => app.graph.groups.map(group => {
    const [x, y] = group.pos, [w, h] = group.size
    return {id: 0, kind: group.title, left: x, top: y, right: x + w, bottom: y + h} })"""
# Pictures on the canvas, and elements that are in front where they are.
MEDIA = """id => {
    const node = app.graph.getNodeById(id)
    const roots = [document.querySelector(`[data-node-id="${id}"]`),
                   ...(node?.widgets ?? []).map(widget => widget.element)]
    const seen = new Set()
    for (const root of roots.filter(Boolean))
        for (const media of root.querySelectorAll('img, video')) {
            const {left, top, width, height} = media.getBoundingClientRect()
            const front = document.elementFromPoint(left + width / 2, top + height / 2)
            if (width > 20 && height > 20 && front && root.contains(front)) seen.add(media)
        }
    const drawn = LiteGraph.vueNodesMode ? [] : node?.imgs ?? []
    return seen.size + drawn.filter(i => i.complete && i.naturalWidth > 0).length }"""
ANEW = """([seed, steps, nano]) => app.graph.nodes.forEach(node => node.widgets?.forEach(w => {
    if (/seed$/.test(w.name)) w.value = seed
    if (w.name === 'steps' && steps) w.value = steps
    if (node.type === 'ToonLoadModel' && w.value === 'nano (built in)' && nano) w.value = nano
    }))"""
PAUSE = "ms => new Promise(done => setTimeout(done, ms))"
ROUNDING = 2  # pixels of the graph, where the page is zoomed


@dataclass(frozen=True, kw_only=True)
class Box:
    id: int
    kind: str  # a node's type; the title of notes and groups
    left: float
    top: float
    right: float
    bottom: float

    @property
    def height(self) -> float:
        return self.bottom - self.top

    def __str__(self) -> str:
        return f"{self.kind} {self.id} ({self.top:.0f} to {self.bottom:.0f})"

    def overlaps(self, other: Box) -> bool:
        across = min(self.right, other.right) - max(self.left, other.left)
        down = min(self.bottom, other.bottom) - max(self.top, other.top)
        return across > ROUNDING and down > ROUNDING

    def holds(self, other: Box) -> bool:
        return (
            self.left <= other.left + ROUNDING
            and self.top <= other.top + ROUNDING
            and self.right >= other.right - ROUNDING
            and self.bottom >= other.bottom - ROUNDING
        )


def nodes(browser: Browser) -> list[Box]:
    return [Box(**found) for found in browser.evaluate(NODES)]


def settled_nodes(browser: Browser, tries: int = 20) -> list[Box]:
    """The nodes once nothing moves any more. RuntimeError where that never comes."""
    before = nodes(browser)
    for _ in range(tries):
        browser.evaluate(PAUSE, 250)
        now = nodes(browser)
        if now == before:
            return now
        before = now
    raise RuntimeError("the page's nodes keep changing their size")


def groups(browser: Browser) -> list[Box]:
    return [Box(**found) for found in browser.evaluate(GROUPS)]


def media_shown(browser: Browser, node: int) -> int:
    """How many pictures and movies of a node can be seen."""
    return browser.evaluate(MEDIA, node)


def media_appears(browser: Browser, node: int, tries: int = 50) -> bool:
    """Whether one of a node's pictures or movies comes to be seen."""
    for _ in range(tries):
        if media_shown(browser, node):
            return True
        browser.evaluate(PAUSE, 200)
    return False


def anew(browser: Browser, seed: int, steps: int | None = None, nano: str | None = None) -> None:
    """For a run that the server has not in its cache: other seeds, and where given other steps and
    a file in the place of nano."""
    browser.evaluate(ANEW, [seed, steps, nano])


def crowding(nodes: Iterable[Box], groups: Iterable[Box]) -> list[str]:
    """What a user would find wrong: nodes upon each other, nodes outside of every group."""
    nodes, groups = list(nodes), list(groups)
    wrong = [
        f"{a} and {b} overlap" for i, a in enumerate(nodes) for b in nodes[i + 1 :] if a.overlaps(b)
    ]
    wrong += [
        f"{node} is in no group" for node in nodes if not any(group.holds(node) for group in groups)
    ]
    return wrong
