"""Lottie files, rendered by rlottie in a child process: a malformed file may kill the renderer.

The child is this very file: `python -m train.data.readers.lottie FILE SIZE MAX_FPS MAX_FRAMES`
writes one JSON line (frames, left, height, width, fps) and then the raw BGRA frames to stdout.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from train.data.readers.limits import check_shape, frame_step, part_length

if TYPE_CHECKING:  # the child need not wait for numpy
    from collections.abc import Iterator

    import numpy as np

TIMEOUT_S = 180
MOST_BYTES = 256 * 2**20  # of a file


def read_lottie(
    path: Path, size: int, max_fps: float, max_frames: int
) -> Iterator[tuple[np.ndarray, float]]:
    """One segment: frames (f h w 4), uint8 RGBA with premultiplied alpha, short side `size`, and
    their fps.

    Raises ValueError with the reason where the file cannot be rendered, and after the segment
    where frames are left: the file itself says how long it lasts, and may say anything.
    """
    check_lottie(path)
    meta, frames = _render(path, size, max_fps, max_frames)
    yield frames, meta["fps"]
    if left := meta["left"]:
        raise ValueError(
            f"{path}: {left} frames are left out, a Lottie file ends after max_frames={max_frames}"
        )


def _render(
    path: Path, size: int, max_fps: float, max_frames: int
) -> tuple[dict[str, Any], np.ndarray]:
    import numpy as np

    command = [sys.executable, "-m", "train.data.readers.lottie", str(path.resolve())]
    command += [str(size), str(max_fps), str(max_frames)]
    root = Path(__file__).resolve().parents[3]
    environment = os.environ | {"PYTHONPATH": str(root)}
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=TIMEOUT_S, env=environment, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"{path}: rendering took over {TIMEOUT_S} s") from error
    if done.returncode:
        raise ValueError(f"{path}: the Lottie renderer failed ({_reason(done)})")
    head, _, body = done.stdout.partition(b"\n")
    meta = json.loads(head)
    shape = (meta["frames"], meta["height"], meta["width"], 4)
    if len(body) != shape[0] * shape[1] * shape[2] * 4:
        raise ValueError(f"{path}: the Lottie renderer stopped early")
    return meta, np.frombuffer(body, np.uint8).reshape(shape)[..., [2, 1, 0, 3]]


def check_lottie(path: Path) -> None:
    """ValueError where a file is no Lottie animation by its outermost fields."""
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path}: over {MOST_BYTES >> 20} MB, too much for a Lottie animation")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not valid JSON ({error})") from error
    fields = data if isinstance(data, dict) else {}
    missing = [key for key in ("layers", "w", "h", "fr") if key not in fields]
    if missing:
        raise ValueError(f"{path}: JSON, but not a Lottie animation (no {missing[0]!r})")


def _reason(done: subprocess.CompletedProcess) -> str:
    if done.returncode < 0:
        return f"killed by signal {-done.returncode}: the file is malformed"
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"exit status {done.returncode}"


def _child(path: str, size: int, max_fps: float, max_frames: int) -> None:
    from rlottie_python import LottieAnimation

    end = threading.Timer(TIMEOUT_S, os._exit, [1])  # who waits for it may have been killed
    end.daemon = True
    end.start()

    animation = LottieAnimation.from_file(path)
    count = animation.lottie_animation_get_totalframe()
    fps = animation.lottie_animation_get_framerate()
    width, height = animation.lottie_animation_get_size()
    if min(count, width, height) < 1 or fps <= 0:
        raise ValueError(f"rlottie reads {count} frames, {width}x{height}, {fps} fps")
    check_shape(width, height)
    step = frame_step(fps, max_fps)
    every = range(0, count, step)
    scale = size / min(width, height)
    width, height = max(size, round(width * scale)), max(size, round(height * scale))
    numbers = every[: part_length(width, height, size, max_frames)]
    meta = {"frames": len(numbers), "height": height, "width": width, "fps": fps / step}
    meta["left"] = len(every) - len(numbers)
    out = sys.stdout.buffer
    out.write(json.dumps(meta).encode() + b"\n")
    for number in numbers:
        out.write(animation.lottie_animation_render(frame_num=number, width=width, height=height))


if __name__ == "__main__":
    _child(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))
