"""Run options: dataclass schema, YAML file, key=value overrides; the result is written out."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeVar

from omegaconf import MISSING, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from train.data.windows import WindowConfig
from train.engine.files import write_text

if TYPE_CHECKING:
    from typing import Self

T = TypeVar("T")


@dataclass(kw_only=True)
class RunConfig:
    """What every training run has. Paths are folders unless they say otherwise. FREE may change
    when a run goes on: they change neither its samples nor its loss, but for rounding, nor what
    its optimizer keeps. (With dropout `accumulate` changes its masks, as the number of processes
    does: they are drawn for a part of a batch at once.) Of `data` the stamp must stay."""

    FREE: ClassVar[tuple[str, ...]] = (
        *("data", "out", "steps", "minutes", "lr", "warmup", "cosine", "clip_norm", "accumulate"),
        *("dtype", "attention", "checkpointing", "fsdp", "device", "workers", "threads", "keep"),
        *("save_every", "sample_every", "log_every", "sheet_clips", "dry_run"),
    )

    data: str = MISSING  # clips, shards of train.prepare, or what train.cache made of either
    out: str = MISSING  # checkpoints, sheets, TensorBoard logs and the result
    height: int = 128
    width: int = 128
    frames: int = 16
    buckets: bool = False  # each batch in an aspect bucket of its clips, of height * width pixels
    windows: WindowConfig = field(default_factory=WindowConfig)  # how characters are staged
    steps: int = 1000
    minutes: float = 0  # stop and save after so many (0: no limit); the run resumes later
    batch: int = 8  # samples of a step, over all processes and accumulated parts
    accumulate: int = 1  # parts a process takes its share of a batch in, one after the other
    lr: float = 5e-4  # 2e-3 already keeps small autoencoders from finding their colours
    warmup: int = 100  # steps of linear growth of lr
    cosine: bool = False  # let lr fall to a twentieth at the last step
    optimizer: str = "adamw"  # or muon; or adamw8bit, which needs bitsandbytes
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    ema: float = 0.999  # 0: no average is kept, the weights themselves are the result
    dtype: str = "fp32"  # fp32, or bf16 and fp16 mixed precision; weights stay fp32
    attention: str = "sdpa"  # or products: faster on CPUs for nano's narrow heads, most in bf16
    checkpointing: bool = False  # compute blocks again in the backward pass: less memory, slower
    fsdp: bool = False  # shard what is trained over the processes (FSDP2) instead of DDP
    device: str = ""  # cuda when there is one, else cpu
    seed: int = 0
    workers: int = 1
    threads: int = 0  # torch threads (0: torch's own choice)
    save_every: int = 200
    keep: int = 2
    sample_every: int = 200
    sheet_clips: int = 3  # held-out clips on a sample sheet (0: no sheets)
    log_every: int = 10
    dry_run: bool = False  # build everything and print the estimate, but take no step

    def resolved(self) -> Self:
        """The same with every default filled in that depends on other options."""
        return self


def parse(schema: type[T], arguments: list[str], description: str) -> T:
    """`[--config FILE] [--dry-run] key=value ...` read into `schema`; exits with the reason on
    bad input."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", help="YAML file with options")
    if "dry_run" in schema.__dataclass_fields__:
        parser.add_argument("--dry-run", action="store_true", help="the same as dry_run=true")
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    given = parser.parse_args(arguments)
    flags = ["dry_run=true"] if getattr(given, "dry_run", False) else []
    try:
        return read(schema, given.config, given.overrides + flags)
    except ValueError as error:
        parser.error(str(error))


def read(schema: type[T], file: str | None, overrides: list[str]) -> T:
    """ValueError naming the option that is unknown, missing or of the wrong type."""
    try:
        merged = OmegaConf.structured(schema)
        if file is not None:
            merged = OmegaConf.merge(merged, OmegaConf.load(file))
        merged = OmegaConf.merge(merged, OmegaConf.from_dotlist(overrides))
        missing = sorted(OmegaConf.missing_keys(merged))
        if missing:
            raise ValueError(f"{missing[0]} is needed: give {missing[0]}=...")
        return OmegaConf.to_object(merged)
    except (OmegaConfBaseException, OSError) as error:
        known = ", ".join(schema.__dataclass_fields__)
        raise ValueError(f"{str(error).splitlines()[0]} (known keys: {known})") from error


def write(config: object, path: Path) -> None:
    """The resolved options as YAML."""
    write_text(path, OmegaConf.to_yaml(OmegaConf.structured(config)))
