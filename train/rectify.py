"""Move a base model to the cartoon domain (paper section 4, "toon rectification"; eq. 2).

    python -m train.rectify data=CLIPS out=RUN [base=BASE.safetensors] [variant=IV] [lora=RANK]

The defaults are the paper's: image projector and spatial layers trained, temporal layers frozen,
lr 1e-5, batch 32, 512x320 pixels, 16 frames; models narrower than the released one, as nano, the
base where none is given, have a smaller batch and size. With lora, adapters of that rank are
trained instead, and are the result: a small file for Toon Load Model.
"""

from train.engine.config import parse
from train.engine.loop import run
from train.engine.stop import run_command
from train.recipes.rectify import RectifyConfig, RectifyRecipe, export_base


def main(arguments: list[str]) -> None:
    config = parse(RectifyConfig, arguments, __doc__)
    if config.variant == "I" and not config.lora:
        export_base(config)
    else:
        run(RectifyRecipe, config)


if __name__ == "__main__":
    run_command(main)
