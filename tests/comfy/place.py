"""Where the tests' ComfyUI and browser are, and the folder that a test run works in."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACK = "ToonTween"
FOLDERS = ("custom_nodes", "models", "input", "output", "temp", "user/default")
PREVIEWS = ("--preview-method", "latent2rgb")  # live pictures while sampling
PAGE_SETTINGS = {
    "Comfy.TutorialCompleted": True,  # or a template browser covers the page
    "Comfy.Workflow.Persist": False,
    "Comfy.Minimap.Visible": False,  # it lies upon the graph
    "Comfy.Validation.Workflows": True,  # a workflow off the page's schema shows a toast
}


def comfyui_folder() -> Path:
    """The ComfyUI under test: $TOONTWEEN_COMFYUI, or what `make setup` installed."""
    folder = Path(os.environ.get("TOONTWEEN_COMFYUI") or ROOT / ".comfyui" / "ComfyUI").resolve()
    if not (folder / "main.py").is_file():
        raise FileNotFoundError(
            f"No ComfyUI in {folder}: run `make setup`, or set TOONTWEEN_COMFYUI to a checkout"
        )
    return folder


def front_end() -> tuple[str, ...]:
    """Options of main.py for another page than the one ComfyUI pins: $TOONTWEEN_FRONTEND is the
    folder with its index.html."""
    folder = os.environ.get("TOONTWEEN_FRONTEND")
    if not folder:
        return ()
    if not (Path(folder) / "index.html").is_file():
        raise FileNotFoundError(f"TOONTWEEN_FRONTEND = {folder}: no index.html in it")
    return ("--front-end-root", str(Path(folder).resolve()))


def chromium() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found:
            return found
    raise FileNotFoundError("No Chromium on this machine: run `make setup`, which installs it")


def make_base(folder: Path, pack: Path = ROOT) -> Path:
    """A fresh --base-directory with the pack linked into custom_nodes, as a user has it."""
    for name in FOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "custom_nodes" / PACK).symlink_to(pack, target_is_directory=True)
    settings = folder / "user" / "default" / "comfy.settings.json"
    settings.write_text(json.dumps(PAGE_SETTINGS))
    return folder
