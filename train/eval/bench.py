"""Running the systems over the clips, in this process or spread over several."""

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import torch
from accelerate import PartialState
from tqdm import tqdm

from toon_core.metrics.kvd import Kernel

from .clips import Clip, read_clip
from .columns import Measure
from .networks import find_networks
from .scores import Scored, Scorer, scores_digest
from .store import Store
from .systems import Sampling, Spec, System, run_system


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How clips are made and scored. `size` is their shorter side in pixels, None that of the test
    set itself.

    Networks that measure are looked for in `models`. `kernel` is that of KVD; `every_frame` lets
    the networks look at all inner frames.
    """

    out: Path
    sampling: Sampling = Sampling()
    size: int | None = None
    device: str = "cpu"
    models: Path = Path("models")
    kernel: Kernel = "polynomial"
    every_frame: bool = False

    def measure(self) -> Measure:
        found = find_networks(self.models)
        return Measure(networks=found, kernel=self.kernel, every_frame=self.every_frame)


@dataclass(frozen=True, kw_only=True)
class ClipScores:
    """The scores of a clip by each system, and those of the truth itself."""

    name: str
    frames: int
    truth: Scored
    systems: dict[str, Scored]


class Bench:
    """Scores clip after clip, taking from the store what it holds already."""

    def __init__(self, systems: Sequence[System], settings: Settings) -> None:
        self.systems, self.settings = systems, settings
        measure = settings.measure()
        version = f"{scores_digest(measure)} {torch.device(settings.device).type}"
        self.store = Store(settings.out, settings.sampling, version)
        self.scorer = Scorer(measure, settings.device)

    def score(self, folder: Path) -> ClipScores:
        clip = read_clip(folder, self.settings.size)
        return ClipScores(
            name=clip.name,
            frames=len(clip.frames),
            truth=self.store.truth(clip, self.scorer.score_truth),
            systems={system.name: self._score(clip, system) for system in self.systems},
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
    with ProcessPoolExecutor(
        max_workers=workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=torch.set_num_threads,
        initargs=(threads,),
    ) as pool:
        jobs = [pool.submit(_score_clip, tuple(specs), settings, folder) for folder in folders]
        try:
            for job in as_completed(jobs):
                yield job.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def score_share(
    specs: Sequence[Spec], settings: Settings, folders: Sequence[Path], state: PartialState
) -> Iterator[ClipScores] | None:
    """One process of several: scores its share of the clips on its own device, and waits.

    The first then gives all scores, out of the store that all share; the others None.
    """
    bench = open_bench(specs, replace(settings, device=str(state.device)))
    mine = folders[state.process_index :: state.num_processes]
    for folder in tqdm(mine, "first of the processes", disable=not state.is_main_process):
        bench.score(folder)
    state.wait_for_everyone()
    return map(bench.score, folders) if state.is_main_process else None


def open_bench(specs: Sequence[Spec], settings: Settings) -> Bench:
    return Bench([spec.open(settings.device) for spec in specs], settings)


@cache
def _worker_bench(specs: tuple[Spec, ...], settings: Settings) -> Bench:
    return open_bench(specs, settings)


def _score_clip(specs: tuple[Spec, ...], settings: Settings, folder: Path) -> ClipScores:
    return _worker_bench(specs, settings).score(folder)
