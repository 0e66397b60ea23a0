"""What the work costs: the bar counts frames and names clips; `costs.csv` has the seconds."""

import csv
from pathlib import Path

from train.data.prepare.outcome import Outcome
from train.data.prepare.progress import USUAL, Progress, write_costs
from train.data.shards import Record


def outcome(frames: int, **seconds: float) -> Outcome:
    return Outcome(fingerprint="", records=(Record(id="x", frames=frames),), seconds=seconds)


def test_the_bar_goes_by_frames_and_names_the_clips_at_work(tmp_path):
    sizes = {"done.mp4": 1000, "long.mp4": 4000, "drawn.json": 10, "other.json": 9000}
    for name, size in sizes.items():
        (tmp_path / name).write_bytes(bytes(size))
    paths = {Path(name).stem: tmp_path / name for name in sizes}
    progress = Progress(paths, {"done": outcome(50)})
    with progress.bar:
        assert progress.bar.initial == progress.bar.n == 50
        assert progress.bar.total == 50 + 4 * 50 + 2 * USUAL, "by bytes of what was read"
        progress.begin("drawn")
        progress.begin("long")
        assert "1 of 4 clips; 1 kept; at work: drawn, long" in progress.bar.postfix
        progress.end("drawn", outcome(70))
        assert progress.bar.total == 50 + 70 + 4 * 50 + 70, "a drawing's length is not its size"
        progress.end("long", outcome(30))
        progress.end("other", outcome(5))
        assert progress.bar.n == progress.bar.total == 155
        assert "at work" not in progress.bar.postfix


def test_costs_are_told_by_clip_and_by_step(tmp_path, caplog):
    outcomes = {"a": outcome(10, read=1, text=2), "b": outcome(40, read=9), "refused": outcome(0)}
    with caplog.at_level("INFO", "toon.prepare"):
        write_costs(tmp_path, outcomes)
    with (tmp_path / "costs.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["clip", "frames", "seconds", "read", "text"]
    assert rows == [["b", "40", "9.00", "9.00", "0.00"], ["a", "10", "3.00", "1.00", "2.00"]]
    assert "read 10, text 2" in caplog.text and "b 9, a 3" in caplog.text
