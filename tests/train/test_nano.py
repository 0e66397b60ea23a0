"""nano on the project's own cast: no worse than recorded, and drawn lines pull its own."""

import json
from statistics import fmean

import pytest

from benchmarks import nano_cast, nano_sketch
from toon_core.metrics.metric import LOWER, TRUTH
from train.eval.systems import NANO, Checkpoint

COLUMNS = {metric.key: metric for metric in nano_cast.COLUMNS}


def badness(name: str, value: float, entry: dict) -> float:
    better = COLUMNS[name].better
    return abs(value - entry["truth"]) if better == TRUTH else value if better == LOWER else -value


@pytest.fixture(scope="module")
def clips():
    return nano_cast.cast()


def test_nano_is_no_worse_than_recorded(clips):
    record = json.loads(nano_cast.RECORD.read_text())
    assert record["clips"] == [clip.name for clip in clips]
    found = nano_cast.measure(Checkpoint("nano", NANO), clips, record["seed"])
    worse = {}
    assert record["figures"].keys() <= found.keys()
    for name, entry in record["figures"].items():
        # Three times the noise of another seed; a hundredth for another machine's arithmetic.
        allowed = 3 * entry["noise"] + 0.01 * abs(entry["value"])
        lost = badness(name, found[name], entry) - badness(name, entry["value"], entry)
        if lost > allowed:
            worse[name] = (found[name], entry)
    assert not worse


def test_a_sketch_pulls_the_lines_of_its_frame(clips):
    """The true middle frame's lines, drawn for nano, come out nearer than without them."""
    model, encoder = nano_sketch.load()
    nearer = []
    for clip in clips[3:6]:
        lines = clip.sketches[nano_cast.DRAWN][:1]
        without, pulled = (
            nano_sketch.agreement(model, encoder, clip, lines, s) for s in (0.0, 1.5)
        )
        nearer.append(pulled - without)
    assert fmean(nearer) > 0.015 and min(nearer) > 0, nearer
