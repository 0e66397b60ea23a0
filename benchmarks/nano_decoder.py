"""What a model's decoder makes of true latents and both keys, as of a perfect denoiser's clips.

    python benchmarks/nano_decoder.py [MODEL.safetensors]

Eight clips of the project's own cast are encoded and decoded, their ends as keys, by nano or by
another model of ours; the figures are means over their inner frames, as `nano_cast.py` has them.
"""

from __future__ import annotations

import sys
from pathlib import Path

from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.nano_cast import cast, measure  # noqa: E402
from train.eval.scores import reconstruct  # noqa: E402
from train.eval.systems import NANO, Sampling, load_autoencoder  # noqa: E402
from train.eval.testset import Clip  # noqa: E402


class TrueLatents:
    """A system that is given the clip itself, as latents."""

    def __init__(self, name: str, path: Path) -> None:
        self.name, self.vae = name, load_autoencoder(path)

    def frames(self, clip: Clip, sampling: Sampling) -> Tensor:
        return reconstruct(self.vae, clip)


def main() -> None:
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else NANO
    for name, value in measure(TrueLatents(path.stem, path), cast(), seed=0).items():
        print(f"{name:20} {value:8.4f}")


if __name__ == "__main__":
    main()
