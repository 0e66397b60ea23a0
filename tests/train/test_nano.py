"""nano on the project's own cast is no worse than recorded."""

import json

import pytest

from benchmarks import nano_cast
from train.eval.systems import NANO, Checkpoint

# Which way is worse; where the truth is 1, or not 0, the distance from it.
LOWER, HIGHER, NEAR_1 = -1, 1, 0
DIRECTION = {
    "lpips_hed": LOWER,
    "psnr": HIGHER,
    "motion_ratio": NEAR_1,
    "line_sharpness": NEAR_1,
}


def badness(name: str, value: float) -> float:
    way = DIRECTION[name]
    return abs(value - 1) if way == NEAR_1 else -way * value


@pytest.fixture(scope="module")
def clips():
    return nano_cast.cast()


def test_nano_is_no_worse_than_recorded(clips):
    record = json.loads(nano_cast.RECORD.read_text())
    assert record["clips"] == [clip.name for clip in clips]
    found = nano_cast.measure(Checkpoint("nano", NANO), clips, record["seed"])
    worse = {}
    for name in DIRECTION:
        entry = record["figures"][name]
        # Three times the noise of another seed; a hundredth for another machine's arithmetic.
        allowed = 3 * entry["noise"] + 0.01 * abs(entry["value"])
        lost = badness(name, found[name]) - badness(name, entry["value"])
        if lost > allowed:
            worse[name] = (found[name], entry)
    assert not worse
