"""Train the sketch encoder beside a frozen model (paper eq. 6).

    python -m train.sketch data=CLIPS out=RUN [base=MODEL.safetensors]

The defaults are the paper's, for models narrower than the released one with a smaller batch and
size; base is nano where none is given. Sketches are those that `train.prepare` or `train.cache`
stored, and XDoG's where there are none. The result is out/sketch_encoder.safetensors.
"""

from train.engine.config import parse
from train.engine.loop import run
from train.engine.stop import run_command
from train.recipes.sketch import SketchRecipe, SketchTrainConfig


def main(arguments: list[str]) -> None:
    run(SketchRecipe, parse(SketchTrainConfig, arguments, __doc__))


if __name__ == "__main__":
    run_command(main)
