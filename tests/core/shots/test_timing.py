"""Exposures, charts and spacing: which drawing is shown when, and where it lies on the way."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from toon_core.shots.charts import CHARTS, eased, halves, thirds
from toon_core.shots.plan import SegmentPlan, plan
from toon_core.shots.reading import read_sheet
from toon_core.shots.spacing import chosen, way_of
from toon_core.shots.timing import drawing_starts

EVEN = [t / 15 for t in range(16)]


def disc(x: float, y: float = 32) -> Tensor:
    """A dark disc with a light spot on paper, (3 64 64) in [0, 1]."""
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    inside = (10.5 - torch.hypot(columns - x, rows - y)).clamp(0, 1)
    spot = (3.5 - torch.hypot(columns - x - 4, rows - y + 3)).clamp(0, 1)
    return (0.9 - 0.7 * inside + 0.6 * spot).expand(3, 64, 64)


@pytest.mark.parametrize(
    ("span", "exposure", "starts"),
    [
        (8, 1, [0, 1, 2, 3, 4, 5, 6, 7]),
        (8, 2, [0, 2, 4, 6]),
        (7, 3, [0, 3, 6]),
        (3, 4, [0]),
        (10, (1, 2, 3), [0, 1, 3, 6, 9]),
        (1, 1, [0]),
    ],
)
def test_drawings_begin_as_exposed(span: int, exposure: Any, starts: list[int]) -> None:
    assert drawing_starts(span, exposure) == starts


def test_charts() -> None:
    assert halves(1) == [0.5] and halves(3) == [0.25, 0.5, 0.75]
    assert halves(5) == [0.125, 0.25, 0.5, 0.75, 0.875]
    assert thirds(2) == pytest.approx([1 / 3, 2 / 3])
    assert thirds(5) == pytest.approx([1 / 9, 1 / 3, 1 / 2, 2 / 3, 8 / 9])
    for name, chart in CHARTS.items():
        for count in range(8):
            places = chart([(n + 1) / (count + 1) for n in range(count)])
            assert len(places) == count, name
            assert all(a < b for a, b in pairwise([0, *places, 1])), name
            assert places == pytest.approx([1 - p for p in reversed(places)]), name


def test_slow_out_leaves_slowly_and_slow_in_arrives_slowly() -> None:
    early, late = eased(0.2, 0, 1), eased(0.8, 1, 0)
    assert early < 0.2 and late > 0.8
    assert eased(0.3, 1, 1) == pytest.approx(0.3)


def test_drawings_lie_on_the_motion_and_not_on_the_index() -> None:
    late = [t**3 for t in EVEN]
    frames, twice = chosen(late, [0.25, 0.5, 0.75])
    assert frames == [9, 12, 14] and not twice
    assert chosen(EVEN, [0.25, 0.5, 0.75])[0] == [4, 7, 11]


def test_drawings_rise_and_leave_the_keys_out() -> None:
    for places in ([0.9, 0.95, 0.98], [0.01, 0.02], [n / 15 for n in range(1, 15)]):
        frames, twice = chosen(EVEN, places)
        assert not twice and all(
            0 < a < b < 15 for a, b in zip(frames, [*frames[1:], 14.5], strict=True)
        )


def test_more_drawings_than_frames_are_held() -> None:
    frames, twice = chosen(EVEN, [n / 20 for n in range(1, 20)])
    assert (
        twice
        and len(frames) == 19
        and frames == sorted(frames)
        and set(frames) <= set(range(1, 15))
    )


def test_a_sketched_drawing_is_the_frame_it_was_drawn_for() -> None:
    late = [t**3 for t in EVEN]
    frames, _ = chosen(late, [0.25, 0.5, 0.75], {1: 8})
    assert frames[1] == 8 and frames[0] < 8 < frames[2]
    assert chosen(late, [0.1, 0.2, 0.3, 0.4], {3: 2})[0] == [2, 2, 2, 2]  # no room for others


def test_thousands_of_drawings_are_placed_at_once() -> None:
    way = [t / 4000 for t in range(4001)]
    frames, twice = chosen(way, [n / 3001 for n in range(1, 3001)])
    assert not twice and len(set(frames)) == 3000 and frames == sorted(frames)


def test_there_and_back_takes_frames_twice() -> None:
    assert chosen(EVEN, [0.5, 0.3, 0.5])[0] == [7, 4, 7]


def test_the_way_is_measured_where_things_move() -> None:
    """A disc that goes most of its way late, whose index says nothing of that."""
    places = [10 + 40 * (t / 15) ** 2 for t in range(16)]
    clip = torch.stack([disc(x) for x in places]).movedim(1, -1)
    way = way_of((clip * 255).round().byte())
    truth = [(x - 10) / 40 for x in places]
    assert max(abs(a - b) for a, b in zip(way, truth, strict=True)) < 0.08
    assert way_of(clip[:1].expand(16, -1, -1, -1).mul(255).byte()) == pytest.approx(EVEN)


def planned(document: dict[str, Any], pictures: list[Tensor]) -> tuple[SegmentPlan, ...]:
    return plan(read_sheet(document), pictures, fs=10).segments


def motions(document: dict[str, Any], pictures: list[Tensor]) -> list[str]:
    sheet = read_sheet(document)
    return [plan(sheet, pictures, fs=10).motions[k.id] for k in sheet.keys]


def test_a_key_on_the_way_is_passed_through_and_a_turn_is_not(document: dict[str, Any]) -> None:
    on = [disc(12), disc(26), disc(42)]
    back = [disc(12), disc(30), disc(16)]
    assert motions(document, on) == ["stop", "through", "stop"]
    assert motions(document, back) == ["stop", "stop", "stop"]
    document["keys"][1]["motion"] = "stop"
    assert motions(document, on) == ["stop", "stop", "stop"]
    document["keys"][1]["motion"] = "through"
    assert motions(document, back)[1] == "through"


def test_through_a_key_the_speed_does_not_jump(document: dict[str, Any]) -> None:
    """8 pixels, then 24 in the same time: without it the disc would go three times as fast."""
    document |= {"length": 34, "exposure": 1}
    document["keys"][1]["frame"], document["keys"][2]["frame"] = 16, 32
    pictures = [disc(12), disc(20), disc(44)]
    before, after, _ = planned(document, pictures)
    arrives = (1 - before.places[-1]) * 8
    leaves = after.places[0] * 24
    assert 0.5 < arrives / leaves < 2
    document["keys"][1]["motion"] = "stop"
    before, after, _ = planned(document, pictures)
    assert before.places == pytest.approx([n / 16 for n in range(1, 16)])
    assert after.places[0] * 24 / ((1 - before.places[-1]) * 8) == pytest.approx(3)


def test_a_chart_or_a_slow_in_stands_above_what_a_key_asks(document: dict[str, Any]) -> None:
    pictures = [disc(12), disc(20), disc(44)]
    document["segments"] = [{"from": "one", "chart": "even"}, {"from": "two", "slow_out": 1}]
    before, after, _ = planned(document, pictures)
    assert before.places == pytest.approx([n / 6 for n in range(1, 6)])
    assert after.places[0] < 0.2 * 0.5


def test_many_drawings_are_a_denser_pass(document: dict[str, Any]) -> None:
    document |= {"length": 100, "exposure": 1}
    document["keys"][1]["frame"], document["keys"][2]["frame"] = 15, 40
    document["keys"].append({"id": "four", "frame": 99, "image": "d.png"})
    pictures = [disc(x) for x in (12, 20, 44, 50)]
    assert [s.levels for s in planned(document, pictures)] == [0, 1, 2, 0]
    for last, levels in ((19, 0), (20, 1)):  # 18 drawings of 14 frames are held, 19 are not
        document["keys"][1]["frame"] = last
        assert planned(document, pictures)[0].levels == levels
    document["keys"][1]["frame"] = 15
    document["segments"] = [{"from": "two", "exposure": 2}]
    assert planned(document, pictures)[1].levels == 0


def test_two_sketches_on_one_made_frame_are_told(document: dict[str, Any]) -> None:
    document |= {"length": 49, "exposure": 1}
    document["keys"][1]["frame"], document["keys"][2]["frame"] = 47, 48
    document["sketches"] = [{"frame": f, "image": "s.png"} for f in (19, 20)]
    with pytest.raises(ValueError, match=r"frame 20.*frame 19"):
        planned(document, [disc(12), disc(20), disc(44)])


def test_a_held_chart_waits_for_its_tween(document: dict[str, Any]) -> None:
    document["segments"] = [{"from": "one", "mode": "hold", "chart": [0.5]}]
    assert not planned(document, [disc(12), disc(20), disc(44)])[0].drawn


def test_a_span_of_one_asks_no_model(document: dict[str, Any]) -> None:
    document["keys"][1]["frame"] = 1
    first, second, last = planned(document, [disc(12), disc(20), disc(44)])
    assert not first.drawn and second.drawn and not last.drawn


def test_takes_have_seeds_of_their_own(document: dict[str, Any]) -> None:
    document["segments"] = [{"from": "one", "takes": 3, "seed": 7}]
    first, second, _ = planned(document, [disc(12), disc(20), disc(44)])
    assert first.seeds[0] == 7 and len(set(first.seeds)) == 3
    document["segments"] = [{"from": "one", "takes": 1, "seed": 7}]
    again, same, _ = planned(document, [disc(12), disc(20), disc(44)])
    assert again.seeds == first.seeds[:1] and same.seeds == second.seeds
