"""A ComfyUI server without a window: start it, queue prompts, follow them, fetch what they made.

Used by the demo and by the tests. Needs `websocket-client`; the rest is the standard library.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import websocket

TEXT, PREVIEW_WITH_METADATA = 3, 4  # ComfyUI's numbers of the binary events
LAST_EVENTS = ("execution_success", "execution_error", "execution_interrupted")


class Preview(NamedTuple):
    """A live picture of a running node: which node, and the encoded image (JPEG or PNG)."""

    node: str | None
    image: bytes


class Said(NamedTuple):
    """What a node shows in its text box, as HTML: which node, and all of the text."""

    node: str
    text: str


class Event(NamedTuple):
    """A message of the websocket. `data` is a Preview where `kind` is "preview", and Said where it
    is "text"."""

    kind: str
    data: Any


@dataclass(frozen=True, kw_only=True)
class Run:
    """A prompt that came to its end. `status` is "success", "error", "interrupted" or "rejected".

    `answer` is the last event's data (for "rejected": the server's answer to the request),
    `outputs` what the page would show, by node id.
    """

    status: str
    answer: dict[str, Any]
    outputs: dict[str, Any] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    def of_kind(self, kind: str) -> list[Any]:
        return [event.data for event in self.events if event.kind == kind]


class Headless:
    """A running server; use it as a context manager, or call `close`.

    comfyui: folder with ComfyUI's main.py. base: its --base-directory. log: file for its output.
    Raises RuntimeError with the end of the log when the server does not come up.
    """

    def __init__(
        self, comfyui: Path, base: Path, log: Path, *, options: tuple[str, ...] = ("--cpu",)
    ) -> None:
        self.base, self.log, self.options = Path(base), Path(log), options
        self.address = f"127.0.0.1:{_free_port()}"
        self._process = self._start(Path(comfyui))
        self._wait_until_ready(seconds=180)

    def __enter__(self) -> Headless:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def close(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def get(self, path: str) -> Any:
        return json.loads(self._fetch(path))

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        """-> (HTTP status, answer); a refusal is an answer, not an exception."""
        head = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, json.dumps(body).encode(), head)
        try:
            with urllib.request.urlopen(request, timeout=120) as reply:
                status, text = reply.status, reply.read()
        except urllib.error.HTTPError as refusal:
            status, text = refusal.code, refusal.read()
        return status, json.loads(text) if text else None

    def view(self, item: dict[str, str]) -> bytes:
        """The bytes of one {"filename", "subfolder", "type"} of a run's outputs."""
        wanted = {key: item[key] for key in ("filename", "subfolder", "type")}
        return self._fetch("/view?" + urllib.parse.urlencode(wanted))

    def interrupt(self) -> None:
        self.post("/interrupt", {})

    def run(
        self,
        prompt: dict[str, Any],
        on_event: Callable[[Event], None] | None = None,
        timeout: float = 600,
    ) -> Run:
        """Queue a prompt in API format and follow it to its end.

        timeout: the longest silence between two events, in seconds.
        """
        client, events = uuid.uuid4().hex, []
        address = f"ws://{self.address}/ws?clientId={client}"
        with closing(websocket.create_connection(address, timeout=timeout)) as socket_:
            flags = {"supports_preview_metadata": True}
            socket_.send(json.dumps({"type": "feature_flags", "data": flags}))
            status, answer = self.post("/prompt", {"prompt": prompt, "client_id": client})
            if status != 200:
                return Run(status="rejected", answer=answer)
            for event in _events_of(socket_, answer["prompt_id"]):
                events.append(event)
                if on_event:
                    on_event(event)
        outputs = self._outputs(answer["prompt_id"])
        kind, data = events[-1]
        return Run(
            status=kind.removeprefix("execution_"), answer=data, outputs=outputs, events=events
        )

    def log_tail(self, lines: int = 30) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def _start(self, comfyui: Path) -> subprocess.Popen[bytes]:
        port = self.address.rpartition(":")[2]
        command = [sys.executable, str(comfyui / "main.py"), *self.options]
        command += ["--listen", "127.0.0.1", "--port", port, "--disable-auto-launch"]
        command += ["--base-directory", str(self.base), "--disable-api-nodes"]
        command += ["--database-url", "sqlite:///:memory:"]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with open(self.log, "wb") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )

    def _wait_until_ready(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while True:
            try:
                self.get("/system_stats")
                return
            except (urllib.error.URLError, ConnectionError):
                if self._process.poll() is not None or time.monotonic() > end:
                    self.close()
                    message = f"ComfyUI did not start; the end of {self.log}:\n{self.log_tail()}"
                    raise RuntimeError(message) from None
                time.sleep(0.2)

    def _fetch(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + path, timeout=120) as reply:
            return reply.read()

    def _outputs(self, prompt_id: str) -> dict[str, Any]:
        for _ in range(100):  # the history is written a moment after the last event
            history = self.get(f"/history/{prompt_id}")
            if prompt_id in history:
                return history[prompt_id]["outputs"]
            time.sleep(0.1)
        raise RuntimeError(f"ComfyUI has no history of the finished prompt {prompt_id}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _events_of(socket_: websocket.WebSocket, prompt_id: str) -> Iterator[Event]:
    while True:
        message = socket_.recv()
        if not message:
            raise RuntimeError("ComfyUI closed the connection in the middle of a run")
        if isinstance(message, bytes):
            yield _binary(message)
            continue
        message = json.loads(message)
        kind, data = message["type"], message["data"]
        if data.get("prompt_id", prompt_id) == prompt_id:
            yield Event(kind, data)
            if kind in LAST_EVENTS:
                return


def _binary(message: bytes) -> Event:
    number, length = struct.unpack_from(">II", message)
    first, rest = message[8 : 8 + length], message[8 + length :]
    if number == TEXT:
        return Event("text", Said(first.decode(), rest.decode()))
    if number == PREVIEW_WITH_METADATA:
        return Event("preview", Preview(json.loads(first)["node_id"], rest))
    return Event("preview", Preview(None, message[8:]))  # a picture's format, then the picture
