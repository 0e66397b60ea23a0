"""Where a run runs: processes, device and precision, by Accelerate."""

from __future__ import annotations

import logging
from datetime import timedelta

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import (
    AutocastKwargs,
    DistributedDataParallelKwargs,
    DistributedType,
    InitProcessGroupKwargs,
)

from train.engine import attention
from train.engine.config import RunConfig
from train.engine.optimizers import OPTIMIZERS

PRECISIONS = {"fp32": "no", "bf16": "bf16", "fp16": "fp16"}
OWN = (DistributedType.NO, DistributedType.MULTI_CPU, DistributedType.MULTI_GPU)
PATIENCE = timedelta(hours=2)  # of processes that wait while the first draws a sheet or saves


def start(config: RunConfig) -> Accelerator:
    """Logging, threads, device and processes; ValueError on options that do not go together."""
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    _check(config)
    attention.use(config.attention)
    if config.threads:
        torch.set_num_threads(config.threads)
    accelerator = _accelerator(config)
    if not accelerator.is_main_process:
        logging.getLogger("toon").setLevel(logging.WARNING)
    _check_processes(config, accelerator)
    torch.manual_seed(config.seed)
    return accelerator


def _check(config: RunConfig) -> None:
    if config.dtype not in PRECISIONS:
        raise ValueError(f"dtype={config.dtype}: expected one of {', '.join(PRECISIONS)}")
    if config.optimizer not in OPTIMIZERS:
        raise ValueError(f"optimizer={config.optimizer}: expected {' or '.join(OPTIMIZERS)}")
    if config.fsdp and config.optimizer != "adamw":
        raise ValueError(f"fsdp=true goes with optimizer=adamw, not {config.optimizer}")
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
        kwargs_handlers=[
            # Half precision copies of all weights at once would take what checkpointing saves.
            AutocastKwargs(cache_enabled=False),
            # A recipe may leave parts of its module out of a step.
            DistributedDataParallelKwargs(
                find_unused_parameters=True, gradient_as_bucket_view=True
            ),
            InitProcessGroupKwargs(timeout=PATIENCE),
        ],
    )


def _check_processes(config: RunConfig, accelerator: Accelerator) -> None:
    n = accelerator.num_processes
    parts = config.accumulate * n
    if config.batch % parts:
        raise ValueError(
            f"batch={config.batch} cannot be split over {n} processes with "
            f"accumulate={config.accumulate}: give a multiple of {parts}"
        )
    if accelerator.distributed_type not in OWN:
        raise ValueError(
            f"accelerate launch asks for {accelerator.distributed_type.value}: leave sharding out "
            "of its options and give fsdp=true here"
        )
    if config.fsdp and not torch.distributed.is_initialized():
        raise ValueError(
            "fsdp=true shards over processes: start with torchrun or accelerate launch"
        )
