"""Make random cartoon clips without end: inked characters, props, painted backgrounds.

    python -m train.puppets out=DIR [count=1000 level=-1 seed=0 frames=16 height=128 width=128 ...]

Clip i hangs on (seed, i, level) alone, so a set is made again by its options, and a run that was
stopped goes on with the same command. The result is a folder of clips that every recipe reads
(`<clip>/frame_000.png ...`, prompt.txt, fps.txt), with exact motion and visibility maps where
wanted, or of Lottie files (docs/puppets.md). What is made is CC0.
"""

from __future__ import annotations

import logging

from train.data.puppets.folder import PuppetsConfig, write_set
from train.engine.config import parse
from train.engine.stop import run_command

log = logging.getLogger("toon.puppets")


def main(arguments: list[str]) -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    config = parse(PuppetsConfig, arguments, __doc__)
    out = write_set(config)
    log.info("%s: %d clips", out, config.count)


if __name__ == "__main__":
    run_command(main)
