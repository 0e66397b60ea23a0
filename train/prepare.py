"""From raw media to training shards: WebDataset tars with an index, and a sheet to judge them by.

    python -m train.prepare data=FOLDER_OR_TAR out=SHARDS [size=128 max_fps=30 workers=2 ...]

Reads video, GIF, WebP, APNG, Lottie and folders of images. Shot cuts divide clips; black, still,
blurred and flickering ones, ones with text, with a wrong caption, and near-duplicates are dropped,
each with its reason in index.jsonl and on sheet.png. Steps whose model is not there are left out
and named `no model` (train.data.filters.base lists the options, `filters.NAME=...`). A run that was
stopped goes on with the same command; the same input gives the same bytes. A clip whose reader
crashed is tried again by the next command, one that took too long by one with a higher limit.
"""

import logging

from train.data.prepare.config import PrepareConfig
from train.data.prepare.run import prepare
from train.engine.config import parse
from train.engine.stop import GO_ON, run_command


def main(arguments: list[str]) -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    prepare(parse(PrepareConfig, arguments, __doc__))


if __name__ == "__main__":
    run_command(main, GO_ON)
