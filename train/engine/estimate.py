"""What a run will need in memory and time, measured on one or two samples before it starts."""

from __future__ import annotations

import logging
import resource
import time
from dataclasses import dataclass

import psutil
import torch

from train.engine.batches import collate
from train.engine.config import RunConfig
from train.engine.draws import Draws
from train.engine.live import LiveMemory
from train.engine.objective import Recipe

log = logging.getLogger("toon.train")

MOMENT_BYTES = {"adamw": 4, "adamw8bit": 1}  # of each of Adam's two, a parameter


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Bytes of one process at its peak, and seconds of a step."""

    trained: int  # parameters
    present: int  # the process as it is before training: program, data, all weights
    optimizer: int
    average: int
    step: int  # activations and gradients
    seconds: float

    @property
    def total(self) -> int:
        return self.present + self.optimizer + self.average + self.step


def report(recipe: Recipe, config: RunConfig, processes: int) -> Estimate:
    """Measure, log and return it; a warning where the memory will not do."""
    found = measure(recipe, config, processes)
    device = _device(recipe)
    log.info(
        "%.1f M parameters train. Memory, about %s: present %s, optimizer %s, average %s, "
        "activations and gradients %s",
        found.trained / 1e6,
        *map(_size, (found.total, found.present, found.optimizer, found.average, found.step)),
    )
    log.info(
        "about %.3g s a step, %.2g h for %d steps, besides sheets",
        found.seconds,
        found.seconds * config.steps / 3600,
        config.steps,
    )
    if found.total > present(device) + _free(device):
        log.warning(
            "more than the %s there are: more accumulate, checkpointing=true or less batch "
            "would help",
            _size(present(device) + _free(device)),
        )
    return found


def measure(recipe: Recipe, config: RunConfig, processes: int = 1) -> Estimate:
    """Leaves weights, buffers and gradients as they were. Sharded states are counted as such."""
    modules = list(recipe.objectives.values())
    trained = [p for m in modules for p in m.parameters() if p.requires_grad]
    weights = sum(p.nbytes for p in trained)
    shards = processes if config.fsdp else 1
    samples = config.batch // (processes * config.accumulate)
    step, seconds = _step(recipe, config, samples)
    return Estimate(
        trained=sum(p.numel() for p in trained),
        present=present(_device(recipe)),
        optimizer=2 * MOMENT_BYTES[config.optimizer] * sum(p.numel() for p in trained) // shards,
        average=weights // shards if config.ema else 0,
        step=step,
        seconds=seconds * samples * config.accumulate,
    )


def _step(recipe: Recipe, config: RunConfig, samples: int) -> tuple[int, float]:
    """Peak bytes of a step of so many samples at a time, by a line through one and two, and
    seconds of a sample."""
    few = min(samples, 2)
    items = [recipe.dataset[i] for i in range(few)]
    peaks = [_measured(recipe, config, items[:n])[0] for n in range(1, few + 1)]
    _, seconds = _measured(recipe, config, items, counted=False)
    growth = peaks[-1] - peaks[0]
    return peaks[0] + growth * (samples - 1), seconds / few


def _measured(
    recipe: Recipe, config: RunConfig, items: list[dict], counted: bool = True
) -> tuple[int, float]:
    buffers = [(b, b.clone()) for m in recipe.objectives.values() for b in m.buffers()]
    begin, live = time.monotonic(), LiveMemory()
    if counted:
        with live:
            _losses(recipe, config, items)
    else:
        _losses(recipe, config, items)
    _wait(_device(recipe))
    seconds = time.monotonic() - begin
    with torch.no_grad():
        for buffer, value in buffers:
            buffer.copy_(value)
    return live.peak, seconds


def _losses(recipe: Recipe, config: RunConfig, items: list[dict]) -> None:
    """Loss and gradient of every objective, as in the last step: all of it is switched on."""
    batch, device = collate(items), _device(recipe)
    half = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(config.dtype)
    for module in recipe.objectives.values():
        with torch.autocast(device.type, half, enabled=half is not None):
            loss, _ = module.train()(batch, Draws(config.seed, config.steps, range(len(items))))
        loss.backward()
        for parameter in module.parameters():
            parameter.grad = None


def report_peak(device: torch.device) -> None:
    log.info("memory at its peak: %s", _size(peak(device)))


def peak(device: torch.device) -> int:
    """Bytes this process has had at most: of the GPU's memory, or of the machine's."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def present(device: torch.device) -> int:
    """Bytes this process has now."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    return psutil.Process().memory_info().rss


def _free(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return psutil.virtual_memory().available


def _device(recipe: Recipe) -> torch.device:
    tensors = (p for m in recipe.objectives.values() for p in m.parameters())
    return next(tensors, torch.zeros(0)).device


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _size(count: int) -> str:
    return f"{count / 2**30:.2f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
