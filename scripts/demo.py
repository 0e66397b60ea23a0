"""Run a bundled workflow in the real ComfyUI, without a window, and keep what it made.

    python scripts/demo.py [WORKFLOW.json] [--first A.png --last B.png] [--prompt TEXT]
                           [--model FILE] [--lora FILE] [--output FOLDER] [--gpu]

Without a workflow it is the shot of seven keys, or, with key frames or a prompt of one's own, the
clip between two. Leaves NAME.mp4 and NAME_sheet.png in output/, NAME being the workflow's or those
of the key frames; of a shot, with all its drawings on the sheet, also NAME.webp, the moving picture
of the README. --first and --last are pictures of any size; all of them is used, and transparent
parts become white. --prompt says what happens between them. --model and --lora are weights of one's
own (`train/`), which Toon Load Model then loads instead of its first choice. What the nodes say of
a run is printed.
"""

from __future__ import annotations

import argparse
import html
import io
import json
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import av
from contact_sheet import contact_sheet
from graph_to_prompt import prompt_from_graph
from headless import Event, Headless, Run
from own_keys import give_keys, read_picture, write_prompt
from PIL import Image
from shot_film import Film, shot_sheet
from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
COMFY = ROOT / ".comfyui"
WORKFLOW = ROOT / "workflows" / "Draw a shot between keys.json"
CLIP = ROOT / "workflows" / "Interpolate with nano.json"  # between two keys
KEYS = ROOT / "cast" / "keys"


class Bars:
    """Progress in the terminal: a bar for every node that counts its steps, and at the end of each
    node what it said."""

    def __init__(self, prompt: dict[str, Any]) -> None:
        self._titles = {key: node["_meta"]["title"] for key, node in prompt.items()}
        self._bar: tqdm | None = None
        self._node: str | None = None
        self._said: dict[str, str] = {}

    def __call__(self, event: Event) -> None:
        if event.kind == "progress" and event.data["max"] > 1:
            self._show(event.data)
        elif event.kind == "text":
            self._said[event.data.node] = html.unescape(event.data.text).strip()
        elif event.kind == "executing" or event.kind.startswith("execution_"):
            self.close()
            self._tell()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
        self._bar = self._node = None

    def _tell(self) -> None:
        for node, text in self._said.items():
            for line in filter(None, text.splitlines()):
                print(f"  {self._titles.get(node, node)}: {line}", flush=True)
        self._said.clear()

    def _show(self, progress: dict[str, Any]) -> None:
        if progress["node"] != self._node:
            self.close()
            self._node = progress["node"]
            title = self._titles.get(self._node, self._node)
            self._bar = tqdm(total=int(progress["max"]), desc=title, unit="step")
        self._bar.update(progress["value"] - self._bar.n)


def copy_keys(graph: dict[str, Any], folder: Path) -> None:
    """Put the pictures of the cast that the workflow loads into ComfyUI's input folder."""
    for node in graph["nodes"]:
        if node["type"] == "LoadImage":
            name = Path(node["widgets_values"][0]).name
            if (KEYS / name).is_file():
                shutil.copy(KEYS / name, folder / name)


@contextmanager
def use_weights(
    graph: dict[str, Any], models: Path, model: Path | None, lora: Path | None
) -> Iterator[None]:
    """For as long as it lasts link the files into ComfyUI's folders; and choose them in every Toon
    Load Model."""
    with ExitStack() as links:
        for place, folder, file in ((0, "checkpoints", model), (2, "loras", lora)):
            if file is None:
                continue
            link = models / folder / f"demo_{file.name}"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(file.resolve())
            links.callback(link.unlink, missing_ok=True)
            for node in graph["nodes"]:
                if node["type"] == "ToonLoadModel":
                    node["widgets_values"][place] = link.name
        yield


def explain(run: Run) -> str:
    """Why a run did not succeed, in the server's own words."""
    if run.status != "rejected":
        answer = run.answer
        return f"{answer.get('node_type')}: {answer.get('exception_message', run.status).strip()}"
    lines = [run.answer["error"]["message"]]
    for key, node in run.answer["node_errors"].items():
        for error in node["errors"]:
            lines.append(f"  node {key} ({node['class_type']}): {error['details']}")
    return "\n".join(lines)


def made_files(run: Run, ending: str) -> list[dict[str, str]]:
    found = []
    for output in run.outputs.values():
        for items in output.values():
            for item in items:
                if isinstance(item, dict) and item.get("filename", "").endswith(ending):
                    found.append(item)
    return found


def decode(movie: bytes) -> list[Image.Image]:
    with av.open(io.BytesIO(movie)) as container:
        return [frame.to_image() for frame in container.decode(video=0)]


