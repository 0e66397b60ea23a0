"""Workflows as systems, without a ComfyUI: what is read, what is filled in, what is contacted."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from train.eval import comfy
from train.eval.comfy import Server, read_workflow
from train.eval.options import read_spec

SHIPPED = Path(__file__).parents[3] / "train" / "eval" / "workflows"


def titled(kind: str, title: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs, "_meta": {"title": title}}


def nodes() -> dict[str, Any]:
    return {
        "1": titled("LoadImage", "first", image="a.png"),
        "2": titled("LoadImage", "last", image="b.png"),
        "3": titled("PrimitiveStringMultiline", "prompt", value="?"),
        "4": titled("PrimitiveInt", "length", value=1),
        "5": titled("RepeatImageBatch", "intervals", image=["1", 0], amount=1),
        "6": titled("PreviewImage", "frames", images=["5", 0]),
    }


def write(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def test_titled_nodes_are_filled_and_nothing_else(tmp_path: Path) -> None:
    workflow = read_workflow(write(tmp_path / "w.json", nodes()))
    filled = workflow.filled("x.png [temp]", "y.png [temp]", "a fox", 16)
    expected = nodes()
    expected["1"]["inputs"]["image"], expected["2"]["inputs"]["image"] = (
        "x.png [temp]",
        "y.png [temp]",
    )
    expected["3"]["inputs"]["value"], expected["4"]["inputs"]["value"] = "a fox", 16
    expected["5"]["inputs"]["amount"] = 15
    assert filled == expected
    assert workflow.nodes == nodes(), "the next clip starts from the file"


@pytest.mark.parametrize("name", ["film", "rife", "template"])
def test_the_shipped_workflows_are_read(name: str) -> None:
    workflow = read_workflow(SHIPPED / f"{name}.json")
    assert {"first", "last", "frames"} <= set(workflow.titled)
    if name != "template":
        filled = workflow.filled("x", "y", "", 16)
        [multiplier] = [
            n["inputs"]["multiplier"] for n in filled.values() if "multiplier" in str(n)
        ]
        assert multiplier == 15, "core's node gives 15 + 1 frames of two keys"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda n: n.pop("1"), "0 nodes are titled 'first'"),
        (lambda n: n.update({"9": n["2"]}), "2 nodes are titled 'last'"),
        (lambda n: n.pop("6"), "0 nodes are titled 'frames'"),
        (lambda n: n["6"].update(class_type="SaveVideo"), "titled 'frames' is SaveVideo"),
        (lambda n: n["1"].update(class_type="EmptyImage"), "titled 'first' is EmptyImage"),
        (lambda n: n["3"]["inputs"].update(other="b"), "expected one text"),
        (lambda n: n["4"]["inputs"].update(value=True), "expected one whole number"),
        (lambda n: n.update({"7": 5}), "API format"),
        (lambda n: n.update(nodes=[], links=[]), "API format"),
    ],
)
def test_a_workflow_that_cannot_work_is_refused(change: Any, words: str, tmp_path: Path) -> None:
    content = nodes()
    change(content)
    file = write(tmp_path / "w.json", content)
    with pytest.raises(ValueError, match=rf"w\.json.*{words}"):
        read_spec(f"comfy:{file}@http://127.0.0.1:1")


def test_where_a_workflow_runs(tmp_path: Path) -> None:
    file = write(tmp_path / "film.json", nodes())
    spec = read_spec(f"theirs=comfy:{file}@http://127.0.0.1:8188")
    assert (spec.name, spec.what, spec.comfyui) == ("theirs", file, "http://127.0.0.1:8188")
    with pytest.raises(ValueError, match="neither a server's address nor the folder of a ComfyUI"):
        read_spec(f"comfy:{file}@{tmp_path}")
    (tmp_path / "main.py").touch()
    assert read_spec(f"comfy:{file}@{tmp_path}").comfyui == str(tmp_path)
    with pytest.raises(ValueError, match="cannot be read as JSON"):
        read_spec(f"comfy:{tmp_path / 'none.json'}@http://127.0.0.1:8188")


@contextmanager
def answering(status: int, body: bytes, **head: str) -> Iterator[tuple[str, list[str]]]:
    """A server's address, and what it was asked: method, path and JSON."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            asked.append(f"{self.command} {self.path} {sent}".strip())
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **head}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def test_a_redirect_is_not_followed_and_no_proxy_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        answering(200, b'{"system": {}}') as (other, asked),
        answering(302, b"", Location=f"{other}/system_stats") as (url, _),
    ):
        monkeypatch.setenv("http_proxy", other)
        with pytest.raises(OSError, match="refuses \\(302\\)"):
            Server(url).check()
        assert asked == []


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"a": 1}', b"\xff"])
def test_what_is_no_comfyui_is_said(body: bytes) -> None:
    with answering(200, body) as (url, _), pytest.raises(OSError, match="ComfyUI"):
        Server(url).check()


def test_a_server_that_does_not_run_is_said() -> None:
    with pytest.raises(OSError, match="does not answer .*is ComfyUI running"):
        Server("http://127.0.0.1:9").check()


def test_an_answer_without_end_is_not_read_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comfy, "MOST_BYTES", 2**16)
    endless = {"Content-Length": str(2**40)}
    with (
        answering(200, b" " * 2**17, **endless) as (url, _),
        pytest.raises(OSError, match="/view answers with more than 0.0625 MB"),
    ):
        Server(url).picture({})


def test_a_refusal_says_comfyuis_reason() -> None:
    refused = [{"message": "Value not in list", "details": "ckpt: 'a' not in []"}]
    said = {
        "error": {"message": "Prompt has no outputs", "details": ""},
        "node_errors": {"4": {"class_type": "Loader", "errors": refused}},
    }
    reason = "Prompt has no outputs; Loader: Value not in list ckpt: 'a' not in \\[\\]$"
    for status, kind in ((400, ValueError), (500, OSError)):
        words = rf"/system_stats refuses \({status}\): {reason}"
        with (
            answering(status, json.dumps(said).encode()) as (url, _),
            pytest.raises(kind, match=words),
        ):
            Server(url).check()


@pytest.mark.parametrize("running", [True, False])
def test_who_stops_cancels_the_own_run_alone(
    running: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = [1, "ours"], [0, "theirs"]
    queue = {"queue_running": [ours if running else theirs], "queue_pending": [ours]}

    def stop(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(comfy.time, "sleep", stop)
    answer = json.dumps({"prompt_id": "ours", **queue}).encode()
    with answering(200, answer) as (url, asked), pytest.raises(KeyboardInterrupt):
        Server(url).run(nodes(), Path("w.json"))
    posted = [words.removeprefix("POST ") for words in asked if words.startswith("POST ")]
    assert posted[0].startswith("/prompt ") and posted[1] == '/queue {"delete": ["ours"]}'
    assert posted[2:] == (['/interrupt {"prompt_id": "ours"}'] if running else [])
