"""Running the systems over the clips, in this process or spread over several."""

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

from toon_core.presets import RELEASED, Recipe

from .clips import Clip, read_clip
from .scores import Scorer, residual
from .store import Store
from .systems import Spec, System, run_system


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How clips are made and scored. `size` is their shorter side in pixels."""

    out: Path
    recipe: Recipe = RELEASED
    size: int = 128
    device: str = "cpu"


@dataclass(frozen=True, kw_only=True)
class ClipScores:
    """Scores {system: {metric: value}}; `residual` is the cross-fade residual of the truth."""

    name: str
    frames: int
    residual: float
    systems: dict[str, dict[str, float]]


class Bench:
    """Scores clip after clip, taking from the store what it holds already."""

    def __init__(self, systems: Sequence[System], settings: Settings) -> None:
        self.systems, self.settings = systems, settings
        self.store = Store(settings.out, settings.recipe)
        self.scorer = Scorer(settings.device)

    def score(self, folder: Path) -> ClipScores:
        clip = read_clip(folder, self.settings.size)
        return ClipScores(
            name=clip.name,
            frames=len(clip.frames),
            residual=residual(clip, clip.frames),
            systems={system.name: self._score(clip, system) for system in self.systems},
        )

    def _score(self, clip: Clip, system: System) -> dict[str, float]:
        key = self.store.key(clip, system)
        kept = self.store.get(clip, system, key)
        if kept is not None:
            return kept
        frames = run_system(system, clip, self.settings.recipe)
        scores = self.scorer.score(clip, frames)
        self.store.put(clip, system, key, frames, scores)
        return scores


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


def open_bench(specs: Sequence[Spec], settings: Settings) -> Bench:
    return Bench([spec.open(settings.device) for spec in specs], settings)


@cache
def _worker_bench(specs: tuple[Spec, ...], settings: Settings) -> Bench:
    return open_bench(specs, settings)


def _score_clip(specs: tuple[Spec, ...], settings: Settings, folder: Path) -> ClipScores:
    return _worker_bench(specs, settings).score(folder)
