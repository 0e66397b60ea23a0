"""The real ComfyUI inside the test process: its loader, its validator, its executor; no port.

    run = comfy.run(prompt, keep=["5"])
    assert run.success, run.error
    frames = run.value("5")

One per process, because ComfyUI keeps its state in modules.
"""

from __future__ import annotations

import asyncio
import copy
import importlib.util
import inspect
import logging
import sys
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from place import PACK, make_base

CLIENT = "tests"
GIVE = "TestGive"
OnEvent = Callable[["Event"], None]


class Event(NamedTuple):
    """What the server would have sent; `kind` is a number for binary messages (previews)."""

    kind: str | int
    data: Any


class Verdict(NamedTuple):
    """The answer of POST /prompt: with `ok`, `node_errors` may still name refused outputs."""

    ok: bool
    error: dict[str, Any] | None
    outputs: list[str]
    node_errors: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Run:
    success: bool
    outputs: dict[str, Any]  # what the page shows, by node id
    events: list[Event]
    caches: Any

    def of_kind(self, kind: str) -> list[Any]:
        return [event.data for event in self.events if event.kind == kind]

    @property
    def error(self) -> str | None:
        """The message of the node that failed."""
        failures = self.of_kind("execution_error")
        return failures[0]["exception_message"].strip() if failures else None

    @property
    def interrupted(self) -> bool:
        return bool(self.of_kind("execution_interrupted"))

    @property
    def cached(self) -> set[str]:
        return {node for data in self.of_kind("execution_cached") for node in data["nodes"]}

    @property
    def previews(self) -> list[Any]:
        """(image format, PIL image, size limit) of every live preview, in order."""
        return [event.data[0] for event in self.events if event.kind == 4]

    def said(self, node: str) -> list[str]:
        """The texts that the page was to show on a node, in order; each replaces the one before."""
        texts = [event.data for event in self.events if event.kind == 3]
        sizes = [int.from_bytes(text[:4], "big") for text in texts]
        pairs = [
            (t[4 : 4 + n].decode(), t[4 + n :].decode()) for t, n in zip(texts, sizes, strict=True)
        ]
        return [text for key, text in pairs if key == node]

    def value(self, node: str, slot: int = 0) -> Any:
        """What a node put out: the object itself, as the next node gets it."""
        entry = self.caches.outputs.get(node)
        if inspect.isawaitable(entry):  # newer ComfyUI can ask caches outside the process
            entry = asyncio.run(entry)
        if entry is None:
            raise KeyError(f"node {node} has no output: it did not run ({self.error})")
        [value] = getattr(entry, "outputs", entry)[slot]  # older ComfyUI keeps nothing but these
        return value


