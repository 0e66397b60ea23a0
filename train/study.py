"""A blind user study of interpolation systems, and its table (paper, Table 2).

    python -m train.study --testset DIR --system nano --system crossfade --out OUT
    python -m train.study --tally OUT --answers ANSWERS.json ...

The first makes OUT/page, to be opened as a file or put on any web server, and OUT/key.json, which
says what is behind the page's names and stays with you. For every clip a rater chooses the system
with the best motion quality, temporal coherence and frame fidelity, and saves a file of answers at
the end. The second writes OUT/table2.md and OUT/table2.json from these files.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from train.engine.command import GO_ON, errors_told
from train.eval.study_page import Study, make
from train.eval.study_tally import tally
from train.eval.systems import read_sampling


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m train.study", description="A blind user study of interpolation systems."
    )
    add = parser.add_argument
    add("--testset", type=Path, help="folder with one folder of frames per clip")
    add("--out", type=Path, help="folder for the study, made if needed")
    add(
        "--system",
        action="append",
        default=[],
        metavar="[LABEL=]SYSTEM",
        help="as in train.evaluate, whose OUT/frames/NAME are folders to give here; 2 to 9",
    )
    add("--clips", type=int, default=12, help="how many clips to show (default: %(default)s)")
    add("--seed", type=int, default=123, help="which clips, their order and their names")
    add("--size", type=int, default=256, help="shorter side of the clips (default: %(default)s)")
    add("--recipe", nargs="+", default=[], metavar="KEY=VALUE", help="as in train.evaluate")
    add("--device", default="cpu", help="where networks run (default: cpu)")
    add("--tally", type=Path, metavar="OUT", help="the study to count the answers of")
    add("--answers", type=Path, nargs="+", default=[], help="files that raters saved")
    options = parser.parse_args(arguments)
    if options.tally and not options.answers:
        parser.error("--tally needs --answers FILE ...")
    if not options.tally and not (options.testset and options.out):
        parser.error("give --testset and --out to make a study, or --tally and --answers")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    with errors_told(GO_ON):
        if options.tally:
            print(tally(options.tally, options.answers))
            return
        page = make(
            Study(
                testset=options.testset,
                out=options.out,
                systems=tuple(options.system),
                clips=options.clips,
                seed=options.seed,
                size=options.size,
                sampling=read_sampling(options.recipe, options.seed),
                device=options.device,
            )
        )
    print(f"give raters {page.parent} (open {page}); keep {options.out / 'key.json'} to yourself")


if __name__ == "__main__":
    main()
