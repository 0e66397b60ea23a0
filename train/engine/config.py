"""Options of a run: its schema, `[--config FILE] key=value ...`, and the resolved ones as YAML."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from omegaconf import MISSING, DictConfig, OmegaConf
from omegaconf.errors import ConfigKeyError, OmegaConfBaseException

from train.engine.files import printable, write_text
from train.engine.options import check, help_text, option, unknown
from train.engine.renamed import renamed

if TYPE_CHECKING:
    from typing import Self

T = TypeVar("T")
MOST_BYTES = 1 << 20  # of a YAML file
LONGEST = 300  # characters of what is wrong with it
# By reading and merging options.
RAISED = (yaml.YAMLError, OmegaConfBaseException, RecursionError, ValueError, TypeError, KeyError)
OPTIMIZERS = ("adamw", "adamw8bit", "muon")
PRECISIONS = ("fp32", "bf16", "fp16")


@dataclass(kw_only=True)
class OptimConfig:
    """How weights move."""

    # adamw8bit: moments in 8 bits, by bitsandbytes, for a GPU. muon: orthogonalized momentum for
    # matrices, AdamW for the rest, for small models from nothing. Neither with run.fsdp.
    name: str = option("adamw", choices=OPTIMIZERS)
    # Decay of Adam's two moments.
    betas: tuple[float, float] = option((0.9, 0.99), least=0, below=1)
    weight_decay: float = option(0.0, least=0)  # per step, times lr
    warmup: int = option(100, least=0, free=True)  # steps of linear growth of lr
    cosine: bool = option(False, free=True)  # a fall of lr to a twentieth at the last step
    clip_norm: float = option(1.0, above=0, free=True)  # largest norm of the gradient
    # Decay of the average that becomes the result; 0: none is kept, the weights are the result.
    ema: float = option(0.999, least=0, below=1)


@dataclass(kw_only=True)
class RuntimeConfig:
    """Where and how a run runs. All of it may change when the run goes on: it changes neither its
    samples nor its loss, but for rounding (and of dropout's masks, which are drawn for a part of a
    batch at once, with accumulate)."""

    minutes: float = option(0, least=0, free=True)  # stop and save after so many (0: no limit)
    # Parts in which a process takes its share of a batch, one after the other: less memory.
    accumulate: int = option(1, least=1, free=True)
    # Blocks are computed again in the backward pass: much less memory, about a third slower.
    checkpointing: bool | None = option(False, free=True)
    fsdp: bool = option(False, free=True)  # several GPUs share what trains (FSDP2) instead of DDP
    device: str = option("", free=True)  # where: cpu, cuda or cuda:1; none: a GPU if any
    workers: int = option(1, least=0, free=True)  # processes that read data, for each GPU
    threads: int = option(0, least=0, free=True)  # of torch on the CPU; 0: torch's own choice
    save_every: int = option(200, least=1, free=True)  # steps between checkpoints
    keep: int = option(2, least=0, free=True)  # checkpoints that stay (0: all)
    log_every: int = option(10, least=1, free=True)  # steps between lines of the curves
    # Steps between evaluations on held-out clips: a sample sheet and the held-out loss.
    sample_every: int = option(200, least=1, free=True)
    sheet_clips: int = option(3, least=0, free=True)  # held-out clips on a sheet (0: no sheets)
    held_out: int = option(8, least=0, free=True)  # clips of the held-out loss (0: none)
    # End after so many evaluations without a lower held-out loss; the result is the best state's.
    # 0: never.
    patience: int = option(0, least=0, free=True)


@dataclass(kw_only=True)
class RunConfig:
    """What every run has. Paths are folders unless they say otherwise. Of `data` the stamp must
    stay when a run goes on."""

    # Clips, shards of train.prepare, or what train.cache made of either.
    data: str = option(MISSING, free=True)
    # Folder for checkpoints, sheets, curves (TensorBoard) and the result.
    out: str = option(MISSING, free=True)
    steps: int = option(1000, least=1, free=True)  # updates
    # Clips of a step, over all GPUs and accumulated parts together.
    batch: int = option(8, least=1)
    # Learning rate. 2e-3 already keeps small autoencoders from finding their colours.
    lr: float = option(5e-4, least=0, free=True)
    seed: int = option(0, least=0, most=2**63 - 1)  # of windows, noise, dropout and new layers
    # bf16 and fp16: mixed precision; weights stay in 32 bits.
    dtype: str = option("fp32", choices=PRECISIONS, free=True)
    optim: OptimConfig = field(default_factory=OptimConfig)
    run: RuntimeConfig = field(default_factory=RuntimeConfig)
    # Build everything and print the memory and time it will take, but take no step; or --dry-run.
    dry_run: bool = option(False, free=True)

    def resolved(self) -> Self:
        """The same with every default filled in that depends on other options; ValueError for one
        out of range."""
        check(self)
        return self


def parse(schema: type[T], arguments: list[str], description: str) -> T:
    """`[--config FILE] [--dry-run] key=value ...` read into `schema`; exits with the reason on
    bad input, and with all options by --help. ValueError for an option out of its range."""
    parser = argparse.ArgumentParser(add_help=False, usage="%(prog)s [--help] [--config FILE] ...")
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("--config")
    if "dry_run" in schema.__dataclass_fields__:
        parser.add_argument("--dry-run", action="store_true")
    parser.add_argument("overrides", nargs="*", metavar="key=value")
    given = parser.parse_args(arguments)
    if given.help:
        print(help_text(schema, description))
        raise SystemExit(0)
    flags = ["dry_run=true"] if getattr(given, "dry_run", False) else []
    try:
        config = fill(schema, given.config, given.overrides + flags)
    except ValueError as error:
        parser.error(str(error))
    check(config)
    return config


def read(schema: type[T], file: str | None, overrides: list[str]) -> T:
    """`fill`, and ValueError also for an option out of its range."""
    config = fill(schema, file, overrides)
    check(config)
    return config


def fill(schema: type[T], file: str | None, overrides: list[str]) -> T:
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
            name, value = word.split("=", 1)
            if ": " in value and value.lstrip()[0] not in "{[\"'":
                # A text such as `MIT: Anna`, which YAML takes for a table.
                OmegaConf.update(found, name, value, force_add=True)
            else:
                found = OmegaConf.merge(found, OmegaConf.from_dotlist([word]))
        except RAISED as error:
            raise ValueError(f"{printable(word, 80)}: {_reason(error)}") from error
    return found


def merge(schema: Any, *given: DictConfig) -> DictConfig:
    """Options over the defaults of a dataclass or an instance of one; ValueError for one that it
    has not, or cannot be, and for what would be filled in from elsewhere (`${oc.env:NAME}`):
    options are written out. Names of before are taken as what they are called now."""
    merged = OmegaConf.structured(schema)
    for options in given:
        values = OmegaConf.to_container(options)
        _check_values(values)
        for name, value in renamed(values, schema).items():
            merged = _merge_one(merged, name, value, schema)
    _check_values(OmegaConf.to_container(merged))
    return merged


def _merge_one(merged: DictConfig, name: str, value: Any, schema: Any) -> DictConfig:
    """By itself, and of a group that cannot be merged each option by itself, since OmegaConf does
    not always say which one it is."""
    try:
        given = OmegaConf.create()
        OmegaConf.update(given, name, value, force_add=True)
        return OmegaConf.merge(merged, given)
    except ConfigKeyError as error:
        raise ValueError(unknown(error.full_key or name, schema)) from error
    except RAISED as error:
        for key, own in value.items() if isinstance(value, dict) else ():
            _merge_one(merged, f"{name}.{key}", own, schema)
        key = getattr(error, "full_key", None) or name
        # Of a tuple's items OmegaConf leaves these to be filled in.
        reason = _reason(error).replace("$VALUE_TYPE", type(value).__name__)
        raise ValueError(f"{key}: {reason.replace('$VALUE', printable(str(value), 80))}") from error


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
    """(dotted name, value) of all that is nested in dicts and lists."""
    inner = value if isinstance(value, dict) else {}
    inner = dict(enumerate(value)) if isinstance(value, (list, tuple)) else inner
    for key, own in inner.items():
        yield from _leaves(own, f"{name}.{key}" if name else str(key))
    if not inner:
        yield name, value


def write(config: object, path: Path) -> None:
    """The resolved options as YAML."""
    write_text(path, OmegaConf.to_yaml(OmegaConf.structured(config)))
