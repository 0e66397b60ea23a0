"""What a run will need in memory and time: for a dry run steps of one and of two samples, and a
sheet, are tried and measured."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import psutil
import torch
from torch import Tensor

from train.engine.config import RunConfig
from train.engine.sharding import local
from train.engine.state import TrainState
from train.engine.stop import LESS_MEMORY

log = logging.getLogger("toon.train")

INTERVAL = 0.002  # seconds between two readings; an operation that matters takes longer
SELDOM = 0.05  # through a whole run, whose steps are all alike
MOMENT_BYTES = {"adamw": 8, "adamw8bit": 2, "muon": 4}  # a parameter


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Bytes of one process at its peak, and seconds of a step. Of what is sharded, its share."""

    trained: int  # parameters
    present: int  # the process before its first step: program, data, all weights
    optimizer: int
    average: int
    step: int  # activations and gradients
    sheet: int  # what drawing one takes, which is not at the time of a step
    seconds: float

    @property
    def total(self) -> int:
        return self.present + self.optimizer + self.average + max(self.step, self.sheet)


States = Mapping[str, TrainState]
# So many samples -> what a step of them does, but for the update, of two parts with accumulate.
DryRun = Callable[[int], Callable[[], None]]
DrawSheet = Callable[[], object]


def report(
    states: States, dry_run: DryRun, config: RunConfig, processes: int, draw_sheet: DrawSheet
) -> Estimate:
    """Measure, log and return it; a warning where the memory will not do.
    ValueError with what is known where one sample is too much already."""
    device = _device(states)
    there = present(device) + free(device)
    try:
        found = measure(states, dry_run, config, processes, draw_sheet)
    except torch.OutOfMemoryError as error:
        raise ValueError(_too_much(states, config, there)) from error
    log.info(
        "%.1f M parameters train. Memory, about %s: present %s, optimizer %s, average %s, "
        "activations and gradients %s, or a sheet %s",
        found.trained / 1e6,
        *map(as_size, (found.total, found.present, found.optimizer)),
        *map(as_size, (found.average, found.step, found.sheet)),
    )
    log.info(
        "about %.3g s a step, %.2g h for %d steps, besides sheets",
        found.seconds,
        found.seconds * config.steps / 3600,
        config.steps,
    )
    if found.total > there:
        log.warning("more than the %s there are: %s would help", as_size(there), LESS_MEMORY)
    return found


def _too_much(states: States, config: RunConfig, there: int) -> str:
    weights = sum(_bytes(t.module.parameters()) for t in states.values())
    return (
        f"the {as_size(there)} there are do not do for a sample and a sheet: weights of what "
        f"trains {as_size(weights)}, optimizer {as_size(_moments(states, config))}, average "
        f"{as_size(_average(states))}, and activations besides: {LESS_MEMORY} would help"
    )


def _moments(states: States, config: RunConfig) -> int:
    trained = [p for t in states.values() for p in t.parameters]
    return MOMENT_BYTES[config.optim.name] * sum(local(p).numel() for p in trained)


def _average(states: States) -> int:
    return sum(_bytes(t.ema.average.values()) for t in states.values())


def measure(
    states: States, dry_run: DryRun, config: RunConfig, processes: int, draw_sheet: DrawSheet
) -> Estimate:
    """Leaves weights, buffers and gradients as they were. All processes must call it together,
    since losses and sharded modules may hold what they do so."""
    device, average = _device(states), _average(states)
    before = present(device)
    samples = config.batch // (processes * config.run.accumulate)
    peak, seconds = _extrapolate(device, dry_run, samples)
    with track_peak(device) as sheet:
        draw_sheet()
    return Estimate(
        trained=sum(p.numel() for t in states.values() for p in t.parameters),
        present=before - average,
        optimizer=_moments(states, config),
        average=average,
        step=peak - before,
        sheet=sheet.bytes - before,
        seconds=seconds * config.run.accumulate / min(config.run.accumulate, 2),
    )


def _extrapolate(device: torch.device, dry_run: DryRun, samples: int) -> tuple[int, float]:
    """Peak bytes and seconds of so many samples, by a line through one and two."""
    few = min(samples, 2)
    peaks, times = zip(*(_measure_step(device, dry_run(n)) for n in range(1, few + 1)), strict=True)
    growth = max(peaks[-1] - peaks[0], 0)
    return peaks[-1] + growth * (samples - few), times[-1] * samples / few


def _measure_step(device: torch.device, steps: Callable[[], None]) -> tuple[int, float]:
    """Peak bytes and seconds of the second of two: the first one still loads, and an allocator does
    not give back all that it leaves."""
    steps()
    begin = time.monotonic()
    with track_peak(device) as peak:
        steps()
    return peak.bytes, time.monotonic() - begin


def _device(states: States) -> torch.device:
    return next(p.device for t in states.values() for p in t.module.parameters())


def _bytes(found: Iterable[Tensor]) -> int:
    return sum(local(x).nbytes for x in found)


def as_size(count: int) -> str:
    return f"{count / 2**30:.2f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def present(device: torch.device) -> int:
    """Bytes now: tensors on a GPU, else the process's resident memory."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    return psutil.Process().memory_info().rss


def free(device: torch.device) -> int:
    """Bytes that are still to be had."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return psutil.virtual_memory().available


@dataclass
class PeakMemory:
    """The peak bytes `present` inside a `track_peak` block."""

    bytes: int = 0


@contextmanager
def track_peak(device: torch.device, interval: float = INTERVAL) -> Iterator[PeakMemory]:
    """On a CPU it looks again after every interval, in seconds, since not all systems keep a
    peak: what an allocator keeps and what an operation takes for itself counts too, as it will in
    training."""
    peak, ended = PeakMemory(present(device)), threading.Event()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        yield peak
        torch.cuda.synchronize(device)
        peak.bytes = torch.cuda.max_memory_allocated(device)
        return

    def watch() -> None:
        over = False
        while not over:
            over = ended.wait(interval)
            peak.bytes = max(peak.bytes, present(device))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        ended.set()
        thread.join()
