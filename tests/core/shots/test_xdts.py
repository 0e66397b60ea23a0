"""Time sheets: what comes back is what went out, and what a sheet alone has stays there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from toon_core.shots.reading import read_sheet
from toon_core.shots.sheet import SheetError
from toon_core.shots.xdts import TAG, from_xdts, main, to_xdts


def time_sheet(*frames: tuple[int, str], duration: int = 24, options: str = "") -> str:
    """One track as other programs write it; (frame, value)."""
    items = [{"frame": f, "data": [{"id": 0, "values": [v]}]} for f, v in frames]
    if options:
        items[0]["data"][0]["options"] = [options]
    field = {"fieldId": 0, "tracks": [{"trackNo": 0, "frames": items}]}
    heads = [{"fieldId": 0, "names": ["Fox"]}]
    table = {"name": "t", "duration": duration, "fields": [field], "timeTableHeaders": heads}
    return f"{TAG}\n" + json.dumps({"header": {}, "timeTables": [table], "version": 5})


def test_out_and_in_again(document: dict[str, Any]) -> None:
    document |= {"segments": [{"from": "two", "mode": "hold", "prompt": "still"}], "seed": 9}
    document["keys"][1]["kind"] = "breakdown"
    document["keys"].append({"id": "four", "frame": 25, "image": "a.png"})
    sheet = read_sheet(document)
    text, told = to_xdts(sheet)
    again, _ = from_xdts(text, onto=sheet)
    assert again == sheet
    assert {"prompt", "seed", "prompt of segments"} <= set(told)
    bare, _ = from_xdts(text, pictures="{cell}.png")
    assert [(k.frame, k.kind, k.image) for k in bare.keys] == [
        (0, "key", "1.png"),
        (12, "breakdown", "2.png"),
        (22, "key", "3.png"),
        (25, "key", "1.png"),
    ]


def test_ticks_are_drawings_and_no_ticks_a_hold() -> None:
    text = time_sheet((0, "1"), (2, "SYMBOL_TICK_1"), (4, "SYMBOL_TICK_2"), (6, "2"), (18, "3"))
    sheet, told = from_xdts(text)
    assert [(k.frame, k.image) for k in sheet.keys] == [
        (0, "Fox1.png"),
        (6, "Fox2.png"),
        (18, "Fox3.png"),
    ]
    first, second = sheet.segments
    assert (first.mode, first.exposure) == ("tween", 2) and second.mode == "hold"
    assert sheet.length == 24 and not told


def test_uneven_ticks_are_a_list_of_exposures() -> None:
    text = time_sheet((0, "1"), (1, "SYMBOL_TICK_1"), (4, "SYMBOL_TICK_1"), (9, "2"))
    assert from_xdts(text)[0].segments[0].exposure == (1, 3, 5)
    text = time_sheet((0, "1"), *((f, "SYMBOL_TICK_1") for f in (1, 3, 5, 7)), (8, "2"))
    assert from_xdts(text)[0].segments[0].exposure == (1, 2)


def test_what_a_sheet_does_not_have_is_told() -> None:
    _, told = from_xdts(
        time_sheet((0, "1"), (5, "SYMBOL_NULL_CELL"), (9, "2"), (11, "SYMBOL_HYPHEN"))
    )
    assert len(told) == 1 and "frame 5" in told[0]


def test_an_exposure_changed_elsewhere_comes_back_onto_the_sheet(document: dict[str, Any]) -> None:
    document["segments"] = [{"from": "one", "prompt": "it jumps", "lock": "one_12"}]
    text, _ = to_xdts(read_sheet(document))
    changed = text.replace('"frame": 12', '"frame": 13')
    sheet, _ = from_xdts(changed, onto=read_sheet(document))
    assert [k.id for k in sheet.keys] == ["one", "two", "three"] and sheet.keys[1].frame == 13
    assert sheet.segments[0].prompt == "it jumps" and sheet.segments[0].lock == "one_12"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        TAG,
        f"{TAG}\n[]",
        f'{TAG}\n{{"timeTables": [3]}}',
        f'{TAG}\n{{"timeTables": [{{"duration": 24}}]}}',
        f'{TAG}\n{{"timeTables": [{{"duration": 24, "fields": [{{"fieldId": 0, "tracks": 4}}]}}]}}',
        f"{TAG}\n" + "[" * 100_000,
        time_sheet((3, "1"), (9, "2")),
        time_sheet((0, "SYMBOL_TICK_1"), (9, "2")),
        time_sheet((0, "1")),
        time_sheet((0, "1"), (-4, "2")),
        time_sheet((0, "1"), (9, "2"), duration=10**12),
        time_sheet((0, "1"), (9, "../../2")).replace("Fox", "/etc/"),
    ],
)
def test_no_other_file_is_a_time_sheet(text: str, tmp_path: Path) -> None:
    with pytest.raises(SheetError):
        sheet, _ = from_xdts(text)
        from toon_core.shots.drawings import Drawings

        Drawings([tmp_path]).check(sheet)


@pytest.mark.parametrize(
    "pictures", ["{track.name}", "{0}", "{cell", "cell}", "{cell!r:>99999999}"]
)
def test_pictures_are_named_by_track_and_cell_alone(pictures: str) -> None:
    text = time_sheet((0, "1"), (9, "2"))
    with pytest.raises(SheetError, match=r"only \{track\} and \{cell\} are known"):
        from_xdts(text, pictures=pictures)
    sheet, _ = from_xdts(text, pictures="{track}/{cell}_{cell}.png")
    assert [key.image for key in sheet.keys] == ["Fox/1_1.png", "Fox/2_2.png"]


def test_the_command(document: dict[str, Any], tmp_path: Path, capsys: Any) -> None:
    old, middle, new = (tmp_path / name for name in ("old.json", "sheet.xdts", "new.json"))
    old.write_text(json.dumps(document))
    main([str(old), str(middle)])
    assert "stays in the sheet alone: prompt" in capsys.readouterr().out
    main([str(middle), str(new), "--onto", str(old)])
    assert read_sheet(new) == read_sheet(old)
