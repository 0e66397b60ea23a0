"""Raw media to training shards: every clip is read, judged and stored once."""

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from math import inf
from pathlib import Path

from tqdm import tqdm

from train.data.archive import unpack
from train.data.assembly import assemble, restore
from train.data.contact import write_sheet
from train.data.names import printable
from train.data.options import PrepareConfig
from train.data.outcome import FOLDER, Outcome, read_outcome, work_file, write_outcome
from train.data.pool import Lost, run_jobs
from train.data.search import Found, cannot_be_opened, search
from train.data.shards import found_shards, write_atomic
from train.data.store import INDEX, Record, Store, read_index
from train.data.worker import FULL, filter_models, load_chain, process, start_worker
from train.engine.config import at_least
from train.engine.files import check_out, locked_folder

log = logging.getLogger("toon.prepare")
Paths = dict[str, Path]
READERS = 2  # another number where they read clips otherwise: the work is done anew


def prepare(config: PrepareConfig) -> Store:
    """Fill the store; ValueError where nothing is left, ModelError for a model that is unusable."""
    out, data = Path(config.out), Path(config.data)
    at_least(config, 1, "size", "max_fps", "max_frames", "least_frames")
    at_least(config, 0, "workers", "longest_minutes", "shard_mb")
    at_least(config.split, 1, "length")
    at_least(config.split, 0, "test_share", "least_large")
    if config.split.test_share > 1:
        raise ValueError(f"split.test_share={config.split.test_share}: expected a share, 0 to 1")
    _check_device(config.filters.device)
    _check_out(data, out)
    with locked_folder(out, data), _room_in(out):
        return _filled(config, out, data)


def _check_device(name: str) -> None:
    from train.engine.launch import device_of  # here, since every worker imports this module

    try:
        device_of(name)
    except ValueError as error:
        raise ValueError(f"filters.{error}") from error


@contextmanager
def _room_in(out: Path) -> Iterator[None]:
    """A full disk is told of with its place, which not every error of it has."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise OSError(
            f"out={out}: {error.strerror}. Make room there and start the same command again: what "
            "is done is kept"
        ) from error


def _filled(config: PrepareConfig, out: Path, data: Path) -> Store:
    for step, reason in load_chain(config.filters).missing.items():
        log.warning("no model for %s: the step is left out (%s)", step, reason)
    root = unpack(data, out / "source") if data.is_file() else data
    found = search(root)
    stamps, refused = _stamped(config, found)
    key = _key(config, stamps | {name: outcome.fingerprint for name, outcome in refused.items()})
    done = out / FOLDER / "assembled"
    if (out / INDEX).is_file() and done.is_file() and done.read_text() == key:
        log.info("%s is complete, nothing has changed", out)
        return Store(out)
    done.unlink(missing_ok=True)
    outcomes = refused | _work(config, {name: found.clips[name] for name in stamps}, stamps)
    records = assemble(config, outcomes)
    write_sheet(out, outcomes, records)
    _finish(config, outcomes, key)
    _report(config, records)
    return Store(out)


def _check_out(data: Path, out: Path) -> None:
    """Shards in `out` are replaced: ValueError where something else of the user's is there."""
    check_out(out, data)
    if data.is_file() and data.resolve().is_relative_to(out.resolve()):
        raise ValueError(f"data={data} lies in out={out}, which is for shards: choose another out")
    ours = (out / INDEX).is_file() or (out / FOLDER).is_dir()
    if not ours and (shards := found_shards(out)):
        raise ValueError(
            f"out={out} holds {shards[0].name}, which train.prepare did not write: choose another"
        )


def _stamped(config: PrepareConfig, found: Found) -> tuple[dict[str, str], dict[str, Outcome]]:
    """What the work on every source depends on, and the outcomes of those that cannot be used."""
    options = _options(config)
    stamps: dict[str, str] = {}
    refused = dict(found.refused)
    for name, path in found.clips.items():
        try:
            stamps[name] = _fingerprint(options, path)
        except OSError as error:
            refused[name] = path, cannot_be_opened(error)
    return stamps, {name: _refusal(name, *what) for name, what in sorted(refused.items())}


def _options(config: PrepareConfig) -> str:
    """The options and models that the work on one source depends on."""
    options = asdict(config)
    for name in ("data", "out", "workers", "longest_minutes", "shard_mb", "families"):
        del options[name]
    options["filters"] = {**options["filters"], "duplicate": 0, "device": ""}
    return json.dumps([READERS, options, filter_models(config.filters)])


