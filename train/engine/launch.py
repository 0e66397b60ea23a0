"""Where a run runs: processes, device and precision, by Accelerate."""

from __future__ import annotations

import logging
from datetime import timedelta

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import (
    DistributedDataParallelKwargs,
    FullyShardedDataParallelPlugin,
    InitProcessGroupKwargs,
)

from train.engine.config import RunConfig

PRECISIONS = {"fp32": "no", "bf16": "bf16", "fp16": "fp16"}
PATIENCE = timedelta(hours=2)  # of processes that wait while the first draws a sheet or saves


def start(config: RunConfig) -> Accelerator:
    """Logging, threads, device and processes; ValueError on options that do not go together."""
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    _check(config)
    if config.threads:
        torch.set_num_threads(config.threads)
    accelerator = _accelerator(config)
    if not accelerator.is_main_process:
        logging.getLogger("toon").setLevel(logging.WARNING)
    parts = config.accumulate * accelerator.num_processes
    if config.batch % parts:
        raise ValueError(
            f"batch={config.batch} cannot be split over {accelerator.num_processes} processes "
            f"with accumulate={config.accumulate}: give a multiple of {parts}"
        )
    torch.manual_seed(config.seed)
    return accelerator


def _check(config: RunConfig) -> None:
    if config.dtype not in PRECISIONS:
        raise ValueError(f"dtype={config.dtype}: expected one of {', '.join(PRECISIONS)}")
    kind = _device(config).type
    if config.dtype == "fp16" and kind == "cpu":
        raise ValueError("dtype=fp16 needs a GPU; on a CPU give dtype=fp32 or bf16")
    if kind == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device={config.device}: this torch sees no CUDA GPU; give device=cpu")


def _device(config: RunConfig) -> torch.device:
    return torch.device(config.device or ("cuda" if torch.cuda.is_available() else "cpu"))


def _accelerator(config: RunConfig) -> Accelerator:
    device = _device(config)
    if device.index is not None:
        torch.cuda.set_device(device)
    # Accelerate keeps its state for the life of the process: a second run has its own options.
    AcceleratorState._reset_state(reset_partial_state=not torch.distributed.is_initialized())
    return Accelerator(
        cpu=device.type == "cpu",
        mixed_precision=PRECISIONS[config.dtype],
        fsdp_plugin=_sharding() if config.fsdp else None,
        kwargs_handlers=[
            # A recipe may leave parts of its module out of a step.
            DistributedDataParallelKwargs(find_unused_parameters=True),
            InitProcessGroupKwargs(timeout=PATIENCE),
        ],
    )


def _sharding() -> FullyShardedDataParallelPlugin:
    return FullyShardedDataParallelPlugin(fsdp_version=2, cpu_ram_efficient_loading=False)
