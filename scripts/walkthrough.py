"""The README's training commands as a newcomer runs them: a fresh clone, unchanged, and their time.

    .venv/bin/python scripts/walkthrough.py

It ends with exit code 1 where a command fails or all of them take 600 seconds or more. The clone
is of what is committed; as after `make setup` it has the .venv and the ComfyUI that this repository
has, and ComfyUI runs the clone's nodes.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "comfy")]

from place import comfyui_folder, make_base  # noqa: E402

SECTION = "## Training"
LIMIT = 600  # seconds


def commands(root: Path) -> list[list[str]]:
    """The words of each command in the section's block of a README.md."""
    section = (root / "README.md").read_text(encoding="utf-8").split(SECTION)[1]
    return [shlex.split(line) for line in section.split("```\n")[1].splitlines()]


def borrow(clone: Path) -> None:
    """Links to what set-up installed, and folders of its own for ComfyUI, whose pack it is."""
    (clone / ".venv").symlink_to((ROOT / ".venv").resolve())
    base = make_base(clone / ".comfyui" / "base", pack=clone)
    (base.parent / "ComfyUI").symlink_to(comfyui_folder())


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        borrow(clone)
        begin = time.monotonic()
        for words in commands(clone):
            started = time.monotonic()
            if subprocess.run(words, cwd=clone, check=False).returncode:
                sys.exit(f"error: {shlex.join(words)} failed")
            print(f"{time.monotonic() - started:.0f} s: {shlex.join(words)}", flush=True)
        seconds = time.monotonic() - begin
    print(f"{seconds:.0f} s in all, {LIMIT} s are allowed")
    sys.exit(seconds >= LIMIT)


if __name__ == "__main__":
    main()
