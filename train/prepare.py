"""Render clips once into a frame cache.

    python -m train.prepare data=FOLDER_OR_TAR out=CACHE [size=128 max_fps=30 workers=2 ...]

Clips that are in the cache already are kept, so that an interrupted run goes on. A file that
cannot be read is skipped with its reason; the count is logged and index.json lists them.
"""

import json
import logging
import multiprocessing
import sys
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from omegaconf import MISSING
from tqdm import tqdm

from train.data.cache import Cache, Record, clip_id, store_clip, write_atomic, write_index
from train.data.clips import find_clips, open_clip, unpack
from train.data.lookalikes import find_groups, motion_signature
from train.data.motion import WindowRules
from train.data.pack import write_pack
from train.data.splits import SplitConfig, assign_splits, large_windows
from train.engine.config import read

log = logging.getLogger("toon.prepare")


@dataclass(frozen=True, kw_only=True)
class PrepareConfig:
    """Options of `train.prepare`."""

    data: str = MISSING  # folder of clips, or a tar of one (.tar, .tar.gz, .tar.xz)
    out: str = MISSING  # folder of the cache
    size: int = 128
    max_fps: float = 30.0
    pack: str = ""  # also write the cache as one small file here (train.data.pack)
    max_frames: int = 900  # longer clips are cut there
    least_frames: int = 16
    workers: int = 2
    split: SplitConfig = field(default_factory=SplitConfig)
    rules: WindowRules = field(default_factory=WindowRules)


def prepare(config: PrepareConfig) -> Cache:
    """Fill the cache and write its index; ValueError where nothing could be read."""
    out = Path(config.out)
    data = Path(config.data)
    root = unpack(data, out / "source") if data.is_file() else data
    paths = _identified(root)
    records, skipped = [], {}
    progress = tqdm(_render_all(config, paths), total=len(paths), desc="clips", unit="clip")
    for identity, result in progress:
        if isinstance(result, Record):
            records.append(result)
        else:
            skipped[identity] = result
            log.warning("skipped %s", result)
    if not records:
        raise ValueError(f"data={config.data}: no readable clip among {len(paths)} found there")
    records = _indexed(out, sorted(records, key=lambda record: record.id), config)
    write_index(out, config.size, records, skipped)
    log.info("%d clips, %d skipped, in %s", len(records), len(skipped), out)
    cache = Cache(out)
    if config.pack:
        write_pack(cache, Path(config.pack), config.workers)
    return cache


def _identified(root: Path) -> dict[str, Path]:
    paths: dict[str, Path] = {}
    for path in find_clips(root):
        identity = clip_id(path, root)
        if identity in paths:  # walk.gif beside walk.mp4
            identity += path.suffix.replace(".", "_")
        paths[identity] = path
    return paths


def _render_all(
    config: PrepareConfig, paths: dict[str, Path]
) -> Iterator[tuple[str, Record | str]]:
    """(id, record or reason) for every path, from the cache where it is there already."""
    missing = {}
    for identity, path in paths.items():
        stored = _stored(config, identity, path)
        if stored:
            yield identity, stored
        else:
            missing[identity] = path
    if not missing:
        return
    lost = []
    for identity, result in _in_workers(config, missing, config.workers):
        if result is None:
            lost.append(identity)
        else:
            yield identity, result
    for identity in lost:  # one crash takes the others of its pool down: alone, each shows itself
        alone = {identity: missing[identity]}
        for _, result in _in_workers(config, alone, 1):
            yield identity, result or f"{missing[identity]}: its reader crashed"


def _in_workers(
    config: PrepareConfig, paths: dict[str, Path], workers: int
) -> Iterator[tuple[str, Record | str | None]]:
    """Results as they come; None for a clip whose worker process died."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max(1, workers), mp_context=context) as pool:
        jobs = {pool.submit(_render, config, key, path): key for key, path in paths.items()}
        for job in as_completed(jobs):
            crashed = isinstance(job.exception(), BrokenExecutor)
            yield jobs[job], None if crashed else job.result()


def _fingerprint(config: PrepareConfig, path: Path) -> str:
    files = [path] if path.is_file() else sorted(path.iterdir())
    stamp = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    options = (config.size, config.max_fps, config.max_frames)
    return json.dumps([options, stamp])


def _stored(config: PrepareConfig, identity: str, path: Path) -> Record | None:
    file = Path(config.out) / "clips" / f"{identity}.json"
    if not file.exists():
        return None
    entry = json.loads(file.read_text(encoding="utf-8"))
    if entry["fingerprint"] != _fingerprint(config, path):
        return None
    return Record(**entry["record"])


def _render(config: PrepareConfig, identity: str, path: Path) -> Record | str:
    """Worker: read one clip and store it; a reason where it cannot be used."""
    try:
        clip = open_clip(path, config.size, config.max_fps, config.max_frames)
    except ValueError as error:
        return str(error)
    if len(clip.frames) < config.least_frames:
        return f"{path}: {len(clip.frames)} frames, at least {config.least_frames} are needed"
    record = store_clip(Path(config.out), identity, clip)
    entry = {"fingerprint": _fingerprint(config, path), "record": asdict(record)}
    file = Path(config.out) / "clips" / f"{identity}.json"
    write_atomic(file, lambda f: f.write(json.dumps(entry, ensure_ascii=False).encode()))
    return record


def _indexed(out: Path, records: list[Record], config: PrepareConfig) -> list[Record]:
    """Records with look-alike group, count of large-motion windows and split."""
    write_index(out, config.size, records, {})
    cache = Cache(out)
    signatures = [motion_signature(cache.frames(record)) for record in records]
    groups = find_groups(np.stack(signatures), [record.prompt for record in records])
    filled = []
    for record, group in zip(records, groups, strict=True):
        large = len(large_windows(cache.motion(record), config.split, config.rules))
        filled.append(replace(record, group=records[group].id, large=large))
    return assign_splits(filled, config.split)


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    try:
        config = read(PrepareConfig, None, sys.argv[1:])
        prepare(config)
    except ValueError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
