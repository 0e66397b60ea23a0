"""Raw media to training shards: every clip is read, judged and stored once."""

import hashlib
import json
import logging
import os
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from math import inf
from pathlib import Path

from train.data.prepare.assembly import assemble
from train.data.prepare.config import PrepareConfig
from train.data.prepare.outcome import (
    FOLDER,
    Outcome,
    read_outcome,
    restore_tar,
    work_file,
    write_outcome,
)
from train.data.prepare.progress import Progress, step_of, write_costs
from train.data.prepare.search import Sources, cannot_be_opened, search, unpack
from train.data.prepare.worker import FULL, load_chain, process, start_worker
from train.data.readers.texts import licence_of
from train.data.shards import INDEX, Record, find_shards, read_index
from train.data.store import Store
from train.engine.files import OutFolder, file_digest, printable, write_text
from train.engine.pool import Lost, run_jobs

log = logging.getLogger("toon.prepare")
Paths = dict[str, Path]
VERSION = 2  # of the readers: where they read clips otherwise, the work is done anew


def prepare(config: PrepareConfig) -> Store:
    """Fill the store; ValueError where nothing is left, ModelError for a model that is unusable."""
    from train.engine.launch import device_of  # here, since every worker imports this module

    out, data = Path(config.out), Path(config.data)
    device_of(config.filters.device, "filters.device")
    _check_out(data, out)
    with OutFolder(out, data).locked():
        try:
            return _fill(config, out, data)
        except OSError as error:
            if error.errno not in FULL:
                raise
            raise OSError(
                f"out={out}: {os.strerror(error.errno)}. Make room there and start the same "
                "command again: what is done is kept"
            ) from error


def _fill(config: PrepareConfig, out: Path, data: Path) -> Store:
    for step, reason in load_chain(config.filters).missing.items():
        log.warning("no model for %s: the step is left out (%s)", step, reason)
    root = unpack(data, out / "source") if data.is_file() else data
    sources = search(root)
    fingerprints, refused = _take_fingerprints(config, sources)
    licences = {n: licence_of(sources.clips[n], root) or config.licence for n in fingerprints}
    worked = fingerprints | {name: outcome.fingerprint for name, outcome in refused.items()}
    key = _key(config, worked, licences)
    done = out / FOLDER / "assembled"
    if (out / INDEX).is_file() and done.is_file() and done.read_text() == key:
        log.info("%s is complete, nothing has changed", out)
        return Store(out)
    done.unlink(missing_ok=True)
    outcomes = refused | _work(
        config, {name: sources.clips[name] for name in fingerprints}, fingerprints
    )
    records = assemble(config, outcomes, licences)
    write_costs(out, outcomes)
    _finish(config, outcomes, key)
    _report(config, records)
    return Store(out)


def _check_out(data: Path, out: Path) -> None:
    """Shards in `out` are replaced: ValueError where something else of the user's is there."""
    if data.is_file() and data.resolve().is_relative_to(out.resolve()):
        raise ValueError(f"data={data} lies in out={out}, which is for shards: choose another out")
    ours = (out / INDEX).is_file() or (out / FOLDER).is_dir()
    if not ours and (shards := find_shards(out)):
        raise ValueError(
            f"out={out} holds {shards[0].name}, which train.prepare did not write: choose another"
        )


def _take_fingerprints(
    config: PrepareConfig, sources: Sources
) -> tuple[dict[str, str], dict[str, Outcome]]:
    """A hash for every source of what the work on it depends on, and the outcomes of sources that
    cannot be used."""
    options = _options(config)
    fingerprints: dict[str, str] = {}
    refused = dict(sources.refused)
    if config.filters.duplicate:
        for name, first in _same_files(sources.clips).items():
            refused[name] = sources.clips[name], f"duplicate: of {first}, the same file"
    for name, path in sources.clips.items():
        if name in refused:
            continue
        try:
            fingerprints[name] = _fingerprint(options, path)
        except OSError as error:
            refused[name] = path, cannot_be_opened(error)
    return fingerprints, {name: _refusal(name, *what) for name, what in sorted(refused.items())}


def _same_files(clips: Mapping[str, Path]) -> dict[str, str]:
    """Files that are byte for byte one of a lower id: that id by theirs. Found before the networks
    see either; what cannot be read is told of later."""
    sizes = {name: clips[name].stat().st_size for name in sorted(clips) if clips[name].is_file()}
    shared = Counter(sizes.values())
    first: dict[str, str] = {}
    same: dict[str, str] = {}
    for name, size in sizes.items():
        if shared[size] > 1:
            with suppress(OSError):
                lower = first.setdefault(file_digest(clips[name]), name)
                if lower != name:
                    same[name] = lower
    return same