def _limit(config: PrepareConfig) -> float:
    """Minutes that a source may take."""
    return config.longest_minutes if config.workers else inf


def _fingerprint(options: str, path: Path) -> str:
    """OSError where the source, which was found, is no longer there."""
    path.stat()
    files = sorted(path.iterdir()) if path.is_dir() else [path, path.with_suffix(".txt")]
    stats = [(file.name, file.stat()) for file in files if file.exists()]
    stamp = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
    return hashlib.sha256(json.dumps([options, stamp]).encode()).hexdigest()


def _refusal(name: str, path: Path, reason: str, stamp: str = "") -> Outcome:
    record = Record(id=name, kept=False, reason=reason, source=printable(path.name))
    return Outcome(fingerprint=stamp or reason, records=(record,))


def _key(config: PrepareConfig, stamps: dict[str, str]) -> str:
    """What the shards depend on: every source's work, and how it is put together."""
    parts = [
        asdict(config.split),
        config.families,
        config.filters.duplicate,
        config.shard_mb,
        _limit(config),
        sorted(stamps.items()),
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _work(config: PrepareConfig, paths: Paths, stamps: dict[str, str]) -> dict[str, Outcome]:
    """The outcome of every source, from earlier runs where it is there already."""
    out = Path(config.out)
    index = _old_index(out)
    outcomes: dict[str, Outcome] = {}
    for name in paths:
        outcome = read_outcome(out, name)
        if outcome is None or outcome.stands_to < _limit(config):
            continue
        if outcome.fingerprint == stamps[name] and restore(out, name, outcome, index):
            outcomes[name] = outcome
    todo = {name: path for name, path in paths.items() if name not in outcomes}
    steps = Counter(_step(record) for o in outcomes.values() for record in o.records)
    progress = tqdm(total=len(paths), initial=len(outcomes), desc="clips", unit="clip")
    with progress:
        for name, outcome in _processed(config, todo, stamps):
            outcomes[name] = outcome
            steps.update(map(_step, outcome.records))
            progress.update()
            progress.set_postfix(steps)
    return outcomes


def _old_index(out: Path) -> dict[str, Record]:
    if not (out / INDEX).is_file():
        return {}
    return {record.id: record for record in read_index(out) if record.kept}


def _step(record: Record) -> str:
    """What dropped a record, or "kept"."""
    return "kept" if record.kept else record.reason.split(":")[0]


def _processed(
    config: PrepareConfig, todo: Paths, stamps: dict[str, str]
) -> Iterator[tuple[str, Outcome]]:
    jobs = {name: (config, name, path, stamps[name]) for name, path in todo.items()}
    for name, found in run_jobs(process, jobs, config.workers, start_worker, 60 * _limit(config)):
        lost = isinstance(found, Lost)
        yield name, _lost(config, name, todo[name], stamps[name], found) if lost else found


def _lost(config: PrepareConfig, name: str, path: Path, stamp: str, how: Lost) -> Outcome:
    """A crash may be a matter of the machine, and a limit too short: neither is final."""
    reason, limit = "read: its reader crashed", 0.0
    if how is Lost.LATE:
        limit = config.longest_minutes
        reason = f"read: took longer than longest_minutes={limit:g}"
    outcome = replace(_refusal(name, path, reason, stamp), stands_to=limit)
    write_outcome(Path(config.out), name, outcome, None)
    return outcome


def _finish(config: PrepareConfig, outcomes: dict[str, Outcome], key: str) -> None:
    """The shards hold everything now; what the next run compares with stays. Where a reader has
    crashed that run is not at its end before it begins."""
    out = Path(config.out)
    if all(outcome.stands_to >= _limit(config) for outcome in outcomes.values()):
        write_atomic(out / FOLDER / "assembled", lambda file: file.write(key.encode()))
    for name in outcomes:
        work_file(out, name, ".tar").unlink(missing_ok=True)


def _report(config: PrepareConfig, records: list[Record]) -> None:
    counts = Counter(_step(record) for record in records)
    for record in records:
        if _step(record) == "read":
            log.warning("%s: %s", record.source, record.reason)
    log.info("%s: %s", config.out, ", ".join(f"{n} {step}" for step, n in counts.most_common()))
    if not counts["kept"]:
        raise ValueError(
            f"data={config.data}: none of its {len(records)} clips was kept; the reasons are in "
            f"{Path(config.out) / INDEX} and on sheet.png"
        )
