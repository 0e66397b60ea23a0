"""Malformed and hostile exposure sheets, their pictures, takes and time sheets."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from case import Case
from PIL import Image

from toon_core.shots.drawings import Drawings
from toon_core.shots.movie import read_sound
from toon_core.shots.reading import read_sheet
from toon_core.shots.takes import Takes
from toon_core.shots.xdts import TAG, from_xdts, to_xdts

SHEET: dict[str, Any] = {
    "version": 1,
    "length": 26,
    "fps": 24.0,
    "width": 64,
    "height": 48,
    "fit": "pad",
    "exposure": 2,
    "prompt": "a disc rolls",
    "negative": "",
    "seed": 5,
    "fs": 10,
    "loop": False,
    "audio": {"file": "beep.wav", "offset": 0.5},
    "keys": [
        {"id": "one", "frame": 0, "image": "a.png", "kind": "key", "motion": "auto", "note": ""},
        {"id": "two", "frame": 12, "image": "b.png"},
        {"id": "three", "frame": 22, "image": "a.png"},
    ],
    "segments": [
        {
            **{"from": "one", "mode": "tween", "exposure": [1, 2], "slow_out": 0.5, "slow_in": 0},
            **{"prompt": "", "negative": "", "seed": 1, "fs": 8, "takes": 2, "lock": "one_1"},
        },
        {"from": "two", "chart": [0.2, 0.4, 0.6, 0.8]},
    ],
    "sketches": [{"frame": 4, "image": "s.png", "strength": 1.0, "start": 0.0, "end": 1.0}],
}
ODD: list[Any] = [
    *(None, True, -1, 0.5, 10**30, 1e308, float("inf"), float("nan"), "", "x", "\x1b[31m\0"),
    *([], {}, [[]], [None], {"frame": {}}, "9" * 5000, [1] * 5000, "../" * 2000, "a" * 100_000),
]
TEXTS = {
    "nothing": b"",
    "bytes": bytes(range(256)) * 20,
    "utf16": '{"version": 1}'.encode("utf-16"),
    "deep": b"[" * 200_000,
    "deep_object": b'{"a":' * 100_000,
    "twice": b'{"version": 1, "version": 1}',
    "cut": json.dumps(SHEET).encode()[:-20],
    "two": json.dumps(SHEET).encode() * 2,
    "digits": b'{"version": 1, "length": ' + b"9" * 100_000 + b"}",
    "surrogate": b'{"version": 1, "prompt": "\\ud800", "length": 3}',
}
PLACES = (
    *("/etc/passwd", "../a.png", "x/../../a.png", "C:\\a.png", "\\\\host\\a.png", "a\0.png", "."),
    *(
        "",
        " ",
        "folder",
        "gone.png",
        "file:///a.png",
        "http://a/a.png",
        "~/a.png",
        "é" * 300,
    ),
)


def cases() -> list[Case]:
    found = [_case(f"text_{name}", _text(data)) for name, data in TEXTS.items()]
    for path in _paths(SHEET):
        for n, value in enumerate(ODD):
            name = "_".join(map(str, path))
            found.append(_case(f"value_{name}_{n:02d}", _changed(path, value), refused=None))
        found.append(_case(f"gone_{'_'.join(map(str, path))}", _changed(path, _GONE), refused=None))
    for n, place in enumerate(PLACES):
        found.append(_case(f"picture_{n:02d}", _picture(place), ("key", "'one'")))
    found += [_case(f"file_{name}", _made(make), ("a.png",)) for name, make in FILES.items()]
    found += [_case(f"take_{name}", _take(make), ("one_1",)) for name, make in FILES.items()]
    found += [_case(f"sound_{name}", _sound(make), ("a.png",)) for name, make in FILES.items()]
    found += [_case(f"xdts_{name}", _xdts(data.decode("latin1"))) for name, data in TEXTS.items()]
    sheet = _time_sheet()
    for path in _paths(sheet):
        for n, value in enumerate(ODD[:14]):
            name = "_".join(map(str, path))
            found.append(_case(f"xdts_{name}_{n:02d}", _xdts_changed(path, value), refused=None))
    return found


def good(folder: Path) -> None:
    _pictures(folder)
    sheet = read_sheet(json.dumps(SHEET))
    Drawings([folder]).check(sheet)
    assert Drawings([folder]).key(sheet.keys[0]).shape == (48, 64, 3)
    assert read_sheet(sheet.to_json()) == sheet
    assert from_xdts(to_xdts(sheet)[0], onto=sheet)[0] == sheet


_GONE = object()


def _case(
    name: str,
    attempt: Callable[[Path], object],
    names: tuple[str, ...] = (),
    refused: bool | None = True,
) -> Case:
    return Case(area="sheets", name=name, attempt=attempt, names=names, refused=refused)


def _pictures(folder: Path) -> None:
    for name in ("a.png", "b.png", "s.png", "beep.wav"):
        Image.new("RGB", (64, 48)).save(folder / name, "PNG")


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Of everything in a document."""
    inside = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value if isinstance(value, list) else ())
    )
    return [p for k, v in inside for p in ((*path, k), *_paths(v, (*path, k)))]


