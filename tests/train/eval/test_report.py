"""From the clips' scores to a report: means, intervals, what is absent, tables and sheets."""

import json
import math

import numpy as np
import pytest
import torch

from toon_core.metrics.metric import LOWER, NO_MODEL
from toon_core.metrics.registry import columns
from train.engine.logger import KEY
from train.eval.output import draw_sheet, pick, script_json
from train.eval.scores import Scored
from train.eval.tables import Table, interval, table_markdown, tabulate


def table_of(values: list[dict[str, float]]) -> Table:
    """Of one system "a", without any network."""
    clips = {str(i): Scored(values=v) for i, v in enumerate(values)}
    return tabulate("", {"a": clips}, {}, columns({}))


def summary(values: list[dict[str, float]]) -> dict[str, dict]:
    return table_of(values).summary["a"]


def test_bootstrap_interval_is_that_of_the_mean() -> None:
    values = np.random.default_rng(1).normal(10, 2, 400)
    entry = summary([{"psnr": float(v)} for v in values])["psnr"]
    half = 1.96 * values.std() / math.sqrt(400)
    assert entry["mean"] == pytest.approx(values.mean())
    assert entry["hi"] - entry["mean"] == pytest.approx(half, rel=0.1)
    assert entry["mean"] - entry["lo"] == pytest.approx(half, rel=0.1)


def test_values_without_meaning_lower_n() -> None:
    nan = float("nan")
    entry = summary([{"motion_ratio": 0.5}, {"motion_ratio": nan}, {}])["motion_ratio"]
    assert (entry["mean"], entry["n"]) == (0.5, 1)
    only = summary([{"motion_ratio": nan}])["motion_ratio"]
    assert (only["mean"], only["n"]) == (None, 0)


def test_absent_networks_are_said() -> None:
    row = summary([{"psnr": 20.0}, {"psnr": 22.0}])
    absent = {"fvd", "kvd", "lpips", "clip_img", "clip_txt", "flicker", "sketch_f_hed"}
    assert set(row) == absent | {"psnr"}
    for key in absent:
        assert row[key] == {"mean": None, "lo": None, "hi": None, "n": 0, "model": NO_MODEL}


def test_means_over_fewer_clips_say_so() -> None:
    values = [{"psnr": 20.0, "motion_ratio": 0.5}, {"psnr": 22.0}]
    table = table_markdown(table_of(values))
    assert "| PSNR (dB) | motion ratio (n 1) |" in table


def test_the_held_key_does_not_win_flicker() -> None:
    [flicker] = [m for m in columns({"rife": "RIFE"}) if m.key == "flicker"]
    values = {"held": [0.0, 0.0], "moves": [0.0019, 0.0021]}
    found = {s: {"flicker": interval(v)} for s, v in values.items()}
    table = Table(title="", metrics=[flicker], summary=found, clips=2, truth={"flicker": 0.0015})
    assert "| moves | **0.00200**" in table_markdown(table)
    assert "| held | 0.00000 " in table_markdown(table)


@pytest.mark.parametrize(
    ("values", "best"),
    [
        ({"a": [1.0, 1.1], "b": [2.0, 2.1]}, "a"),
        ({"a": [1.0, 2.0], "b": [1.9, 2.1]}, None),
        ({"a": [1.0, 1.1], "b": [1.05, 1.2], "c": [5.0, 6.0]}, None),
        ({"a": [1.0, 1.0], "b": [1.0, 1.0]}, None),
        ({"a": [1.0], "b": [2.0]}, None),  # of one clip there is no interval
        ({"a": [1.0, 1.1]}, None),
    ],
)
def test_best_is_who_lies_apart_from_all_others(
    values: dict[str, list[float]], best: str | None
) -> None:
    [metric] = [m for m in columns({}) if m.key == "colour_drift"]
    assert metric.better == LOWER
    summary = {s: {metric.key: interval(v)} for s, v in values.items()}
    table = Table(title="", metrics=[metric], summary=summary, clips=2)
    assert table.best(metric) == best
    assert table_markdown(table).count("**") == (2 if best else 0)


def test_sheet_groups_and_marked_keys() -> None:
    groups = pick([f"c{i}" for i in range(9)])
    assert groups == {
        "best": ["c0", "c1", "c2"],
        "median": ["c3", "c4", "c5"],
        "worst": ["c6", "c7", "c8"],
    }
    assert pick(["b", "a"])["worst"] == ["b", "a"]
    for side in (128, 512):
        sheet = np.array(draw_sheet([("truth", torch.zeros(4, 3, side, side))]))
        found = np.flatnonzero((sheet[100] == KEY).all(axis=-1))
        first, last = ([x, x + 1, x + 130, x + 131] for x in (0, 3 * 132))
        assert found.tolist() == first + last, "around the first and the last frame"


def test_names_are_text_in_markdown_and_in_scripts() -> None:
    [psnr] = [m for m in columns({}) if m.key == "psnr"]
    name = "a|b <img src=x>\n`*[c]"
    table = Table(title="", metrics=[psnr], summary={name: {"psnr": interval([1.0])}}, clips=1)
    row = table_markdown(table).splitlines()[2]
    assert row.startswith(r"| a\|b \<img src=x\>\\n\`\*\[c\] | ")
    assert script_json([name, "<!--<script>"]).count("<") == 0
    assert json.loads(script_json([name, "<!--<script>"])) == [name, "<!--<script>"]
