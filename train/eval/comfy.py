"""Any ComfyUI workflow as a system: a clip's keys go in, its frames come out.

A workflow is a file in ComfyUI's API format (Export (API) in its menu) whose nodes are found by
their titles: Load Image nodes `first` and `last`, a Save Image or Preview Image node `frames`, and
where there are any a text `prompt` and whole numbers `length` (frames of the clip, keys included)
and `intervals` (one less). Nothing but the server's address is contacted.
"""

import io
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import requests
import torch
from PIL import Image
from torch import Tensor

from .cache import read_json
from .testset import Clip, pixels, read_image

Json = dict[str, Any]
NEEDED, OTHERS = ("first", "last", "frames"), ("prompt", "length", "intervals")  # titles
IMAGES = ("SaveImage", "PreviewImage")  # what may be titled `frames`
MOST_BYTES = 256 * 2**20  # of one answer of the server
PATIENCE = 180  # seconds in which a server must start
WAIT = 120  # seconds for one answer


@dataclass(frozen=True, kw_only=True)
class Workflow:
    """A workflow's nodes by id; of each title that counts its node, and which input is filled."""

    file: Path
    nodes: Json
    titled: dict[str, tuple[str, str]]

    @property
    def digest(self) -> str:
        return sha256(json.dumps(self.nodes, sort_keys=True).encode()).hexdigest()

    def filled(self, first: str, last: str, prompt: str, frames: int) -> Json:
        """The nodes to run with the keys' names on the server, the prompt and the clip's length."""
        given = {"first": first, "last": last, "prompt": prompt}
        given |= {"length": frames, "intervals": frames - 1}
        nodes = deepcopy(self.nodes)
        for title in self.titled.keys() & given:
            id_, name = self.titled[title]
            nodes[id_]["inputs"][name] = given[title]
        return nodes


def read_workflow(file: Path) -> Workflow:
    """ValueError names the file and what it lacks."""
    nodes = read_json(file)
    if not isinstance(nodes, dict) or not nodes or not all(map(_is_node, nodes.values())):
        raise ValueError(
            f"{file} is no workflow in ComfyUI's API format; save it by Export (API) in the menu"
        )
    titled = {}
    for title in (*NEEDED, *OTHERS):
        found = [id_ for id_, node in nodes.items() if _title(node) == title]
        if len(found) > 1 or (not found and title in NEEDED):
            raise ValueError(f"{file}: {len(found)} nodes are titled {title!r}, expected one")
        if found:
            titled[title] = found[0], _input(file, title, nodes[found[0]])
    return Workflow(file=file, nodes=nodes, titled=titled)


def _is_node(node: object) -> bool:
    return (
        isinstance(node, dict)
        and isinstance(node.get("class_type"), str)
        and isinstance(node.get("inputs"), dict)
    )


def _title(node: Json) -> object:
    return node["_meta"].get("title") if isinstance(node.get("_meta"), dict) else None


def _input(file: Path, title: str, node: Json) -> str:
    """Which input of a titled node is filled, none of `frames`; ValueError where that is not
    clear."""
    kind, inputs = node["class_type"], node["inputs"]
    if title == "frames":
        names, expected = [""] if kind in IMAGES else [], f"one of {IMAGES}"
    elif title in ("first", "last"):
        names, expected = [n for n in inputs if n == "image" and kind == "LoadImage"], "LoadImage"
    elif title == "prompt":
        names, expected = [n for n, v in inputs.items() if isinstance(v, str)], "one text"
    else:
        names, expected = [n for n, v in inputs.items() if type(v) is int], "one whole number"
    if len(names) != 1:
        raise ValueError(
            f"{file}: the node titled {title!r} is {kind} with inputs "
            f"{', '.join(inputs) or 'none'}; expected {expected}"
        )
    return names[0]


class ComfySystem:
    """What a workflow makes on a running server."""

    def __init__(self, name: str, workflow: Workflow, url: str) -> None:
        self.name, self.workflow, self.server = name, workflow, Server(url)

    def fingerprint(self, clip: Clip, sampling: object) -> str:
        return f"comfy {self.workflow.digest}"

    def frames(self, clip: Clip, sampling: object) -> Tensor:
        """ValueError where it gives another number of frames than the clip's, or another size."""
        first, last = (self.server.upload(key) for key in (clip.first, clip.last))
        nodes = self.workflow.filled(first, last, clip.prompt, len(clip.frames))
        outputs = self.server.run(nodes, self.workflow.file)
        items = outputs.get(self.workflow.titled["frames"][0], {}).get("images", [])
        if len(items) != len(clip.frames):
            raise ValueError(
                f"{self.workflow.file} gave {len(items)} frames of {clip.name}, which has "
                f"{len(clip.frames)}, keys included"
            )
        made = torch.stack([self.server.picture(item) for item in items])
        if tuple(made.shape[-2:]) != clip.size:
            (height, width), (rows, columns) = made.shape[-2:], clip.size
            raise ValueError(
                f"{self.workflow.file} gave frames of {width}x{height} pixels of {clip.name}, "
                f"which has {columns}x{rows}; scale them back in the workflow"
            )
        return made


