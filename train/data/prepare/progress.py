"""What the work costs: a bar by frames that names the clips at work, and `costs.csv` of it all."""

import logging
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path

from tqdm import tqdm

from train.data.prepare.outcome import Outcome
from train.data.readers.media import image_files
from train.data.shards import Record
from train.engine.files import write_csv

log = logging.getLogger("toon.prepare")

FOLDER = "folder"
USUAL = 100  # frames of a file of whose kind none was read
MOST_COSTLY = 3  # clips that the log names


class Progress:
    """By frames, since clips differ. Frames of files that are still to be read are estimated by the
    files of their kind that were: to open one is a worker's matter, which it may crash."""

    def __init__(self, paths: Mapping[str, Path], outcomes: Mapping[str, Outcome]) -> None:
        """paths: of all clips; outcomes: of those that an earlier run has done."""
        self.kinds = {name: _kind_and_size(path) for name, path in paths.items()}
        self.left: dict[str, Counter[str]] = defaultdict(Counter)  # by kind: clips and their size
        self.read: dict[str, Counter[str]] = defaultdict(Counter)  # and frames, of those done
        self.at_work: dict[str, None] = {}
        self.steps: Counter[str] = Counter()
        for kind, size in self.kinds.values():
            self.left[kind].update(clips=1, size=size)
        frames = sum(map(frames_of, outcomes.values()))
        self.bar = tqdm(initial=frames, desc="frames", unit="frame", dynamic_ncols=True)
        for name, outcome in outcomes.items():
            self._count(name, outcome)
        self._show()

    def begin(self, name: str) -> None:
        self.at_work[name] = None
        self._show()

    def end(self, name: str, outcome: Outcome) -> None:
        self.at_work.pop(name, None)
        self._count(name, outcome)
        self.bar.update(frames_of(outcome))
        self._show()

    def _count(self, name: str, outcome: Outcome) -> None:
        kind, size = self.kinds[name]
        self.left[kind].subtract(clips=1, size=size)
        self.read[kind].update(clips=1, size=size, frames=frames_of(outcome))
        self.steps.update(map(step_of, outcome.records))

    def _show(self) -> None:
        self.bar.total = self.bar.n + sum(map(self._estimate, self.left))
        done = f"{sum(r['clips'] for r in self.read.values())} of {len(self.kinds)} clips"
        counts = ", ".join(f"{count} {step}" for step, count in self.steps.most_common())
        work = f"at work: {', '.join(self.at_work)}" if self.at_work else ""
        self.bar.set_postfix_str("; ".join(text for text in (done, counts, work) if text))

    def _estimate(self, kind: str) -> int:
        """Frames that are left of a kind."""
        left, read = self.left[kind], self.read[kind]
        if kind == FOLDER:
            return left["size"]
        if not read["frames"]:
            return left["clips"] * USUAL
        return read["frames"] * left["size"] // max(read["size"], 1)


def _kind_and_size(path: Path) -> tuple[str, int]:
    """A file's suffix and bytes; FOLDER and the frames that it holds; nothing of what is gone."""
    kind = path.suffix.lower()
    try:
        if path.is_dir():
            return FOLDER, len(image_files(path))
        return kind, 1 if kind == ".json" else path.stat().st_size  # a drawing lasts at any size
    except OSError:
        return "", 0


def step_of(record: Record) -> str:
    """What dropped a record, or "kept"."""
    return "kept" if record.kept else record.reason.split(":")[0]


def frames_of(outcome: Outcome) -> int:
    """Frames of a clip that were read, kept or not."""
    return sum(record.frames for record in outcome.records)


def write_costs(out: Path, outcomes: Mapping[str, Outcome]) -> None:
    """`costs.csv`, the seconds of every clip by step, the most costly clip first; the sums of the
    steps and the most costly clips are logged."""
    seconds = {name: o.seconds for name, o in outcomes.items() if o.seconds}
    if not seconds:
        return
    by_clip = Counter({name: sum(own.values()) for name, own in seconds.items()})
    by_step: Counter[str] = Counter()
    for own in seconds.values():
        by_step.update(own)
    steps, clips = ([name for name, _ in c.most_common()] for c in (by_step, by_clip))
    rows = []
    for name in clips:
        each = (f"{seconds[name].get(step, 0):.2f}" for step in steps)
        rows.append([name, frames_of(outcomes[name]), f"{by_clip[name]:.2f}", *each])
    write_csv(out / "costs.csv", ["clip", "frames", "seconds", *steps], rows)
    log.info(
        "seconds by step: %s; by clip (all in costs.csv): %s",
        ", ".join(f"{step} {by_step[step]:.0f}" for step in steps),
        ", ".join(f"{name} {by_clip[name]:.0f}" for name in clips[:MOST_COSTLY]),
    )
