"""Options that go by the model: the paper's for its size, nano's for narrower ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from omegaconf import OmegaConf

from toon_core import presets
from toon_core.config import ToonConfig
from toon_core.official import read_model
from toon_core.weights.checkpoint import read
from train.engine.config import RunConfig, load_yaml

if TYPE_CHECKING:
    from typing import Self

NANO = Path(__file__).parents[1] / "weights" / "nano.safetensors"
Options = Mapping[str, Any]
PRESETS = {"nano": presets.nano, "official_512": presets.official_512}


@dataclass(kw_only=True)
class ScaledConfig(RunConfig):
    """Options that are None go by the model: FULL's for the released width, SMALL's, which are
    nano's and for a laptop, for a narrower one."""

    height: int | None = None
    width: int | None = None
    batch: int | None = None
    checkpointing: bool | None = None

    FULL: ClassVar[Options] = {"height": 320, "width": 512, "batch": 32, "checkpointing": True}
    SMALL: ClassVar[Options] = {"height": 128, "width": 128, "batch": 4, "checkpointing": False}

    def model_shape(self) -> ToonConfig:
        """Of the model that trains."""
        raise NotImplementedError

    def resolved(self) -> Self:
        missing = [name for name in self.SMALL if getattr(self, name) is None]
        if not missing:
            return self
        chosen = self.FULL if presets.full_size(self.model_shape()) else self.SMALL
        return replace(self, **{name: chosen[name] for name in missing})


@dataclass(kw_only=True)
class FromBase(ScaledConfig):
    """Of recipes that start from a complete model."""

    base: str = ""  # its file; none: nano

    def model_shape(self) -> ToonConfig:
        """By the file's header and names; WeightsError where it is no complete model."""
        return read(self.base, expect="toon").config

    def resolved(self) -> Self:
        return super(FromBase, replace(self, base=self.base or str(NANO))).resolved()


def shape(config: Any) -> ToonConfig:
    """That of the options `preset` and `shape`."""
    if config.shape:
        return read_model(OmegaConf.to_container(load_yaml(Path(config.shape))))
    if config.preset not in PRESETS:
        raise ValueError(f"preset={config.preset}: expected one of {', '.join(PRESETS)}, or shape=")
    return PRESETS[config.preset]()
