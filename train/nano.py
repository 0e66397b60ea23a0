"""A whole small model from nothing, in minutes on one GPU.

    python -m train.nano [out=runs/nano minutes=9 ...]

Draws clips as layers on all cores, puts them onto the device, and trains autoencoder, motion,
denoiser, decoder and sketch encoder one after the other. Every call ends by itself within
`minutes`; the same command goes on. The result is nano.safetensors in `out`, and the sketch encoder
in out/sketch. On a CPU the same stages run with smaller sizes.
"""

from __future__ import annotations

import logging

from train.engine.config import parse
from train.engine.stop import GO_ON, run_command
from train.recipes.nano import NanoConfig, train_nano


def main(arguments: list[str]) -> None:
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    config = parse(NanoConfig, arguments, __doc__)
    made = train_nano(config)
    print(made or "not done yet: the same command goes on")


if __name__ == "__main__":
    run_command(main, GO_ON)
