"""An evaluation: the systems run over the clips, in this process or several, and are scored."""

import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from functools import cache, partial
from pathlib import Path

import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from tqdm import tqdm

from train.data.shards import INDEX
from train.engine.files import OutFolder, file_digest
from train.engine.launch import device_of
from train.engine.pool import Lost, run_jobs

from .cache import Cache, folder_name
from .options import Settings, Spec, opened, read_spec
from .output import write
from .report import Report
from .scores import ClipScores, Reconstructor, Scorer, crosses_border
from .systems import Checkpoint
from .testset import HeldoutConfig, read_clip, read_testset, shorter_side, write_heldout

PATIENCE = timedelta(days=1)  # of a process that is done, while others still score


def evaluate(
    systems: Sequence[str],
    testset: Path,
    settings: Settings,
    *,
    limit: int | None = None,
    workers: int = 1,
) -> dict[str, object] | None:
    """Score the systems on a folder of clips, or shards of `train.prepare`, and write everything
    into settings.out; returns what results.json holds, and None where another process does that.

    ValueError for a bad test set, a device that is not there, an unknown system or two of one name,
    before long work.
    """
    device_of(settings.device, "--device")
    specs = _read_specs(systems)
    state = _processes(settings.device)
    first = state is None or state.is_main_process
    testset = _as_folders(testset, settings.out, state)
    started = time.monotonic()
    with OutFolder(settings.out, testset).locked() if first else nullcontext():
        with state.main_process_first() if state else nullcontext():
            if first and settings.fresh:
                Cache(settings.out, settings.sampling).forget()
            folders = read_testset(testset, limit)
        for spec in specs:
            spec.check(folders)
        settings = replace(settings, size=settings.size or shorter_side(folders))
        with opened(specs, settings.out, settings.device) as specs:
            scored = _score_all(specs, folders, settings, workers, state)
            if scored is None:
                return None
            shown = tqdm(scored, " ".join(s.name for s in specs), len(folders), unit="clip")
            clips = {clip.name: clip for clip in sorted(shown, key=lambda clip: clip.name)}
        name = testset.resolve().name
        report = Report(testset=name, settings=settings, specs=specs, clips=clips)
        processes = state.num_processes if state else min(workers, len(folders))
        return write(report, started=started, processes=processes)


class Bench:
    """Measures clip after clip, taking from the cache what it holds already."""

    def __init__(self, specs: Sequence[Spec], settings: Settings) -> None:
        self.settings = settings
        self.systems = [spec.open(settings.device) for spec in specs]
        networks = settings.networks()
        self.cache = Cache(settings.out, settings.sampling, settings.measures(networks))
        self.scorer = Scorer(settings.columns(networks), networks, settings.every_frame)
        self.reconstructor = Reconstructor(networks)

    def score(self, folder: Path) -> ClipScores:
        clip = read_clip(folder, self.settings.size)
        return ClipScores(
            name=clip.name,
            folder=folder,
            digest=clip.digest(),
            frames=len(clip.frames),
            size=clip.size,
            prompt=clip.prompt,
            fps=clip.fps,
            passing=crosses_border(clip.frames),
            truth=self.cache.truth(clip, partial(self.scorer.score_truth, clip)),
            systems={
                system.name: self.cache.scored(clip, system, partial(self.scorer.score, clip))
                for system in self.systems
            },
            decoded={
                system.name: self.cache.decoded(
                    clip, system.weights, partial(self.reconstructor.score, system.model.vae, clip)
                )
                for system in self.systems
                if isinstance(system, Checkpoint)
            },
        )


def _score_all(
    specs: Sequence[Spec],
    folders: Sequence[Path],
    settings: Settings,
    workers: int,
    state: PartialState | None,
) -> Iterator[ClipScores] | None:
    """Clip by clip as they get ready; None where the first of several processes has them."""
    if state is not None:
        return score_share(specs, settings, folders, state)
    if workers > 1:
        return _score_parallel(specs, settings, folders, min(workers, len(folders)))
    return map(Bench(specs, settings).score, folders)


def _score_parallel(
    specs: Sequence[Spec], settings: Settings, folders: Sequence[Path], workers: int
) -> Iterator[ClipScores]:
    """From `workers` processes that each hold every system. On small frames one thread a process
    is much faster than several threads in one."""
    threads = max(1, (os.cpu_count() or 1) // workers)
    jobs = {folder.name: (tuple(specs), settings, folder) for folder in folders}
    start = partial(torch.set_num_threads, threads)
    for name, scores in run_jobs(_score_clip, jobs, workers, start):
        if isinstance(scores, Lost):
            raise OSError(f"{name}: {scores.value}, perhaps for want of memory: try --workers 1")
        yield scores


_bench_of_process = cache(Bench)


def _score_clip(specs: tuple[Spec, ...], settings: Settings, folder: Path) -> ClipScores:
    return _bench_of_process(specs, settings).score(folder)


def score_share(
    specs: Sequence[Spec], settings: Settings, folders: Sequence[Path], state: PartialState
) -> Iterator[ClipScores] | None:
    """One process of several: measures its share of the clips on its own device, and waits.

    The first then gives those of all clips, the others None.
    """
    bench = Bench(specs, replace(settings, device=str(state.device)))
    mine = folders[state.process_index :: state.num_processes]
    shown = tqdm(mine, "first of the processes", disable=not state.is_main_process)
    every = gather_object([bench.score(folder) for folder in shown])
    return iter(every) if state.is_main_process else None


def _processes(device: str) -> PartialState | None:
    """Where this is one of several processes, which one."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return None
    return PartialState(cpu=device == "cpu", timeout=PATIENCE)


def _as_folders(testset: Path, out: Path, state: PartialState | None) -> Path:
    """The test set itself; of shards, the folders made from them under OUT/testset, by the hash of
    their index. Of several processes the first makes them."""
    index = testset / INDEX
    if not index.is_file():
        return testset
    made = out / "testset" / file_digest(index)[:12]
    with state.main_process_first() if state else nullcontext():
        if not (made / "testset.json").is_file():
            shutil.rmtree(made, ignore_errors=True)
            write_heldout(HeldoutConfig(data=str(testset), out=str(made)))
    return made


def _read_specs(systems: Sequence[str]) -> list[Spec]:
    """ValueError where two would share a folder, or one would have none of its own."""
    specs = [read_spec(system) for system in systems]
    names = [spec.name for spec in specs]
    folders = [folder_name(name).casefold() for name in names]  # some disks see no capitals
    if len(set(folders)) < len(folders):
        raise ValueError(
            f"two systems have one name, or names of one folder, in {names}; write LABEL=SYSTEM "
            "for one"
        )
    if wrong := {".", ".."} & set(folders):
        raise ValueError(f"a system cannot be named {min(wrong)!r}; write another LABEL=SYSTEM")
    return specs
