"""Train a plain autoencoder from nothing, or on from another.

    python -m train.autoencoder data=DIR out=DIR [preset=nano | shape=FILE.yaml] [base=FILE]

Its latents are what `train.pretrain` learns, and its plain decoder is what `train.decoder` starts
from. The result, out/autoencoder.safetensors, is one part of a model.
"""

from train.engine.config import parse
from train.engine.loop import run
from train.engine.stop import run_command
from train.recipes.autoencoder import AutoencoderConfig, AutoencoderRecipe


def main(arguments: list[str]) -> None:
    run(AutoencoderRecipe, parse(AutoencoderConfig, arguments, __doc__))


if __name__ == "__main__":
    run_command(main)
