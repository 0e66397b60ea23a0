"""Options that go by the model: the paper's for its size, nano's for narrower ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from omegaconf import OmegaConf

from toon_core import presets
from toon_core.config import ToonConfig
from toon_core.official import read_model
from toon_core.weights.checkpoint import read
from train.data.windows.dataset import TrainingConfig
from train.engine.config import OptimConfig, RuntimeConfig, load_yaml
from train.engine.options import option, with_values

if TYPE_CHECKING:
    from typing import Self

NANO = Path(__file__).parents[2] / "weights" / "nano.safetensors"
Defaults = Mapping[str, Any]
PRESETS = {"nano": presets.nano, "official_512": presets.official_512}

fine_tuning = partial(OptimConfig, weight_decay=0.01, clip_norm=0.5, ema=0.0)


@dataclass(kw_only=True)
class ScaledConfig(TrainingConfig):
    """Options that are None go by the model: FULL's for the released width, SMALL's, which are
    nano's and for a laptop, for a narrower one."""

    height: int | None = option(None, least=1)
    width: int | None = option(None, least=1)
    batch: int | None = option(None, least=1)
    run: RuntimeConfig = field(default_factory=partial(RuntimeConfig, checkpointing=None))

    FULL: ClassVar[Defaults] = {
        **{"height": 320, "width": 512, "batch": 32},
        "run.checkpointing": True,
    }
    SMALL: ClassVar[Defaults] = {
        **{"height": 128, "width": 128, "batch": 4},
        "run.checkpointing": False,
    }

    def model_shape(self) -> ToonConfig:
        """The shape of the model that trains."""
        raise NotImplementedError

    def resolved(self) -> Self:
        filled, missing = self, [name for name in self.SMALL if attrgetter(name)(self) is None]
        if missing:
            chosen = self.FULL if presets.full_size(self.model_shape()) else self.SMALL
            filled = with_values(self, {name: chosen[name] for name in missing})
        return super(ScaledConfig, filled).resolved()


@dataclass(kw_only=True)
class BaseConfig(ScaledConfig):
    """Of recipes that start from a complete model."""

    # The complete model to start from; none: nano, weights/nano.safetensors.
    base: str = ""

    def model_shape(self) -> ToonConfig:
        """Read from the file's header; WeightsError where it is no complete model."""
        return read(self.base, expect="toon").config

    def resolved(self) -> Self:
        return super(BaseConfig, replace(self, base=self.base or str(NANO))).resolved()


@dataclass(kw_only=True)
class ShapeConfig:
    """Of what makes a model anew."""

    preset: str = "nano"  # the model's shape: nano or official_512
    # Or a YAML file of it: ToonConfig's fields (toon_core/config.py); a part may also have the
    # release's own options (toon_core/official.py).
    shape: str = ""

    def model_shape(self) -> ToonConfig:
        return shape_of(self.preset, self.shape)


def shape_of(preset: str, file: str) -> ToonConfig:
    """The model's shape by the options `preset` and `shape`; ValueError for one that is not."""
    if file:
        return read_model(OmegaConf.to_container(load_yaml(Path(file))))
    if preset not in PRESETS:
        raise ValueError(f"preset={preset}: expected one of {', '.join(PRESETS)}, or shape=")
    return PRESETS[preset]()
