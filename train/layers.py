"""Draw random cartoon clips as layers, for training from a GPU's memory.

    python -m train.layers out=DIR [count=12000 side=128 frames=24 seed=0 ...]

All cores draw; a run that was stopped goes on with the same command. Every recipe takes the folder
as `data`: its layers are put onto the device once, and windows are composed there, with other
backgrounds, colours, places and company each time. Clip i is that of `train.puppets` with the same
seed. What is drawn is CC0; with `cutouts` the figures keep the licences of their clips.
"""

from __future__ import annotations

from train.data.resident.folder import LayersConfig, write_layers
from train.engine.config import parse
from train.engine.stop import GO_ON, run_command


def main(arguments: list[str]) -> None:
    config = parse(LayersConfig, arguments, __doc__)
    out = write_layers(config)
    print(f"{out}: {config.count} clips")


if __name__ == "__main__":
    run_command(main, GO_ON)