def _with(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.deepcopy(document)
    place = changed
    for step in path[:-1]:
        place = place[step]
    if value is _GONE:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return changed


def _text(data: bytes) -> Callable[[Path], object]:
    def attempt(folder: Path) -> None:
        (folder / "shot.json").write_bytes(data)
        read_sheet(folder / "shot.json")

    return attempt


def _changed(path: tuple[Any, ...], value: Any) -> Callable[[Path], object]:
    """What is accepted can be written, read again and looked at."""

    def attempt(folder: Path) -> None:
        _pictures(folder)
        sheet = read_sheet(_with(SHEET, path, value))
        assert read_sheet(json.dumps(sheet.to_json())) == sheet
        Drawings([folder]).check(sheet)

    return attempt


def _picture(place: str) -> Callable[[Path], object]:
    def attempt(folder: Path) -> None:
        _pictures(folder)
        (folder / "folder").mkdir()
        document = _with(SHEET, ("keys", 0, "image"), place)
        Drawings([folder]).check(read_sheet(document))

    return attempt


def _bomb(path: Path) -> None:
    """A small file that says it is huge."""
    image = Image.new("1", (20_000, 20_000))
    image.save(path, "PNG")


FILES: dict[str, Callable[[Path], object]] = {
    "empty": Path.touch,
    "text": lambda path: path.write_text("no picture"),
    "noise": lambda path: path.write_bytes(os.urandom(5000)),
    "cut": lambda path: (Image.new("RGB", (64, 48)).save(path, "PNG"), os.truncate(path, 60)),
    "deep": lambda path: Image.new("I;16", (64, 48)).save(path, "PNG"),
    "floats": lambda path: Image.new("F", (64, 48)).save(path, "TIFF"),
    "postscript": lambda path: path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
    "bomb": _bomb,
}


def _made(make: Callable[[Path], object]) -> Callable[[Path], object]:
    def attempt(folder: Path) -> None:
        make(folder / "a.png")
        sheet = read_sheet(SHEET)
        Drawings([folder]).key(sheet.keys[0])

    return attempt


def _take(make: Callable[[Path], object]) -> Callable[[Path], object]:
    def attempt(folder: Path) -> None:
        make(folder / "one_1.png")
        Takes(folder).load("one_1")

    return attempt


def _sound(make: Callable[[Path], object]) -> Callable[[Path], object]:
    def attempt(folder: Path) -> None:
        make(folder / "a.png")
        read_sound(folder / "a.png", 0.0, 2.0)

    return attempt


def _xdts(text: str) -> Callable[[Path], object]:
    return lambda folder: from_xdts(f"{TAG}\n{text}")


def _time_sheet() -> Any:
    text, _ = to_xdts(read_sheet(SHEET))
    return json.loads(text.partition("\n")[2])


def _xdts_changed(path: tuple[Any, ...], value: Any) -> Callable[[Path], object]:
    return lambda folder: from_xdts(
        f"{TAG}\n{json.dumps(_with(_time_sheet(), path, value))}", onto=read_sheet(SHEET)
    )
