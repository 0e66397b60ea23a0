"""Write a test set from the held-out clips of a store: windows of large motion as folders.

    python -m train.heldout data=SHARDS out=FOLDER [count=60 per_clip=2 seed=0 ...]

Each folder `<clip>_<start>` has frame_000.png ..., prompt.txt, fps.txt and sketch_007.png (XDoG of
that frame, where it has lines); backgrounds are fixed by a hash. With height and width given,
pictures are resized by their short side and cropped to the centre. The first window of every clip,
the one that moves most, comes before any second one; testset.json lists the choice.
"""

import logging

from train.engine.config import parse
from train.engine.stop import run_command
from train.eval.testset import HeldoutConfig, write_heldout


def main(arguments: list[str]) -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    write_heldout(parse(HeldoutConfig, arguments, __doc__))


if __name__ == "__main__":
    run_command(main)