def _options(config: PrepareConfig) -> str:
    """The options and models that the work on one source depends on, as JSON."""
    options = asdict(config)
    for name in ("data", "out", "licence", "workers", "longest_minutes", "shard_mb", "families"):
        del options[name]
    options["filters"] = {**options["filters"], "duplicate": 0, "device": ""}
    return json.dumps([VERSION, options, load_chain(config.filters).models()])


def _limit(config: PrepareConfig) -> float:
    """Minutes that a source may take."""
    return config.longest_minutes if config.workers else inf


def _fingerprint(options: str, path: Path) -> str:
    """A hash of the options, and of names, sizes and times of a source's files. OSError where it
    is no longer there."""
    path.stat()
    files = sorted(path.iterdir()) if path.is_dir() else [path, path.with_suffix(".txt")]
    stats = [(file.name, file.stat()) for file in files if file.exists()]
    stamp = [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
    return hashlib.sha256(json.dumps([options, stamp]).encode()).hexdigest()


def _refusal(name: str, path: Path, reason: str, fingerprint: str = "") -> Outcome:
    record = Record(id=name, kept=False, reason=reason, source=printable(path.name))
    return Outcome(fingerprint=fingerprint or reason, records=(record,))


def _key(config: PrepareConfig, fingerprints: dict[str, str], licences: Mapping[str, str]) -> str:
    """A hash of what the shards depend on: every source's work, and how it is put together."""
    parts = [
        asdict(config.split),
        config.families,
        config.filters.duplicate,
        config.shard_mb,
        _limit(config),
        sorted(fingerprints.items()),
    ]
    if any(licences.values()):  # shards of before have none
        parts.append(sorted(licences.items()))
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _work(config: PrepareConfig, paths: Paths, fingerprints: dict[str, str]) -> dict[str, Outcome]:
    """The outcome of every source, from earlier runs where it is there already."""
    out, limit = Path(config.out), _limit(config)
    index = {record.id: record for record in read_index(out)} if (out / INDEX).is_file() else {}
    outcomes: dict[str, Outcome] = {}
    for name in paths:
        outcome = read_outcome(out, name)
        if outcome is None or outcome.stands_to < limit:
            continue
        if outcome.fingerprint == fingerprints[name] and restore_tar(out, name, outcome, index):
            outcomes[name] = outcome
    todo = [name for name in paths if name not in outcomes]
    jobs = {name: (config, name, paths[name], fingerprints[name]) for name in todo}
    progress = Progress(paths, outcomes)
    with progress.bar:
        done = run_jobs(process, jobs, config.workers, start_worker, 60 * limit, progress.begin)
        for name, result in done:
            if isinstance(result, Lost):
                result = _drop_lost(config, name, paths[name], fingerprints[name], result)
            outcomes[name] = result
            progress.end(name, result)
    return outcomes


def _drop_lost(
    config: PrepareConfig, name: str, path: Path, fingerprint: str, how: Lost
) -> Outcome:
    """A crash may be a matter of the machine, and a limit too short: neither is final."""
    reason, limit = "read: its reader crashed", 0.0
    if how is Lost.LATE:
        limit = config.longest_minutes
        reason = f"read: took longer than longest_minutes={limit:g}"
    outcome = replace(_refusal(name, path, reason, fingerprint), stands_to=limit)
    write_outcome(Path(config.out), name, outcome, None)
    return outcome


def _finish(config: PrepareConfig, outcomes: dict[str, Outcome], key: str) -> None:
    """The shards hold everything now; what the next run compares with stays. Where a reader has
    crashed that run is not at its end before it begins."""
    out = Path(config.out)
    if all(outcome.stands_to >= _limit(config) for outcome in outcomes.values()):
        write_text(out / FOLDER / "assembled", key, sync=True)
    for name in outcomes:
        work_file(out, name, ".tar").unlink(missing_ok=True)


def _report(config: PrepareConfig, records: list[Record]) -> None:
    counts = Counter(step_of(record) for record in records)
    for record in records:
        if step_of(record) == "read":
            log.warning("%s: %s", record.source, record.reason)
    log.info("%s: %s", config.out, ", ".join(f"{n} {step}" for step, n in counts.most_common()))
    if not counts["kept"]:
        raise ValueError(
            f"data={config.data}: none of its {len(records)} clips was kept; the reasons are in "
            f"{Path(config.out) / INDEX} and on sheet.png"
        )
