"""How an evaluation is made."""

from dataclasses import dataclass
from pathlib import Path

from toon_core.metrics.kvd import Kernel

from .columns import Measure
from .networks import find_networks
from .systems import Sampling


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How clips are made and scored. `size` is their shorter side in pixels, None that of the test
    set itself.

    Networks that measure are looked for in `models`. `kernel` is that of KVD; `every_frame` lets
    the networks look at all inner frames.
    """

    out: Path
    sampling: Sampling = Sampling()
    size: int | None = None
    device: str = "cpu"
    models: Path = Path("models")
    kernel: Kernel = "polynomial"
    every_frame: bool = False

    def measure(self) -> Measure:
        found = find_networks(self.models)
        return Measure(networks=found, kernel=self.kernel, every_frame=self.every_frame)