class Server:
    """A running ComfyUI at a URL; OSError where it does not answer, or answers with an error."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy would be another address

    def check(self) -> None:
        """OSError where no ComfyUI answers."""
        if "system" not in (answer := self._json("GET", "/system_stats")):
            raise OSError(f"{self.url} is no ComfyUI: it answers {str(answer)[:80]}")

    def upload(self, key: Tensor) -> str:
        """A key (3 h w) in [0, 1] into the server's temporary folder -> its name for Load Image."""
        file = io.BytesIO()
        Image.fromarray(pixels(key[None])[0]).save(file, "PNG")
        name = f"{sha256(file.getvalue()).hexdigest()[:24]}.png"
        answer = self._json(
            "POST",
            "/upload/image",
            files={"image": (name, file.getvalue(), "image/png")},
            data={"type": "temp", "overwrite": "true"},
        )
        return f"{answer['name']} [temp]"

    def run(self, nodes: Json, file: Path) -> Json:
        """Queue the nodes and wait for what they show: {node: outputs}. ValueError where the server
        refuses them or a node fails; what still runs when this is stopped is cancelled."""
        id_ = self._json("POST", "/prompt", json={"prompt": nodes})["prompt_id"]
        try:
            return _outputs(self._finished(id_, file), file)
        except (KeyboardInterrupt, SystemExit):
            self._cancel(id_)
            raise

    def _finished(self, id_: str, file: Path) -> Json:
        """The record of a run, once it has ended."""
        pause = 0.05
        while True:
            if record := self._json("GET", f"/history/{id_}").get(id_):
                return record
            queued = self._in_queue(id_, "queue_running", "queue_pending")
            if not queued and id_ not in self._json("GET", f"/history/{id_}"):
                raise OSError(f"{self.url} has lost the run of {file}; was it restarted?")
            time.sleep(pause)
            pause = min(1.0, pause * 1.3)

    def picture(self, item: Json) -> Tensor:
        """One of a run's pictures, (3 h w) in [0, 1]."""
        words = {key: str(item.get(key, "")) for key in ("filename", "subfolder", "type")}
        return read_image(self._ask("GET", "/view", params=words))

    def _in_queue(self, id_: str, *names: str) -> bool:
        queue = self._json("GET", "/queue")
        return any(item[1] == id_ for name in names for item in queue.get(name, ()))

    def _cancel(self, id_: str) -> None:
        """Ours alone: older servers interrupt whatever runs."""
        with suppress(OSError, ValueError):  # there may be nobody left to tell
            self._ask("POST", "/queue", json={"delete": [id_]})
            if self._in_queue(id_, "queue_running"):
                self._ask("POST", "/interrupt", json={"prompt_id": id_})

    def _json(self, method: str, path: str, **sent: Any) -> Json:
        data = self._ask(method, path, **sent)
        with suppress(ValueError, RecursionError):
            if isinstance(answer := json.loads(data), dict):
                return answer
        raise OSError(f"{self.url}{path} answers {data[:80]!r}; is it a ComfyUI?")

    def _ask(self, method: str, path: str, **sent: Any) -> bytes:
        """What the server answers, read no further than to MOST_BYTES. A redirect is an error: it
        would contact another address."""
        more = {"timeout": WAIT, "stream": True, "allow_redirects": False}
        data, address = bytearray(), self.url + path
        try:
            with self._session.request(method, address, **more, **sent) as reply:
                for part in reply.iter_content(2**16):
                    data += part
                    if len(data) > MOST_BYTES:
                        raise OSError(f"{address} answers with more than {MOST_BYTES / 2**20:g} MB")
        except requests.RequestException as error:
            reason = getattr(error.__context__, "reason", error)
            raise OSError(f"{self.url} does not answer ({reason}); is ComfyUI running?") from error
        if reply.status_code // 100 == 2:
            return bytes(data)
        message = f"{address} refuses ({reply.status_code}): {_reason(data)}"
        raise (ValueError if reply.status_code == 400 else OSError)(message)


def _reason(said: bytearray) -> str:
    """What ComfyUI says of nodes that it refuses, in a line."""
    try:
        answer = json.loads(said)
        parts = [answer["error"]["message"], answer["error"].get("details", "")]
        for node in answer.get("node_errors", {}).values():
            parts += [
                f"{node.get('class_type')}: {e['message']} {e['details']}" for e in node["errors"]
            ]
        return "; ".join(part for part in parts if part)
    except (ValueError, KeyError, TypeError, AttributeError):
        return said[:200].decode(errors="replace")


def _outputs(record: Json, file: Path) -> Json:
    status = record.get("status") or {}
    if status.get("status_str") == "error":
        errors = [m[1] for m in status.get("messages", []) if m[0].startswith("execution_err")]
        error = errors[-1] if errors else {}
        raise ValueError(
            f"{file}: the node {error.get('node_type', '?')} fails: "
            f"{error.get('exception_message', 'the run was interrupted')}"
        )
    return record["outputs"]


@contextmanager
def started(comfyui: Path, log: Path, device: str) -> Iterator[str]:
    """The URL of a server that runs from a folder with ComfyUI's main.py until the block ends; what
    it says is in `log`. OSError with the end of that where it does not start."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    where = ["--listen", "127.0.0.1", "--port", str(port), "--disable-auto-launch"]
    kind, _, number = device.partition(":")
    where += ["--cpu"] if kind == "cpu" else ["--cuda-device", number] if number else []
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as said:
        process = subprocess.Popen(
            [_python(comfyui), str(comfyui / "main.py"), *where],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
        )
    try:
        _await(Server(f"http://127.0.0.1:{port}"), process, log)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _python(comfyui: Path) -> str:
    """The Python of the folder's own environment, else this one."""
    beside = [
        comfyui / e / p for e in (".venv", "venv") for p in ("bin/python", "Scripts/python.exe")
    ]
    beside.append(comfyui.parent / "python_embeded" / "python.exe")
    return str(next((path for path in beside if path.is_file()), sys.executable))


def _await(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return server.check()
        except OSError as error:
            if process.poll() is not None or time.monotonic() > end:
                tail = " | ".join(log.read_text(errors="replace").splitlines()[-3:])
                raise OSError(f"ComfyUI does not start: {tail} (all of it: {log})") from error
            time.sleep(0.2)
