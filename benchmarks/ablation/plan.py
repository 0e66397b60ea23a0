"""The ablation as a list of runs: which recipe, on what, from the result of which run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import MISSING

RECTIFIED = ("II", "III", "IV", "V")  # I is the base as it is
DECODERS = ("full", "no_pseudo3d", "plain")
SKETCHES = {"independent": False, "zero_gate": True}  # name -> gate=
ONE_SEED = ("V", *SKETCHES)
BASE, RECTIFIED_BASE = "base/denoiser", "rectify/IV_0"  # runs that others start from
Options = dict[str, Any]


@dataclass(kw_only=True)
class AblationConfig:
    """Options of the ablation. The last five are options of the recipes: steps, batch, lr ..."""

    data: str = MISSING  # cartoon clips, shards or a folder
    out: str = MISSING
    testset: str = ""  # folder of `train.heldout`; empty: made of the held-out clips of data=
    testset_clips: int = 60
    figure_clips: int = 3  # clips on each contact sheet, the first of the test set
    sketch_clips: int = 12  # clips of the sketch table
    size: int = 64  # pixels of a side
    frames: int = 16
    seeds: int = 3  # of II to IV and of the decoders; V and the sketch encoders have one
    device: str = "cpu"  # of everything, or cuda
    dry_run: bool = False  # check every option and list the runs, but run nothing
    report_only: bool = False  # tables and figures of the runs that are done
    photographs: Options = field(default_factory=dict)  # of the base's clips: clips, frames ...
    sampling: Options = field(default_factory=dict)  # of the clips that are scored: steps ...
    models: str = "models"  # folder of the networks that measure
    networks: bool = True  # false: measure without any
    common: Options = field(default_factory=dict)  # of every recipe
    autoencoder: Options = field(default_factory=dict)
    pretrain: Options = field(default_factory=dict)
    rectify: Options = field(default_factory=dict)
    decoder: Options = field(default_factory=dict)
    sketch: Options = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training: `words` are its recipe's options, `result` is the file it ends with."""

    name: str  # its folder below the ablation's
    recipe: str
    words: tuple[str, ...]
    result: str = "model.safetensors"
    needs: str = ""  # name of the run whose result it starts from
    variant: str = ""
    seed: int = 0


class Folders:
    """Where the parts of an ablation lie."""

    def __init__(self, config: AblationConfig, out: Path | None = None) -> None:
        self.out = out or Path(config.out)
        self.photographs = self.out / "photographs"
        self.testset = Path(config.testset or Path(config.out) / "testset")
        self.autoencoder = self.out / "base/autoencoder/autoencoder.safetensors"
        self.base = self.out / BASE / "model.safetensors"

    def result(self, run: Run) -> Path:
        return self.out / run.name / run.result


def plan(config: AblationConfig, folders: Folders) -> list[Run]:
    """All runs in an order in which each finds what it needs; the first seed of every variant
    comes before any second one."""
    runs = base_runs(config, folders)
    for seed in range(config.seeds):
        runs += [
            *(rectify_run(config, folders, v, seed) for v in RECTIFIED if _trained(v, seed)),
            *(decoder_run(config, folders, v, seed) for v in DECODERS),
            *(sketch_run(config, folders, v, seed) for v in SKETCHES if _trained(v, seed)),
        ]
    return runs


def _trained(variant: str, seed: int) -> bool:
    return seed == 0 or variant not in ONE_SEED


def base_runs(config: AblationConfig, folders: Folders) -> list[Run]:
    """The base that has never seen a cartoon: its autoencoder, then the rest of it."""
    data = f"data={folders.photographs}"
    coded = Run(
        name="base/autoencoder",
        recipe="autoencoder",
        words=(data, *_words(config, config.autoencoder)),
        result="autoencoder.safetensors",
    )
    start = f"autoencoder={folders.autoencoder}"
    words = (data, start, *_words(config, config.pretrain))
    return [coded, Run(name=BASE, recipe="pretrain", words=words, needs=coded.name)]


def rectify_run(config: AblationConfig, folders: Folders, variant: str, seed: int) -> Run:
    words = (f"base={folders.base}", f"variant={variant}", *_words(config, config.rectify))
    return _run(config, "rectify", variant, seed, words, BASE)


def decoder_run(config: AblationConfig, folders: Folders, variant: str, seed: int) -> Run:
    words = (f"base={folders.base}", f"variant={variant}", *_words(config, config.decoder))
    return _run(config, "decoder", variant, seed, words, BASE)


def sketch_run(config: AblationConfig, folders: Folders, variant: str, seed: int) -> Run:
    """On the rectified model of the first seed."""
    base = folders.out / RECTIFIED_BASE / "model.safetensors"
    gate = f"gate={str(SKETCHES[variant]).lower()}"
    words = (f"base={base}", gate, *_words(config, config.sketch))
    return _run(
        config, "sketch", variant, seed, words, RECTIFIED_BASE, "sketch_encoder.safetensors"
    )


def _run(
    config: AblationConfig,
    recipe: str,
    variant: str,
    seed: int,
    words: tuple[str, ...],
    needs: str,
    result: str = "model.safetensors",
) -> Run:
    return Run(
        name=f"{recipe}/{variant}_{seed}",
        recipe=recipe,
        words=(f"data={config.data}", f"seed={seed}", *words),
        result=result,
        needs=needs,
        variant=variant,
        seed=seed,
    )


def _words(config: AblationConfig, own: Mapping[str, Any]) -> tuple[str, ...]:
    size = {"height": config.size, "width": config.size, "frames": config.frames}
    words = {"run.device": config.device, **size, **_dotted(config.common), **_dotted(own)}
    return tuple(f"{k}={_text(v)}" for k, v in words.items())


def _dotted(options: Mapping[str, Any], above: str = "") -> Options:
    """Groups by dotted names."""
    found: Options = {}
    for name, value in options.items():
        inner = isinstance(value, Mapping)
        found |= _dotted(value, f"{above}{name}.") if inner else {f"{above}{name}": value}
    return found


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
