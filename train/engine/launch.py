"""Where a run runs: processes, device and precision, by Accelerate."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import (
    AutocastKwargs,
    DistributedDataParallelKwargs,
    DistributedType,
    InitProcessGroupKwargs,
)

from train.engine.config import RunConfig
from train.engine.files import OutFolder

OWN = (DistributedType.NO, DistributedType.MULTI_CPU, DistributedType.MULTI_GPU)
PATIENCE = timedelta(hours=2)  # of processes that wait while the first draws a sheet or saves


def start(config: RunConfig) -> Accelerator:
    """Logging, threads, device and processes; ValueError on options that do not go together."""
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    if config.run.fsdp and config.optim.name != "adamw":
        raise ValueError(f"run.fsdp=true goes with optim.name=adamw, not {config.optim.name}")
    if device_of(config.run.device, "run.device").type == "cpu" and config.dtype == "fp16":
        raise ValueError("dtype=fp16 needs a GPU; on a CPU give dtype=fp32 or bf16")
    if config.run.threads:
        torch.set_num_threads(config.run.threads)
    accelerator = _accelerator(config)
    if not accelerator.is_main_process:
        logging.getLogger("toon").setLevel(logging.WARNING)
    _check_processes(config, accelerator)
    torch.manual_seed(config.seed)
    return accelerator


@contextmanager
def launched(config: RunConfig) -> Iterator[Accelerator]:
    """`start`, and the run's folder, which the first process locks until the block ends unless
    nothing is written."""
    accelerator = start(config)
    out = OutFolder(Path(config.out), config.data)
    fills = accelerator.is_main_process and not config.dry_run
    with out.locked() if fills else nullcontext():
        yield accelerator


def device_of(name: str, option: str = "device") -> torch.device:
    """Of the device `option`; the GPU where there is one by default. ValueError where there is
    none of that name."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not name:
        return torch.device("cuda" if count else "cpu")
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdecimal()):
        raise ValueError(f"{option}={name}: expected cpu, cuda or, of several GPUs, cuda:0 ...")
    if kind == "cuda" and int(number or 0) >= count:
        raise ValueError(f"{option}={name}: this torch sees {count} CUDA GPUs; give cpu")
    return torch.device(name)


def _accelerator(config: RunConfig) -> Accelerator:
    device = device_of(config.run.device)
    if device.index is not None:
        torch.cuda.set_device(device)
    # Accelerate keeps its state for the life of the process: a second run has its own options.
    AcceleratorState._reset_state(reset_partial_state=not torch.distributed.is_initialized())
    return Accelerator(
        cpu=device.type == "cpu",
        mixed_precision="no" if config.dtype == "fp32" else config.dtype,
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
    parts = config.run.accumulate * n
    if config.batch % parts:
        raise ValueError(
            f"batch={config.batch} cannot be split over {n} processes with "
            f"run.accumulate={config.run.accumulate}: give a multiple of {parts}"
        )
    if accelerator.distributed_type not in OWN:
        raise ValueError(
            f"accelerate launch asks for {accelerator.distributed_type.value}: leave sharding out "
            "of its options and give run.fsdp=true here"
        )
    if config.run.fsdp and not torch.distributed.is_initialized():
        raise ValueError(
            "run.fsdp=true shards over processes: start with torchrun or accelerate launch"
        )
