"""The files of a cache: written by `train.cache`, read by `train.data.windows.cached`.

A cache is `cache.json`, which says what it was made of and with, and tar shards `train-000000.tar`
(and `test-000000.tar` of held-out windows) with the places of their members in a .json each.
Window 12 is the members `00000012.json`, `.moments.npy`, `.text.npy`, `.image.npy`, `.first.webp`,
`.0000.sketch.webp ...` and `.0000.webp ...`, as far as they were stored.
"""

import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from train.data.readers.frames import encode_frame
from train.data.shards import END, Place, fragment
from train.engine.files import atomic_write, write_text

FACTS = "cache.json"
TEXT = ("prompt", "fs", "name", "start", "stride")
PRECISIONS = {"fp16": np.float16, "fp32": np.float32}
Members = list[tuple[str, bytes]]


def numbered(names: Iterable[str], suffix: str) -> list[str]:
    """`0000<suffix>`, `0001<suffix>` ... among member names, in order."""
    return sorted(n for n in names if n.endswith(suffix) and n[: -len(suffix)].isdigit())


def spans(windows: int, size: int) -> list[range]:
    """The numbers of every shard's windows."""
    return [range(i, min(i + size, windows)) for i in range(0, windows, size)]


def is_cache(data: str | Path) -> bool:
    """Whether a folder is one of `train.cache`, finished or not."""
    return (Path(data) / FACTS).is_file()


def read_facts(root: Path) -> dict[str, Any]:
    """ValueError naming the file where it is none of `train.cache`."""
    try:
        facts = json.loads((root / FACTS).read_text(encoding="utf-8"))
        return facts | {"complete": bool(facts["complete"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{root / FACTS}: no file of train.cache ({error})") from error


def write_facts(root: Path, facts: dict[str, Any]) -> None:
    write_text(root / FACTS, json.dumps(facts), sync=True)


def read_places(root: Path, shard: str) -> list[dict[str, Place]]:
    """The members of every window of a shard. ValueError where the shard is not there whole."""
    tar = root / shard
    try:
        index = json.loads(tar.with_suffix(".json").read_text(encoding="utf-8"))
        end = max(start + size for places in index for start, size in places.values())
        short = tar.stat().st_size < end
    except (OSError, ValueError, AttributeError) as error:
        raise ValueError(f"{tar}: {error}; run the same train.cache again") from error
    if short:
        raise ValueError(f"{tar} is cut short; delete it and run the same train.cache again")
    return index


def members(item: dict, values: dict[str, Tensor], precision: str, video: bool) -> Members:
    """The files of one window of `ClipWindows`, without its key; `values` by the encoders."""
    text = {name: item[name] for name in TEXT}
    files = [("json", json.dumps(text, ensure_ascii=False).encode())]
    files += [(f"{name}.npy", _array(value, precision)) for name, value in values.items()]
    frames = _pixels((item["video"].movedim(0, -1) + 1) / 2)
    if values:
        files.append(("first.webp", encode_frame(frames[0])))
    if video:
        files += [(f"{n:04d}.webp", encode_frame(frame)) for n, frame in enumerate(frames)]
    lines = _pixels(item["sketches"][0]) if "sketches" in item else ()
    return files + [(f"{n:04d}.sketch.webp", encode_frame(x)) for n, x in enumerate(lines)]


def _pixels(values: Tensor) -> np.ndarray:
    return (values.clamp(0, 1) * 255).round().to(torch.uint8).numpy()


def _array(value: Tensor, precision: str) -> bytes:
    out = io.BytesIO()
    np.save(out, value.float().cpu().numpy().astype(PRECISIONS[precision]))
    return out.getvalue()


def write_shard(tar: Path, windows: list[tuple[int, Members]]) -> None:
    """Members by window. Their places come first: where the tar is, they are."""
    named = [(f"{i:08d}.{name}", data) for i, files in windows for name, data in files]
    data, places = fragment(named)
    rest: Iterator[Place] = iter(places)
    index = [{name: next(rest) for name, _ in files} for _, files in windows]
    write_text(tar.with_suffix(".json"), json.dumps(index), sync=True)
    atomic_write(tar, lambda file: file.write(data + END), sync=True)
