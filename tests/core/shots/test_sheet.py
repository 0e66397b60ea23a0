"""The document: what is refused, and by which name; what stays when it is written again."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from broken_sheets import BROKEN, BROKEN_KEYS

from toon_core.shots.drawings import Drawings
from toon_core.shots.reading import read_sheet
from toon_core.shots.sheet import SheetError


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
    assert [k.id for k in read_sheet(document).keys] == ["a.png", "a.png@2", "a.png@3"]


def test_the_order_of_keys_is_that_of_their_frames(document: dict[str, Any]) -> None:
    turned = copy.deepcopy(document)
    turned["keys"].reverse()
    assert read_sheet(turned) == read_sheet(document)


def test_many_keys_are_read_at_once(document: dict[str, Any]) -> None:
    document |= {"length": 4000, "keys": [{"frame": 2 * n, "image": n} for n in range(2000)]}
    assert len(read_sheet(document).keys) == 2000