class Comfy:
    """comfyui: ComfyUI's folder. base: an empty folder for models, input, output."""

    def __init__(self, comfyui: Path, base: Path) -> None:
        self.base = make_base(base)
        self._given: dict[str, Any] = {}
        self._on_event: OnEvent | None = None
        self._events: list[Event] = []
        self._loop = asyncio.new_event_loop()
        self._import(comfyui)
        self._wire()
        self._loop.run_until_complete(
            self.nodes.init_extra_nodes(init_custom_nodes=False, init_api_nodes=False)
        )
        self.nodes.NODE_CLASS_MAPPINGS[GIVE] = _give_node(self._given)

    def load_pack(self) -> Any:
        """Load this pack as ComfyUI does -> its module. RuntimeError with the log if it fails."""
        folder = str(self.base / "custom_nodes" / PACK)
        with _log() as lines:
            loaded = self._loop.run_until_complete(self.nodes.load_custom_node(folder))
        if not loaded:
            raise RuntimeError("ComfyUI cannot import this pack:\n" + "\n".join(lines))
        return sys.modules[folder.replace(".", "_x_")]

    def part(self, name: str) -> Any:
        """A module of the loaded pack's `nodes`, as ComfyUI runs it."""
        folder = str(self.base / "custom_nodes" / PACK).replace(".", "_x_")
        return sys.modules[f"{folder}.nodes.{name}"]

    def node_class(self, node_id: str) -> type:
        return self.nodes.NODE_CLASS_MAPPINGS[node_id]

    def give(self, value: Any) -> dict[str, Any]:
        """A node whose output 0 is this very object, to feed tensors and models to other nodes."""
        key = uuid.uuid4().hex
        self._given[key] = value
        return {"class_type": GIVE, "inputs": {"key": key}}

    def validate(self, prompt: dict[str, Any]) -> Verdict:
        checked = self.execution.validate_prompt(uuid.uuid4().hex, prompt, None)
        return Verdict(*self._loop.run_until_complete(checked))

    def executor(self) -> Any:
        """An executor with an empty cache; pass one to `run` twice to test caching."""
        executor, kind = self.execution.PromptExecutor, self.execution.CacheType.CLASSIC
        sizes = {}
        if "cache_args" in inspect.signature(executor).parameters:
            sizes["cache_args"] = defaultdict(int)  # whatever sizes this version asks for
        return executor(self.server, cache_type=kind, **sizes)

    def run(
        self,
        prompt: dict[str, Any],
        *,
        keep: Iterable[str] = (),
        executor: Any = None,
        on_event: OnEvent | None = None,
    ) -> Run:
        """Validate and execute. keep: nodes to run although no output node hangs on them.

        Raises ValueError with ComfyUI's message when any part of the prompt is refused.
        """
        prompt = copy.deepcopy(prompt)
        for node in keep:
            sink = {"class_type": "PreviewAny", "inputs": {"source": [node, 0]}}
            prompt[f"keep-{node}"] = sink
        verdict = self.validate(prompt)
        if not verdict.ok or verdict.node_errors:
            raise ValueError(f"ComfyUI refused the prompt: {verdict.error} {verdict.node_errors}")
        executor, self._on_event = executor or self.executor(), on_event
        self._events = []
        executor.execute(prompt, uuid.uuid4().hex, {"client_id": CLIENT}, verdict.outputs)
        return Run(
            success=executor.success,
            outputs=executor.history_result["outputs"],
            events=self._events,
            caches=executor.caches,
        )

    def interrupt(self) -> None:
        """What the page's cancel button does; call it from `on_event`."""
        self.nodes.interrupt_processing(True)

    def _import(self, comfyui: Path) -> None:
        taken = sys.modules.get("nodes")
        if taken and Path(taken.__file__ or "").parent != comfyui:
            raise RuntimeError(f"a test imported {taken} as `nodes`, a name that is ComfyUI's")
        sys.path.insert(0, str(comfyui))
        import comfy.options  # noqa: F401  (leaves pytest's own command line alone)
        from comfy.cli_args import LatentPreviewMethod, args

        args.cpu = True  # all three before anything else of ComfyUI is imported
        args.base_directory = str(self.base)
        args.preview_method = LatentPreviewMethod.Latent2RGB
        args.database_url = "sqlite:///:memory:"
        import utils.extra_config  # noqa: F401, I001  (`nodes` puts comfy/utils.py in its way)
        import execution
        import folder_paths
        import nodes

        self.execution, self.folder_paths, self.nodes = execution, folder_paths, nodes

    def _wire(self) -> None:
        import server

        self.server = server.PromptServer(self._loop)  # never started: its messages come to us
        self.server.client_id = CLIENT
        flags = {"feature_flags": {"supports_preview_metadata": True}}
        self.server.sockets_metadata[CLIENT] = flags
        self.server.send_sync = self._record
        _comfyui_main(Path(server.__file__).parent).hijack_progress(self.server)

    def _record(self, kind: str | int, data: Any, sid: str | None = None) -> None:
        event = Event(kind, data)
        self._events.append(event)
        if self._on_event:
            self._on_event(event)


def _comfyui_main(comfyui: Path) -> Any:
    """ComfyUI's main.py, under a name that no checkout of this pack has: pytest imports the
    repository's root package by its folder's name, which may be "main"."""
    spec = importlib.util.spec_from_file_location("comfyui_main", comfyui / "main.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _give_node(given: dict[str, Any]) -> type:
    from comfy.comfy_types import IO

    class TestGive:
        RETURN_TYPES = (IO.ANY,)
        FUNCTION = "give"
        CATEGORY = "tests"

        @classmethod
        def INPUT_TYPES(cls) -> dict[str, Any]:
            return {"required": {"key": ("STRING", {})}}

        def give(self, key: str) -> tuple[Any]:
            return (given[key],)

    return TestGive


@contextmanager
def _log() -> Any:
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(self.format(record))

    handler = Keep(logging.WARNING)
    logging.getLogger().addHandler(handler)
    try:
        yield lines
    finally:
        logging.getLogger().removeHandler(handler)
