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
from train.engine.config import RunConfig, at_least
from train.engine.optimizers import OPTIMIZERS

AT_LEAST_1 = (
    *("height", "width", "frames", "steps", "batch", "accumulate"),
    *("save_every", "sample_every", "log_every"),
)
AT_LEAST_0 = (
    *("minutes", "workers", "threads", "keep", "sheet_clips", "seed", "warmup", "lr"),
    *("weight_decay", "ema"),
)
MOST_SEED = 2**63 - 1
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


def device_of(name: str) -> torch.device:
    """Of the option `device`; the GPU where there is one by default. ValueError where there is
    none of that name."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not name:
        return torch.device("cuda" if count else "cpu")
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdecimal()):
        raise ValueError(f"device={name}: expected cpu, cuda or, of several GPUs, cuda:0 ...")
    if kind == "cuda" and int(number or 0) >= count:
        raise ValueError(f"device={name}: this torch sees {count} CUDA GPUs; give device=cpu")
    return torch.device(name)


def _check(config: RunConfig) -> None:
    at_least(config, 1, *AT_LEAST_1)
    at_least(config, 0, *AT_LEAST_0)
    for name, value in {"ema": config.ema, **dict(enumerate(config.betas))}.items():
        if not 0 <= value < 1:
            option = "ema" if name == "ema" else "betas"
            raise ValueError(f"{option}={getattr(config, option)}: expected 0 or more, below 1")
    if not config.clip_norm > 0:
        raise ValueError(f"clip_norm={config.clip_norm}: expected more than 0")
    if config.seed > MOST_SEED:
        raise ValueError(f"seed={config.seed}: expected {MOST_SEED} at most")
    if config.dtype not in PRECISIONS:
        raise ValueError(f"dtype={config.dtype}: expected one of {', '.join(PRECISIONS)}")
    if config.optimizer not in OPTIMIZERS:
        raise ValueError(f"optimizer={config.optimizer}: expected {' or '.join(OPTIMIZERS)}")
    if config.fsdp and config.optimizer != "adamw":
        raise ValueError(f"fsdp=true goes with optimizer=adamw, not {config.optimizer}")
    if device_of(config.device).type == "cpu" and config.dtype == "fp16":
        raise ValueError("dtype=fp16 needs a GPU; on a CPU give dtype=fp32 or bf16")


def _accelerator(config: RunConfig) -> Accelerator:
    device = device_of(config.device)
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
