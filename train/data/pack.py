"""A cache as one small file, for a machine that has only torch, numpy and Pillow.

`python -m train.data.pack FILE CACHE` unfolds a pack into a cache there; `python -m train.prepare
... pack=FILE` writes one. Colours are rounded to steps of 5 of 255 and stored by palette, so that a
pack is about 40 times smaller than its cache: each clip is an xz stream of its palette and of the
low and high bytes of its palette numbers, in a zip beside `index.json`.
"""

import json
import lzma
import multiprocessing
import os
import struct
import sys
import zipfile
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from train.data.cache import Cache, Record, load_index, store_frames, write_atomic

STEP = 5  # divides 255, so that full and empty stay exact
LARGEST_PALETTE = 1 << 16
HEADER = struct.Struct("<4I")  # frames, height, width, colours


def encode_frames(frames: np.ndarray) -> bytes:
    """(f h w 4) uint8 to an xz stream; colours lose at most STEP / 2, or more where too many."""
    step = STEP
    while True:
        coarse = np.minimum(np.rint(frames / np.float32(step)) * step, 255).astype(np.uint8)
        palette, numbers = np.unique(coarse.reshape(-1, 4).view(np.uint32), return_inverse=True)
        if len(palette) <= LARGEST_PALETTE:
            break
        step *= 2
    numbers = numbers.astype(np.uint16)
    planes = (numbers & 255).astype(np.uint8).tobytes() + (numbers >> 8).astype(np.uint8).tobytes()
    head = HEADER.pack(*frames.shape[:3], len(palette))
    return lzma.compress(head + palette.astype("<u4").tobytes() + planes, preset=2)


def decode_frames(data: bytes) -> np.ndarray:
    """The frames (f h w 4) uint8 of `encode_frames`."""
    data = lzma.decompress(data)
    count, height, width, colours = HEADER.unpack_from(data)
    palette = np.frombuffer(data, "<u4", colours, HEADER.size)
    planes = np.frombuffer(data, np.uint8, offset=HEADER.size + 4 * colours).reshape(2, -1)
    numbers = planes[0] | planes[1].astype(np.uint16) << 8
    return palette[numbers].view(np.uint8).reshape(count, height, width, 4)


def write_pack(cache: Cache, file: Path, workers: int = 2) -> None:
    """Write a whole cache as one file."""

    def fill(target) -> None:
        with zipfile.ZipFile(target, "w") as pack, _pool(workers) as pool:
            pack.write(cache.root / "index.json", "index.json")
            paths = [cache.frames_path(record) for record in cache.records]
            for record, data in zip(cache.records, pool.map(_encoded, paths), strict=True):
                pack.writestr(f"{record.id}.xz", data)

    write_atomic(file, fill)


def _pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))


def _encoded(path: Path) -> bytes:
    return encode_frames(np.load(path, mmap_mode="r"))


def read_pack(file: Path, out: Path, workers: int | None = None) -> Cache:
    """Unfold a pack into the cache `out`; ValueError where `file` is no pack."""
    try:
        with zipfile.ZipFile(file) as pack:
            text = pack.read("index.json")
    except (zipfile.BadZipFile, KeyError) as error:
        raise ValueError(f"{file}: not a pack of `train.prepare pack=...` ({error})") from error
    records = load_index(json.loads(text), str(file))
    with _pool(workers or os.cpu_count()) as pool:
        list(pool.map(partial(_unfold, file, out), records))
    write_atomic(out / "index.json", lambda target: target.write(text))
    return Cache(out)


def _unfold(file: Path, out: Path, record: Record) -> None:
    with zipfile.ZipFile(file) as pack:
        store_frames(out, record.id, decode_frames(pack.read(f"{record.id}.xz")))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python -m train.data.pack FILE CACHE")
    read_pack(Path(sys.argv[1]), Path(sys.argv[2]))
