"""XDTS time sheets, the exchange format of drawing programs, from sheets and to them.

    python -m toon_core.shots.xdts SHEET.json SHEET.xdts
    python -m toon_core.shots.xdts SHEET.xdts SHEET.json [--pictures NAMES] [--onto OLD.json]

A line of its own, then JSON (Celsys, "XDTS file format", 1.0, 2022): tracks of cells that list
changes alone. A number is a drawn cell and here a key; a tick is a drawing between keys. Where no
tick stands between two numbers, the first is held. The marks of key and breakdown are those that
OpenToonz adds to the format.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from .reading import read_sheet
from .rules import check, is_drawn
from .sheet import MOST_BYTES, MOST_FRAMES, Key, Segment, Sheet, SheetError, free_id
from .takes import write_whole
from .timing import starts_of

TAG = "exchangeDigitalTimeSheet Save Data"
VERSION = 5
CELLS = 0  # the field of drawings; 3 is dialogue, 5 camera work
TICK, REVERSE_TICK, HYPHEN, EMPTY = (
    *("SYMBOL_TICK_1", "SYMBOL_TICK_2", "SYMBOL_HYPHEN", "SYMBOL_NULL_CELL"),
)
MARKS = {"key": "OPTION_KEYFRAME", "breakdown": "OPTION_REFERENCEFRAME"}
PICTURES = "{track}{cell}.png"
SAID = ("prompt", "negative", "seed", "fs", "loop", "fps", "fit", "width", "height", "audio")


def to_xdts(sheet: Sheet, name: str = "A") -> tuple[str, list[str]]:
    """The time sheet, of one track, and what it does not hold and the document alone has."""
    cells = _cells(sheet)
    frames = []
    for key in sheet.keys:
        mark = MARKS[key.kind]
        frames.append((key.frame, {"id": 0, "values": [cells[key.id]], "options": [mark]}))
        if is_drawn(sheet, key):
            starts = starts_of(sheet, key)
            frames += [(key.frame + s, {"id": 0, "values": [TICK]}) for s in starts[1:]]
    track = {"trackNo": 0, "frames": [{"frame": f, "data": [data]} for f, data in frames]}
    document = {
        "header": {"cut": "1", "scene": "1"},
        "timeTables": [
            {
                "name": "sheet",
                "duration": sheet.length,
                "fields": [{"fieldId": CELLS, "tracks": [track]}],
                "timeTableHeaders": [{"fieldId": CELLS, "names": [name]}],
            }
        ],
        "version": VERSION,
    }
    text = json.dumps(document, ensure_ascii=False, indent=1)
    return f"{TAG}\n{text}\n", _left_out(sheet)


def _cells(sheet: Sheet) -> dict[str, str]:
    """Of each key its cell: the same picture is the same cell."""
    numbers: dict[str | int, str] = {}
    return {k.id: numbers.setdefault(k.image, str(len(numbers) + 1)) for k in sheet.keys}


def _left_out(sheet: Sheet) -> list[str]:
    written = sheet.to_json()
    told = [name for name in SAID if name in written]
    told += ["sketches"] if sheet.sketches else []
    told += ["motion of keys"] if any(k.motion != "auto" for k in sheet.keys) else []
    told += ["notes of keys"] if any(k.note for k in sheet.keys) else []
    plain = {"from_", "mode", "exposure"}
    own = {
        n for s in sheet.segments for n, v in vars(s).items() if v != getattr(Segment(from_=""), n)
    }
    told += [f"{name} of segments" for name in sorted(own - plain)]
    return told


def from_xdts(
    text: str, pictures: str = PICTURES, track: int = 0, onto: Sheet | None = None
) -> tuple[Sheet, list[str]]:
    """A sheet with the keys, holds and exposures of a time sheet's track, and what else was found
    there that a sheet does not have.

    pictures: file names, {track} being the track's name and {cell} the cell's. onto: a sheet whose
    other fields stay; its n-th picture is cell n. SheetError for another file, or a track in which
    no two cells are drawn.
    """
    table = _table(text)
    name, frames = _track(table, track)
    length = _whole(table.get("duration"), "duration", 2)
    keys, segments, told = _read(frames, length)
    files = _files(onto) if onto else {}
    named = []
    for frame, cell, kind in keys:
        if cell in files:
            image: str | int = files[cell]
        else:
            image = _picture_of(name, cell, pictures)
        named.append(Key(frame=frame, image=image, kind=kind))
    base = onto or Sheet(version=1, length=length, keys=())
    kept = _ids(named, base)
    sheet = replace(base, length=length, keys=tuple(kept), segments=(), sketches=())
    old = {s.from_: s for s in base.segments}
    made = []
    for key, (mode, exposure) in zip(kept, segments, strict=True):
        own = old.get(key.id, Segment(from_=key.id))
        own = replace(own, mode=mode, exposure=None if exposure == base.exposure else exposure)
        last = key is kept[-1] and not base.loop
        if own != Segment(from_=key.id) and not last:
            made.append(own)
    return check(replace(sheet, segments=tuple(made), sketches=base.sketches)), told


def _picture_of(track: str, cell: str, pictures: str) -> str:
    known = {"{track}": track, "{cell}": cell}
    if set(re.findall(r"\{[^{}]*\}|[{}]", pictures)) - known.keys():
        raise SheetError(f"pictures = {pictures!r}: only {{track}} and {{cell}} are known")
    return re.sub(r"\{[^{}]*\}", lambda part: known[part[0]], pictures)


def _files(sheet: Sheet) -> dict[str, str | int]:
    cells = _cells(sheet)
    return {cells[key.id]: key.image for key in sheet.keys}


def _ids(keys: Sequence[Key], base: Sheet) -> list[Key]:
    """Each key with the id, motion and note that its picture had before, in order."""
    waiting = list(base.keys)
    out, taken = [], {key.id for key in base.keys}
    for key in keys:
        known = next((k for k in waiting if k.image == key.image), None)
        if known:
            waiting.remove(known)
            out.append(replace(known, frame=key.frame, kind=key.kind))
            continue
        name = str(key.image)
        name = free_id(f"{name}@{key.frame}" if name in taken else name, taken)
        taken.add(name)
        out.append(replace(key, id=name))
    return out


def _read(
    frames: Mapping[int, tuple[str, str]], length: int
) -> tuple[list[tuple[int, str, Any]], list[tuple[Any, Any]], list[str]]:
    """Keys (frame, cell, kind), of each (mode, exposure) after it, and what was left out."""
    keys: list[tuple[int, str, Any]] = []
    ticks: list[list[int]] = []
    told = []
    for frame in sorted(frames):
        value, option = frames[frame]
        if value == HYPHEN or frame >= length:
            continue
        if value == EMPTY:
            told.append(f"frame {frame} is empty there; the drawing before it is held")
        elif value in (TICK, REVERSE_TICK):
            if not keys:
                raise SheetError(f"frame {frame}: a tick stands before the first numbered cell")
            ticks[-1].append(frame)
        else:
            kind = next((k for k, mark in MARKS.items() if mark == option), "key")
            keys.append((frame, value, kind))
            ticks.append([])
    if not keys or keys[0][0] != 0:
        raise SheetError(
            "the track has no cell on its first frame, where a shot's first key stands"
        )
    ends = [frame for frame, _, _ in keys[1:]] + [length]
    timed = zip(keys, ticks, ends, strict=True)
    return keys, [_timing(key[0], own, end) for key, own, end in timed], told


def _timing(begin: int, ticks: Sequence[int], end: int) -> tuple[str, int | tuple[int, ...] | None]:
    if not ticks:
        return "hold", None
    marks = [begin, *ticks, end]
    lengths = [b - a for a, b in zip(marks[:-1], marks[1:], strict=True)]
    if lengths[-1] <= lengths[-2]:  # cut short by the next key
        del lengths[-1]
    while len(lengths) > 1 and lengths[-1] == lengths[-2]:  # the last goes on
        del lengths[-1]
    return "tween", lengths[0] if len(lengths) == 1 and lengths[0] <= 4 else tuple(lengths)


def _table(text: str) -> dict[str, Any]:
    first, _, rest = text.lstrip("\ufeff").partition("\n")
    if first.strip() != TAG:
        raise SheetError(f"this is no XDTS file: its first line is not {TAG!r}")
    try:
        document = json.loads(rest)
        table = document["timeTables"][0]
    except (ValueError, RecursionError, LookupError, TypeError) as error:
        raise SheetError(f"the XDTS file has no time table ({error})") from error
    if not isinstance(table, dict):
        raise SheetError("the XDTS file has no time table")
    return table


def _track(table: Mapping[str, Any], number: int) -> tuple[str, dict[int, tuple[str, str]]]:
    """Its name and, by frame, the value there with its option."""
    try:
        fields = [f for f in table["fields"] if f["fieldId"] == CELLS]
        tracks = {t["trackNo"]: t["frames"] for f in fields for t in f["tracks"]}
        heads = [h["names"] for h in table.get("timeTableHeaders", ()) if h["fieldId"] == CELLS]
        names = [str(name) for name in heads[0]] if heads else []
        if number not in tracks:
            known = ", ".join(
                f"{n} ({names[n]})" if n < len(names) else str(n) for n in sorted(tracks)
            )
            raise SheetError(f"track = {number} is not there; tracks: {known or 'none'}")
        found = {}
        for item in tracks[number]:
            data = [d for d in item["data"] if d["id"] == 0]
            if data:
                frame = _whole(item["frame"], "frame", 0)
                found[frame] = (str(data[0]["values"][0]), str((data[0].get("options") or [""])[0]))
    except (LookupError, TypeError, AttributeError) as error:
        raise SheetError(f"the XDTS file's time table is damaged ({error!r})") from error
    return names[number] if number < len(names) else "A", found


def _whole(value: Any, name: str, least: int) -> int:
    if type(value) is not int or not least <= value <= MOST_FRAMES:
        raise SheetError(
            f"{name} = {str(value)[:60]}: expected a whole number from {least} to {MOST_FRAMES}"
        )
    return value


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m toon_core.shots.xdts", description=__doc__.split("\n")[0]
    )
    parser.add_argument("source", type=Path, help="SHEET.json or SHEET.xdts")
    parser.add_argument("target", type=Path, help="SHEET.xdts or SHEET.json")
    parser.add_argument(
        "--pictures", default=PICTURES, help="names of the cells' files (default: %(default)s)"
    )
    parser.add_argument("--track", type=int, default=0, help="which track is read (default: 0)")
    parser.add_argument("--onto", type=Path, help="a sheet whose other fields stay")
    options = parser.parse_args(arguments)
    if options.source.suffix.lower() == ".xdts":
        if options.source.stat().st_size > MOST_BYTES:
            raise SheetError(f"{options.source}: over {MOST_BYTES} bytes: not a time sheet")
        onto = read_sheet(options.onto) if options.onto else None
        text = options.source.read_text(encoding="utf-8-sig")
        sheet, told = from_xdts(text, options.pictures, options.track, onto)
        made, said = json.dumps(sheet.to_json(), indent=1), "left out"
    else:
        made, told = to_xdts(read_sheet(options.source))
        said = "stays in the sheet alone"
    write_whole(options.target, made.encode())
    for line in told:
        print(f"{said}: {line}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
