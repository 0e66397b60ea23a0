"""A blind user study of interpolation systems, and its table (paper, Table 2).

    python -m train.study --testset DIR --system nano --system crossfade --out OUT
    python -m train.study --tally OUT --answers ANSWERS.json ...

The first makes OUT/page, to be opened as a file or put on any web server, and OUT/key.json, which
says what is behind the page's names and stays with you. The second writes OUT/table2.md and
OUT/table2.json from the files of answers that raters saved. docs/evaluation.md says what they see.
"""

from train.engine.stop import GO_ON, run_command
from train.eval.options import read_sampling
from train.eval.study import Study, make, parse, tally


def main(arguments: list[str]) -> None:
    given = parse(arguments)
    if given.tally:
        print(tally(given.tally, given.answers))
        return
    shared = ("testset", "out", "clips", "seed", "size", "device")
    study = Study(
        systems=tuple(given.system),
        sampling=read_sampling(given.recipe, given.seed),
        **{name: getattr(given, name) for name in shared},
    )
    page = make(study)
    print(f"give raters {page.parent} (open {page}); keep {given.out / 'key.json'} to yourself")


if __name__ == "__main__":
    run_command(main, GO_ON)
