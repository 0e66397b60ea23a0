"""The document: what is refused, and by which name; what stays when it is written again."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from toon_core.shots.drawings import Drawings
from toon_core.shots.sheet import SheetError, read_sheet

# What is changed in the document of conftest.py, and what the error names.
BROKEN: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "version": ({"version": 2}, ("version = 2",)),
    "version as text": ({"version": "1"}, ("version",)),
    "unknown field": ({"fpz": 24}, ("fpz", "fps")),
    "no length": ({"length": None}, ("length",)),
    "length as text": ({"length": "26"}, ("length",)),
    "length too short": ({"length": 22}, ("three", "frame 22", "length = 22")),
    "odd width": ({"width": 65, "height": 64}, ("width = 65",)),
    "one side": ({"width": 64}, ("width = 64", "height = 0")),
    "fps": ({"fps": 0}, ("fps = 0",)),
    "fps of the future": ({"fps": 1e999}, ("fps",)),
    "exposure": ({"exposure": 5}, ("exposure = 5",)),
    "exposures": ({"exposure": [2, 0]}, ("exposure",)),
    "no keys": ({"keys": []}, ("keys", "two")),
    "keys as object": ({"keys": {}}, ("keys", "an object")),
    "negative seed": ({"seed": -1}, ("seed = -1",)),
    "audio": ({"audio": {"file": "a.wav", "volume": 2}}, ("audio", "volume")),
    "loop": ({"loop": "yes"}, ("loop",)),
    "segment of no key": ({"segments": [{"from": "four"}]}, ("four", "one, two, three")),
    "segment without from": ({"segments": [{"mode": "hold"}]}, ("segments[0]", "from")),
    "two segments": ({"segments": [{"from": "one"}, {"from": "one"}]}, ("one", "two begin")),
    "segment after the last": ({"segments": [{"from": "three"}]}, ("three", "held")),
    "mode": ({"segments": [{"from": "one", "mode": "cut"}]}, ("segments[0] (one)", "mode")),
    "slow out": ({"segments": [{"from": "one", "slow_out": 1.5}]}, ("slow_out = 1.5",)),
    "chart": ({"segments": [{"from": "one", "chart": "quarters"}]}, ("quarters", "halves")),
    "chart and slow": (
        {"segments": [{"from": "one", "chart": "even", "slow_in": 1}]},
        ("chart", "slow_in", "one"),
    ),
    "places": ({"segments": [{"from": "one", "chart": [0.5]}]}, ("1 places", "5 drawings", "one")),
    "place": (
        {"segments": [{"from": "one", "chart": [0.1, 0.2, 0.3, 0.4, 2]}]},
        ("chart", "0 to 1", "one"),
    ),
    "takes": ({"segments": [{"from": "one", "takes": 0}]}, ("takes = 0",)),
    "sketch on a key": ({"sketches": [{"frame": 12, "image": "s.png"}]}, ("frame 12", "two")),
    "sketch while a key is shown": (
        {"sketches": [{"frame": 1, "image": "s.png"}]},
        ("frame 1", "one"),
    ),
    "sketch in a hold": ({"sketches": [{"frame": 24, "image": "s.png"}]}, ("frame 24", "three")),
    "sketch outside": ({"sketches": [{"frame": 26, "image": "s.png"}]}, ("frame 26", "length")),
    "two sketches on a drawing": (
        {"sketches": [{"frame": 4, "image": "s.png"}, {"frame": 5, "image": "s.png"}]},
        ("frame 5", "frame 4"),
    ),
    "two sketches on a frame": (
        {"sketches": [{"frame": 4, "image": "s.png"}, {"frame": 4, "image": "t.png"}]},
        ("frame 4",),
    ),
    "sketches that act otherwise": (
        {
            "sketches": [
                {"frame": 4, "image": "s.png"},
                {"frame": 8, "image": "s.png", "strength": 0.2},
            ]
        },
        ("frame 8", "strength"),
    ),
}
# The same of one key, the second.
BROKEN_KEYS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "same frame": ({"frame": 0}, ("one", "two", "frame 0")),
    "whole frames": ({"frame": 12.5}, ("keys[1]", "two", "12.5")),
    "negative frame": ({"frame": -1}, ("keys[1]", "frame = -1")),
    "frame of a bool": ({"frame": True}, ("keys[1]", "frame")),
    "same id": ({"id": "one"}, ("id 'one'",)),
    "kind": ({"kind": "extreme"}, ("keys[1] (two, frame 12)", "extreme", "breakdown")),
    "unknown": ({"hold": 3}, ("keys[1] (two, frame 12)", "hold", "motion")),
    "image of a bool": ({"image": True}, ("keys[1]", "image")),
    "image before the batch": ({"image": -1}, ("two", "image = -1")),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_wrong_sheet_is_refused_by_name(document: dict[str, Any], name: str) -> None:
    change, words = BROKEN[name]
    broken = {k: v for k, v in (document | change).items() if v is not None}
    with pytest.raises(SheetError) as refused:
        read_sheet(broken)
    assert all(word in str(refused.value) for word in words), refused.value


@pytest.mark.parametrize("name", BROKEN_KEYS)
def test_a_wrong_key_is_refused_by_name(document: dict[str, Any], name: str) -> None:
    change, words = BROKEN_KEYS[name]
    document["keys"][1] |= change
    with pytest.raises(SheetError) as refused:
        read_sheet(document)
    assert all(word in str(refused.value) for word in words), refused.value


@pytest.mark.parametrize(
    "text",
    ["", "[]", "[" * 100_000, '{"version": 1, "version": 1}', '{"version": NaN}', "1" * 5000],
    ids=["empty", "list", "deep", "twice", "NaN", "digits"],
)
def test_no_other_text_is_a_sheet(text: str) -> None:
    with pytest.raises(SheetError):
        read_sheet(text)


@pytest.mark.parametrize(
    "name", ["../a.png", "/etc/passwd", "C:\\a.png", "x/../../a.png", "", "a\0.png", "nothing.png"]
)
def test_a_picture_lies_below_the_sheets_folder(
    document: dict[str, Any], folder: Path, name: str
) -> None:
    below = folder / "below"
    below.mkdir()
    document["keys"][1]["image"] = name
    with pytest.raises(SheetError, match=r"two.*frame 12"):
        Drawings([below]).check(_without_others(document, below))


def _without_others(document: dict[str, Any], folder: Path) -> Any:
    for name in ("a.png", "c.png"):
        (folder / name).touch()
    return read_sheet(document)


def test_a_link_does_not_lead_out(document: dict[str, Any], folder: Path) -> None:
    below = folder / "below"
    below.mkdir()
    (below / "b.png").symlink_to(folder / "b.png")
    with pytest.raises(SheetError, match="link"):
        Drawings([below]).check(_without_others(document, below))


def test_what_is_written_is_what_was_read(document: dict[str, Any]) -> None:
    document |= {
        "fps": 12.0,
        "loop": True,
        "audio": {"file": "s.wav", "offset": -1.5},
        "segments": [
            {"from": "one", "exposure": [1, 2, 3], "prompt": "", "seed": 5, "takes": 3},
            {"from": "three", "chart": "halves", "lock": "three_0123"},
        ],
        "sketches": [{"frame": 14, "image": 0, "strength": 0.5}],
    }
    sheet = read_sheet(document)
    again = json.loads(json.dumps(sheet.to_json()))
    assert read_sheet(again) == sheet
    assert again["segments"][0] == document["segments"][0]


def test_ids_and_seeds_stay_when_keys_come_between(document: dict[str, Any]) -> None:
    for key in document["keys"]:
        del key["id"]
    before = read_sheet(document)
    document["keys"].insert(1, {"frame": 6, "image": "between.png"})
    document["keys"][2]["frame"] += 1
    after = read_sheet(document)
    seeds = {k.image: after.seed_of(k) for k in after.keys}
    assert all(seeds[k.image] == before.seed_of(k) for k in before.keys)
    assert len(set(seeds.values())) == 4


def test_one_picture_on_two_frames_is_two_keys(document: dict[str, Any]) -> None:
    document["keys"] = [{"frame": f, "image": "a.png"} for f in (0, 8, 16)]
    assert [k.id for k in read_sheet(document).keys] == ["a.png", "a.png@8", "a.png@16"]


def test_the_order_of_keys_is_that_of_their_frames(document: dict[str, Any]) -> None:
    turned = copy.deepcopy(document)
    turned["keys"].reverse()
    assert read_sheet(turned) == read_sheet(document)


def test_many_keys_are_read_at_once(document: dict[str, Any]) -> None:
    document |= {"length": 4000, "keys": [{"frame": 2 * n, "image": n} for n in range(2000)]}
    assert len(read_sheet(document).keys) == 2000
