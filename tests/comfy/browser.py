"""The real frontend in headless Chromium: open a workflow, look at it, run it.

Playwright occupies the event loop of its thread, and ComfyUI's executor needs one of its own, so
the browser lives in a thread of its own.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from playwright.sync_api import Page, sync_playwright

T = TypeVar("T")

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
READY = """() => window.app?.graph && window.app.extensionManager
    && Object.keys(window.LiteGraph?.registered_node_types ?? {}).length > 100"""
# Newer pages begin with a workflow of their own, which where the machine is busy comes after ours:
# then once more. Older ones begin with none.
LOADED = """async (load, count) => {
    for (let waited = 0; waited < 20; waited++) {
        if (app.graph.nodes.length !== count || waited === 0) await load()
        await new Promise(done => setTimeout(done, 150))
        const begun = app.extensionManager.workflow?.activeWorkflow || waited > 6
        if (begun && app.graph.nodes.length === count) return
    } }"""
LOAD = f"""graph => ({LOADED})(
    () => app.loadGraphData(graph, true, true, 'workflow'), graph.nodes.length)"""
# At once: the page's own way takes a while, and nodes that grow meanwhile lose their places.
FIT = """() => {
    const boxes = [...app.graph.nodes, ...app.graph.groups].map(b => [...b.pos, ...b.size])
    const [left, top] = [0, 1].map(i => Math.min(...boxes.map(b => b[i])) - 60)
    const [right, bottom] = [0, 1].map(i => Math.max(...boxes.map(b => b[i] + b[i + 2])) + 60)
    const {clientWidth: width, clientHeight: height} = app.canvas.canvas, bars = 80
    const scale = Math.min(1, (width - 2 * bars) / (right - left), (height - bars) / (bottom - top))
    app.canvas.ds.scale = scale
    app.canvas.ds.offset = [bars / scale - left, bars / scale - top]
    app.canvas.setDirty(true, true) }"""
QUEUE = "() => app.extensionManager.command.execute('Comfy.QueuePrompt')"
UNKNOWN = """() => app.graph.nodes.map(node => node.type)
    .filter(type => !LiteGraph.registered_node_types[type])"""
# Strings cross to Python as they are, while an object's `undefined` would come out as null.
PROMPT = "async () => JSON.stringify((await app.graphToPrompt()).output)"
CONVERT = f"""async prompt => {{
    await ({LOADED})(
        async () => app.loadApiJson(prompt, 'workflow'), Object.keys(prompt).length)
    app.graph.arrange(80)
    return JSON.stringify(app.graph.serialize()) }}"""
OUTPUT = "node => JSON.stringify(app.nodeOutputs[node] ?? null)"
LITEGRAPH, NODES_2 = "LiteGraph", "Nodes 2.0"  # the page's two ways to draw nodes
RENDERER = "Comfy.VueNodes.Enabled"
OFFERED = f"""() => !['hidden', undefined].includes(
    app.ui.settings.settingsLookup['{RENDERER}']?.type)"""
SIZES = "() => app.graph.nodes.flatMap(node => [...node.pos, ...node.size]).join()"
PACKS = "/extensions/"  # in the address of a pack's scripts; the page's own lie elsewhere
EMPTY_GRAPH = {"nodes": [], "links": [], "groups": [], "config": {}, "extra": {}, "version": 0.4}
EMPTY_GRAPH |= {"last_node_id": 0, "last_link_id": 0}
SETTLE, AGAIN = 700, 300  # ms after loading, in which a toast or an error of the page would show


@dataclass(frozen=True, kw_only=True)
class Opened:
    """What the page made of a workflow. `prompt` is its own graphToPrompt(), in API format."""

    toasts: list[str]
    unknown: list[str]
    page_errors: list[str]
    prompt: dict[str, Any]

    @property
    def complaints(self) -> list[str]:
        return self.toasts + [f"unknown node {name}" for name in self.unknown] + self.page_errors


class Browser:
    """url: of a running server. chromium: path of the program. size: of the window, in pixels."""

    def __init__(self, url: str, chromium: str, size: dict[str, int] | None = None) -> None:
        self._url, self._size = url, size or {"width": 1600, "height": 900}
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="browser")
        self._on_thread(lambda: self._launch(chromium))

    def close(self) -> None:
        self._on_thread(self._quit)
        self._thread.shutdown()

    def renderers(self) -> list[str]:
        """What the page lets a user choose from to draw nodes."""
        return [LITEGRAPH, NODES_2] if self.evaluate(OFFERED) else [LITEGRAPH]

    def has(self, nodes: Iterable[str]) -> bool:
        """Whether this ComfyUI has all these nodes, by their types."""
        known = "types => types.every(type => type in LiteGraph.registered_node_types)"
        return self.evaluate(known, list(nodes))

    def open(self, graph: dict[str, Any], renderer: str = LITEGRAPH) -> Opened:
        """Load a workflow in UI format on a fresh page, which stays for `run` and `picture`."""
        return self._on_thread(lambda: self._open(graph, renderer))

    def to_graph(self, prompt: dict[str, Any]) -> dict[str, Any]:
        """A prompt in API format as a UI workflow, laid out by the page itself."""
        return self._on_thread(lambda: json.loads(self._any_page().evaluate(CONVERT, prompt)))

    def run(self, node: int | str, timeout: float = 300) -> dict[str, Any]:
        """Queue the open workflow and wait for this node's output on the page -> that output.

        TimeoutError of Playwright after `timeout` seconds.
        """
        return self._on_thread(lambda: self._run(str(node), timeout * 1000))

    def queue(self) -> None:
        """Queue the open workflow and return at once."""
        self.evaluate(QUEUE)

    def output(self, node: int | str) -> dict[str, Any] | None:
        """What a node has to show on the open page, None before it ran."""
        return json.loads(self.evaluate(OUTPUT, str(node)))

    def prompt(self) -> dict[str, Any]:
        """What the open page would queue: graphToPrompt(), in API format."""
        return json.loads(self.evaluate(PROMPT))

    def picture(self, file: Path) -> Path:
        self._on_thread(lambda: self._page.screenshot(path=str(file)))
        return file

    def evaluate(self, script: str, argument: Any = None) -> Any:
        """Run JavaScript on the open page."""
        return self._on_thread(lambda: self._any_page().evaluate(script, argument))

    def do(self, work: Callable[[Page], T]) -> T:
        """Playwright's page itself, for real mouse and keyboard; `work` runs on its thread."""
        return self._on_thread(lambda: work(self._any_page()))

    def errors(self) -> list[str]:
        """Errors since a workflow was opened in which a script of a pack takes part, each with its
        stack. Those of the page alone, of which a busy machine meets some, are warnings."""
        for error in self._errors:
            if PACKS not in error:
                warnings.warn(f"the page itself: {error}", stacklevel=2)
        return [error for error in self._errors if PACKS in error]

    def _on_thread(self, work: Callable[[], T]) -> T:
        return self._thread.submit(work).result()

    def _launch(self, chromium: str) -> None:
        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(
            executable_path=chromium, headless=True, args=list(FLAGS)
        )
        self._context = self._browser.new_context(viewport=self._size)
        self._page: Page | None = None

    def _quit(self) -> None:
        self._browser.close()
        self._playwright.stop()

    def _draw_with(self, renderer: str) -> None:
        answer = self._context.request.post(
            f"{self._url}/settings", data={RENDERER: renderer == NODES_2}
        )
        if not answer.ok:
            raise RuntimeError(f"the server does not take the setting {RENDERER}: {answer.status}")

    def _any_page(self) -> Page:
        return self._page or self._fresh_page()

    def _fresh_page(self) -> Page:
        if self._page:
            self._page.close()
        self._errors: list[str] = []
        page = self._page = self._context.new_page()
        page.add_init_script("Error.stackTraceLimit = 100")
        page.on("pageerror", lambda error: self._errors.append(error.stack or str(error)))
        page.goto(self._url, wait_until="domcontentloaded", timeout=120_000)
        page.wait_for_function(READY, timeout=120_000)
        return page

    def _open(self, graph: dict[str, Any], renderer: str) -> Opened:
        self._draw_with(renderer)
        page = self._fresh_page()
        self._errors.clear()  # some releases of the page have an error of their own as they start
        page.evaluate(LOAD, graph)
        page.wait_for_timeout(SETTLE)
        before = None
        for _ in range(40):
            now = page.evaluate(SIZES)
            if now == before:
                break
            before = now
            page.wait_for_timeout(AGAIN)
        page.evaluate(FIT)
        page.wait_for_timeout(AGAIN)
        return Opened(
            toasts=page.locator(".p-toast-message").all_inner_texts(),
            unknown=page.evaluate(UNKNOWN),
            prompt=json.loads(page.evaluate(PROMPT)),
            page_errors=self._errors,
        )

    def _run(self, node: str, timeout: float) -> dict[str, Any]:
        page = self._page
        page.evaluate(QUEUE)
        page.wait_for_function(f"node => ({OUTPUT})(node) !== 'null'", arg=node, timeout=timeout)
        return json.loads(page.evaluate(OUTPUT, node))
