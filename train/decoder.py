"""Train the dual-reference 3D decoder on a frozen encoder (paper eq. 3 to 5, table 4).

    python -m train.decoder data=DIR out=DIR [base=FILE] [variant=full|no_pseudo3d|plain]

base is any complete model, nano where none is given: with a plain decoder training starts at "no
reference, no time", with the variant's own decoder it goes on from that. The result is a complete
model file, out/model.safetensors.
"""

from train.engine.config import parse
from train.engine.loop import run
from train.engine.stop import run_command
from train.recipes.decoder import DecoderConfig, DecoderRecipe


def main(arguments: list[str]) -> None:
    run(DecoderRecipe, parse(DecoderConfig, arguments, __doc__))


if __name__ == "__main__":
    run_command(main)
