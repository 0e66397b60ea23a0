"""Score interpolation systems on a test set: results, tables, contact sheets and a page.

    python -m train.evaluate --testset DIR --system nano --system crossfade --out OUT

DIR holds one folder per clip with frame_000.png, frame_001.png, ...; the first and the last are
the keys, the frames between are the truth. It may also be shards of `train.prepare`, of whose
held-out clips `train.heldout` then makes a test set under OUT/testset. An interrupted run goes on
where it stopped.

On several GPUs start it with `accelerate launch` or torchrun: the processes share the clips.

OUT receives results.json; as Markdown, CSV and JSON the paper's Tables 1 and 3 (table_1, table_3),
of checkpoints Table 4 and figure 10 (table_4, figure_10), all metrics (table) and curves of the
interpolated frames (frame_index); report.html (one file with plots and playing clips), clips.json,
groups.json (clips in which something enters or leaves apart), sheets of the best, median and worst
clips, and manifest.json.
"""

import argparse
import os
import shutil
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import torch
from accelerate import PartialState
from tqdm import tqdm

from train.data.store import INDEX
from train.engine.claim import claimed
from train.engine.command import GO_ON, errors_told
from train.engine.files import file_digest
from train.eval.bench import open_bench, score_parallel, score_share
from train.eval.clips import read_testset, shorter_side
from train.eval.gather import gather
from train.eval.output import write
from train.eval.settings import Settings
from train.eval.store import folder_name
from train.eval.systems import Spec, read_sampling, read_spec

DEFAULT_SYSTEMS = ("nano", "crossfade", "nearest", "rife")
PATIENCE = timedelta(days=1)  # of a process that is done, while others still score


def _workers(device: str) -> int:
    """Unless asked for: each process holds all networks, and one fills a GPU."""
    return min(2, os.cpu_count() or 1) if torch.device(device).type == "cpu" else 1


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m train.evaluate",
        description="Score interpolation systems on held-out clips.",
    )
    add = parser.add_argument
    add("--testset", type=Path, required=True, help="folder with one folder of frames per clip")
    add("--out", type=Path, required=True, help="folder for the results, made if needed")
    add(
        "--system",
        action="append",
        metavar="[LABEL=]SYSTEM",
        help="nano, crossfade, nearest, rife, a checkpoint file, CHECKPOINT+ENCODER (a sketch "
        "encoder, which shows it the sketches), or a folder of frames made elsewhere; repeat for "
        f"several (default: {' '.join(DEFAULT_SYSTEMS)})",
    )
    add("--seed", type=int, default=123, help="the one seed every clip is made with")
    add(
        "--recipe",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="how our checkpoints sample where not by their own recipe, as steps=25 cfg_scale=4",
    )
    add("--limit", type=int, help="score the first N clips only")
    add("--size", type=int, help="shorter side of the clips in pixels (default: their own)")
    add("--device", default="cpu", help="where networks run, as cuda (default: cpu)")
    add("--workers", type=int, help="processes (default: 2 on a CPU, 1 on a GPU)")
    add("--models", type=Path, default=Path("models"), help="folder of networks that measure")
    add(
        "--kvd-kernel",
        choices=("polynomial", "gaussian"),
        default="polynomial",
        help="kernel of KVD (default: %(default)s, as published)",
    )
    add("--every-frame", action="store_true", help="networks look at all inner frames")
    options = parser.parse_args(arguments)
    for name, least in (("limit", 1), ("size", 16), ("workers", 1)):
        value = getattr(options, name)
        if value is not None and value < least:
            parser.error(f"--{name} {value} is too small; give at least {least}")
    options.workers = options.workers or _workers(options.device)
    return options


def evaluate(
    systems: Sequence[str],
    testset: Path,
    settings: Settings,
    *,
    limit: int | None = None,
    workers: int = 1,
) -> dict[str, object] | None:
    """Score the systems and write everything into settings.out; returns what results.json holds,
    and None where another process does that.

    ValueError for a bad test set, an unknown system or two of one name, before long work.
    """
    specs = _specs(systems)
    state = _processes(settings.device)
    first = state is None or state.is_main_process
    with claimed(settings.out, testset) if first else nullcontext():
        return _evaluated(specs, testset, settings, limit, workers, state)


def _evaluated(
    specs: list[Spec],
    testset: Path,
    settings: Settings,
    limit: int | None,
    workers: int,
    state: PartialState | None,
) -> dict[str, object] | None:
    started = time.monotonic()
    with state.main_process_first() if state else nullcontext():
        folders = read_testset(_as_folders(testset, settings.out), limit)
    for spec in specs:
        spec.check(folders)
    settings = replace(settings, size=settings.size or shorter_side(folders))
    processes = state.num_processes if state else min(workers, len(folders))
    if state:
        scored = score_share(specs, settings, folders, state)
        if scored is None:
            return None
    elif workers > 1:
        scored = score_parallel(specs, settings, folders, processes)
    else:
        scored = map(open_bench(specs, settings).score, folders)
    names = " ".join(spec.name for spec in specs)
    scored = tqdm(scored, names, len(folders), unit="clip")
    report = gather(testset.resolve().name, specs, scored, settings)
    return write(report, started=started, processes=processes)


def _processes(device: str) -> PartialState | None:
    """Where this is one of several processes, which one."""
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return None
    return PartialState(cpu=device == "cpu", timeout=PATIENCE)


def _as_folders(testset: Path, out: Path) -> Path:
    """The test set itself; of shards, the folders made from them, under the hash of their index."""
    index = testset / INDEX
    if not index.is_file():
        return testset
    from train.heldout import HeldoutConfig, write_heldout

    made = out / "testset" / file_digest(index)[:12]
    if not (made / "testset.json").is_file():
        shutil.rmtree(made, ignore_errors=True)
        write_heldout(HeldoutConfig(data=str(testset), out=str(made)))
    return made


def _specs(systems: Sequence[str]) -> list[Spec]:
    """ValueError where two would share a folder, or one would have none of its own."""
    specs = [read_spec(system) for system in systems]
    names = [spec.name for spec in specs]
    folders = [folder_name(name).casefold() for name in names]  # some disks see no capitals
    if len(set(folders)) < len(folders):
        raise ValueError(
            f"two systems have one name, or names of one folder, in {names}; write LABEL=SYSTEM "
            "for one"
        )
    if wrong := {".", ".."} & set(folders):
        raise ValueError(f"a system cannot be named {min(wrong)!r}; write another LABEL=SYSTEM")
    return specs


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse(arguments)
    specs = options.system or DEFAULT_SYSTEMS
    with errors_told(GO_ON):
        settings = Settings(
            out=options.out,
            sampling=read_sampling(options.recipe, options.seed),
            size=options.size,
            device=options.device,
            models=options.models,
            kernel=options.kvd_kernel,
            every_frame=options.every_frame,
        )
        found = evaluate(
            specs, options.testset, settings, limit=options.limit, workers=options.workers
        )
    if found is None:
        return
    print((options.out / "table.md").read_text(encoding="utf-8"))
    print(f"results, tables, sheets and page: {options.out}")


if __name__ == "__main__":
    main()
