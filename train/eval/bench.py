"""Running the systems over the clips, in this process or spread over several."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from tqdm import tqdm

from train.data.pool import Lost, run_jobs

from .clips import Clip, read_clip
from .reconstruction import PerFrame, Reconstructor
from .scores import Scored, Scorer, scores_digest
from .seen import Seen, look
from .settings import Settings
from .store import Store
from .systems import Checkpoint, Spec, System, run_system


@dataclass(frozen=True, kw_only=True)
class ClipScores:
    """The scores of a clip by each system, and those of the truth itself; seen: what a look at
    their frames leaves; decoded: {checkpoint: how its autoencoder gives the clip back}."""

    name: str
    frames: int
    truth: Scored
    systems: dict[str, Scored]
    seen: Seen
    decoded: dict[str, PerFrame]


class Bench:
    """Measures clip after clip, taking from the store what it holds already."""

    def __init__(self, systems: Sequence[System], settings: Settings) -> None:
        self.systems, self.settings = systems, settings
        measure = settings.measure()
        version = f"{scores_digest(measure)} {torch.device(settings.device).type}"
        self.store = Store(settings.out, settings.sampling, version)
        self.scorer = Scorer(measure, settings.device)
        self.reconstructor = Reconstructor(settings)

    def score(self, folder: Path) -> ClipScores:
        clip = read_clip(folder, self.settings.size)
        truth = self.store.truth(clip, self.scorer.score_truth)
        scores = {system.name: self._score(clip, system) for system in self.systems}
        checkpoints = [system for system in self.systems if isinstance(system, Checkpoint)]
        return ClipScores(
            name=clip.name,
            frames=len(clip.frames),
            truth=truth,
            systems=scores,
            seen=look(folder, clip, {name: self.store.frames(clip, name) for name in scores}),
            decoded={s.name: self.reconstructor.measured(s, clip) for s in checkpoints},
        )

    def _score(self, clip: Clip, system: System) -> Scored:
        return self.store.scored(
            clip,
            system,
            make=lambda: run_system(system, clip, self.settings.sampling),
            score=lambda frames: self.scorer.score(clip, frames),
        )


def score_parallel(
    specs: Sequence[Spec], settings: Settings, folders: Sequence[Path], workers: int
) -> Iterator[ClipScores]:
    """Clips' scores as they get ready, from `workers` processes that each hold every system.

    On small frames one thread a process is much faster than several threads in one.
    """
    threads = max(1, (os.cpu_count() or 1) // workers)
    jobs = {folder.name: (tuple(specs), settings, folder) for folder in folders}
    start = partial(torch.set_num_threads, threads)
    for name, found in run_jobs(_score_clip, jobs, workers, start):
        if isinstance(found, Lost):
            raise OSError(f"{name}: {found.value}, perhaps for want of memory: try --workers 1")
        yield found


def score_share(
    specs: Sequence[Spec], settings: Settings, folders: Sequence[Path], state: PartialState
) -> list[ClipScores] | None:
    """One process of several: measures its share of the clips on its own device, and waits.

    The first then gives those of all clips, the others None.
    """
    bench = open_bench(specs, replace(settings, device=str(state.device)))
    mine = folders[state.process_index :: state.num_processes]
    shown = tqdm(mine, "first of the processes", disable=not state.is_main_process)
    every = gather_object([bench.score(folder) for folder in shown])
    return every if state.is_main_process else None


def open_bench(specs: Sequence[Spec], settings: Settings) -> Bench:
    return Bench([spec.open(settings.device) for spec in specs], settings)


@cache
def _worker_bench(specs: tuple[Spec, ...], settings: Settings) -> Bench:
    return open_bench(specs, settings)


def _score_clip(specs: tuple[Spec, ...], settings: Settings, folder: Path) -> ClipScores:
    return _worker_bench(specs, settings).score(folder)
