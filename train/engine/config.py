"""Run options: dataclass schema, YAML file, key=value overrides; the result is written out."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import yaml
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from train.data.names import printable
from train.data.windows import WindowConfig
from train.engine.files import write_text

if TYPE_CHECKING:
    from typing import Self

T = TypeVar("T")
MOST_BYTES = 1 << 20  # of a YAML file
LONGEST = 300  # characters of what is wrong with it
# By reading and merging options.
RAISED = (yaml.YAMLError, OmegaConfBaseException, RecursionError, ValueError, TypeError, KeyError)


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
    """ValueError naming the option that is unknown, missing, of the wrong type or not finite."""
    given = [load_yaml(Path(file))] if file is not None else []
    merged = merge(schema, *given, read_words(overrides))
    missing = sorted(OmegaConf.missing_keys(merged))
    if missing:
        raise ValueError(f"{missing[0]} is needed: give {missing[0]}=...")
    return OmegaConf.to_object(merged)


def load_yaml(file: Path) -> DictConfig:
    """The options in a YAML file; ValueError naming it, with the line, where they cannot be had."""
    if file.exists() and not file.is_file():
        raise ValueError(f"{file}: no regular file")
    if file.exists() and file.stat().st_size > MOST_BYTES:
        raise ValueError(f"{file}: over {MOST_BYTES >> 20} MB, too much for options")
    try:
        found = OmegaConf.create(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise ValueError(f"{file}: cannot be read ({error.strerror})") from error
    except RAISED as error:
        raise ValueError(f"{file}: {_reason(error)}") from error
    except AssertionError:  # OmegaConf's, of a number alone
        found = None
    if not isinstance(found, DictConfig):
        raise ValueError(f"{file}: holds no options; expected lines as `lr: 0.001`")
    return found


def read_words(words: Sequence[str]) -> DictConfig:
    """`key=value ...`; ValueError with the word that cannot be read."""
    found = OmegaConf.create()
    for word in words:
        if "=" not in word:
            raise ValueError(f"{printable(word, 80)}: expected key=value")
        try:
            found = OmegaConf.merge(found, OmegaConf.from_dotlist([word]))
        except RAISED as error:
            raise ValueError(f"{printable(word, 80)}: {_reason(error)}") from error
    return found


def merge(schema: Any, *given: DictConfig) -> DictConfig:
    """Options over the defaults of a dataclass; ValueError for one that it has not, or cannot be,
    and for what would be filled in from elsewhere (`${oc.env:NAME}`): options are written out."""
    for options in given:
        _check_values(OmegaConf.to_container(options))
    try:
        merged = OmegaConf.merge(OmegaConf.structured(schema), *given)
    except (ConfigKeyError, ConfigAttributeError) as error:
        known = ", ".join(f.name for f in fields(schema))
        raise ValueError(f"{_reason(error)} (known keys: {known})") from error
    except RAISED as error:
        key = getattr(error, "full_key", None) or _culprit(schema, given)
        raise ValueError(f"{key}: {_reason(error)}") from error
    _check_values(OmegaConf.to_container(merged))
    return merged


def _culprit(schema: Any, given: Sequence[DictConfig]) -> str:
    """The option that cannot be merged by itself, where OmegaConf does not say."""
    for options in given:
        for name in options:
            try:
                OmegaConf.merge(OmegaConf.structured(schema), OmegaConf.masked_copy(options, name))
            except RAISED:
                return str(name)
    return "options"


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "is nested too deeply"
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        return printable(f"line {mark.line + 1}: {error.problem or 'no YAML'}", LONGEST)
    lines = str(error).splitlines() or [type(error).__name__]
    return printable(lines[0], LONGEST)


def _check_values(options: Any) -> None:
    """ValueError for a reference, or a number that is not finite."""
    for name, value in _leaves(options):
        if isinstance(value, str) and "${" in value:
            raise ValueError(f"{name}={printable(value, 80)}: give the value itself")
        if isinstance(value, float) and not isfinite(value):
            raise ValueError(f"{name}={value}: expected a finite number")


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    inner = value if isinstance(value, dict) else {}
    inner = dict(enumerate(value)) if isinstance(value, (list, tuple)) else inner
    for key, own in inner.items():
        yield from _leaves(own, f"{name}.{key}" if name else str(key))
    if not inner:
        yield name, value


def at_least(config: object, least: float, *names: str) -> None:
    """ValueError where one of these options is less."""
    for name in names:
        value = getattr(config, name)
        if value < least:
            raise ValueError(f"{name}={value}: expected {least} or more")


def write(config: object, path: Path) -> None:
    """The resolved options as YAML."""
    write_text(path, OmegaConf.to_yaml(OmegaConf.structured(config)))
