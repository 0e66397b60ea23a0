"""Score interpolation systems on a test set: results, tables, contact sheets and a page.

    python -m train.evaluate --testset DIR --system nano --system crossfade --out OUT

DIR holds one folder per clip with frame_000.png, frame_001.png, ... (the first and the last are the
keys), or is shards of `train.prepare`. An interrupted run goes on where it stopped. On several GPUs
start it with `accelerate launch` or torchrun. docs/evaluation.md has the systems and the metrics.
"""

from train.engine.stop import GO_ON, run_command
from train.eval.options import Settings, parse, read_sampling
from train.eval.run import evaluate


def main(arguments: list[str]) -> None:
    given = parse(arguments)
    kept = ("out", "size", "device", "models", "kernel", "every_frame", "fresh")
    settings = Settings(
        sampling=read_sampling(given.recipe, given.seed),
        **{name: getattr(given, name) for name in kept},
    )
    more = {"limit": given.limit, "workers": given.workers}
    if evaluate(given.system, given.testset, settings, **more):
        print((given.out / "table.md").read_text(encoding="utf-8"))
        print(f"results, tables, sheets and page: {given.out}")


if __name__ == "__main__":
    run_command(main, GO_ON)