def collect(server: Headless, run: Run) -> tuple[bytes, list[Image.Image]]:
    """The movie, and its frames: from pictures where the workflow gives all of them, which are
    exact, else from the movie."""
    movies = made_files(run, ".mp4")
    if not movies:
        raise SystemExit("The workflow made no .mp4: it needs a Save Video node.")
    movie = server.view(movies[0])
    frames = decode(movie)
    pictures = made_files(run, ".png")
    if len(pictures) == len(frames):
        frames = [Image.open(io.BytesIO(server.view(item))) for item in pictures]
    return movie, frames


def read_film(prompt: dict[str, Any], output: Path) -> Film | None:
    """The shot that the workflow rendered, from the files in ComfyUI's output folder; None where
    there is no Toon Render Shot."""
    names = [n["inputs"]["name"] for n in prompt.values() if n["class_type"] == "ToonRenderShot"]
    if not names:
        return None
    folder = output / "toontween" / names[0]
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    files = sorted(folder.glob("frame_*.png"))
    frames = [Image.open(file).convert("RGB") for file in files]
    return Film(frames, [key["frame"] for key in report["keys"]], report["fps"])


def play(options: argparse.Namespace) -> tuple[bytes, list[Image.Image], Film | None]:
    workflow, inputs = options.workflow, COMFY / "base" / "input"
    graph = json.loads(workflow.read_text(encoding="utf-8"))
    copy_keys(graph, inputs)
    print("Starting ComfyUI ...", flush=True)
    start = time.monotonic()
    device = () if options.gpu else ("--cpu",)
    with ExitStack() as used:
        used.enter_context(
            use_weights(graph, COMFY / "base" / "models", options.model, options.lora)
        )
        place = (COMFY / "ComfyUI", COMFY / "base", COMFY / "demo.log")
        server = used.enter_context(Headless(*place, options=device))
        prompt = prompt_from_graph(graph, server.get("/object_info"))
        try:
            if options.first:
                used.enter_context(give_keys(prompt, inputs, options.first, options.last))
            if options.prompt is not None:
                write_prompt(prompt, options.prompt)
        except ValueError as error:
            raise SystemExit(f"{shown(workflow)}: {error}") from None
        print(
            f"  ready after {time.monotonic() - start:.0f} s; running {workflow.name}", flush=True
        )
        run = server.run(prompt, on_event=Bars(prompt))
        if run.status != "success":
            raise SystemExit(f"The workflow failed. {explain(run)}\nLog: {server.log}")
        return *collect(server, run), read_film(prompt, COMFY / "base" / "output")


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)


def read_options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workflow", nargs="?", type=Path)
    parser.add_argument("--first", type=Path, help="the first key frame, a picture of your own")
    parser.add_argument("--last", type=Path, help="the last key frame")
    parser.add_argument("--prompt", help="what happens between them, in English")
    parser.add_argument("--output", type=Path, default=ROOT / "output")
    parser.add_argument("--model", type=Path, help="a model file of your own")
    parser.add_argument("--lora", type=Path, help="a LoRA file of your own")
    parser.add_argument("--gpu", action="store_true", help="let ComfyUI use the GPU")
    options = parser.parse_args(arguments)
    if (options.first is None) != (options.last is None):
        parser.error("--first and --last belong together: give both key frames, or neither")
    if options.workflow is None:
        options.workflow = WORKFLOW if (options.first, options.prompt) == (None, None) else CLIP
    return options


def main(arguments: list[str]) -> None:
    options = read_options(arguments)
    if not (COMFY / "ComfyUI").is_dir():
        raise SystemExit("No ComfyUI here yet: run `make setup` first.")
    keys = [options.first, options.last] if options.first else []
    for file in (options.workflow, options.model, options.lora, *keys):
        if file is not None and not file.is_file():
            raise SystemExit(f"There is no file {file}.")
    try:
        for key in keys:
            read_picture(key)
    except ValueError as error:
        raise SystemExit(str(error)) from None
    start = time.monotonic()
    movie, frames, film = play(options)
    options.output.mkdir(parents=True, exist_ok=True)
    name = "_".join(key.stem for key in keys) or options.workflow.stem
    name = name.lower().replace(" ", "_")
    video, sheet = options.output / f"{name}.mp4", options.output / f"{name}_sheet.png"
    video.write_bytes(movie)
    size = "{} x {}".format(*frames[0].size)
    made = [video, sheet]
    if film is None:
        note = f"two keys in, {len(frames) - 2} frames between, {size} pixels"
        contact_sheet(frames, "ToonTween", note).save(sheet)
    else:
        seconds = len(film.frames) / film.fps
        note = f"{len(film.keys)} keys in, {seconds:g} s out, {size} pixels"
        shot_sheet(film, "ToonTween", note).save(sheet)
        made.append(options.output / f"{name}.webp")
        film.save(made[-1], "ToonTween", note)
    files = "".join(f"\n  {shown(file)}" for file in made)
    print(f"Done in {time.monotonic() - start:.0f} s.{files}")


if __name__ == "__main__":
    main(sys.argv[1:])
