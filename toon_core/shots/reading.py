"""An exposure sheet from a file, a text or a document, checked as a whole before any work."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from .. import ranges
from .rules import check
from .sheet import (
    MOST_BYTES,
    VERSION,
    Audio,
    Key,
    Segment,
    Sheet,
    SheetError,
    Sketch,
    free_id,
    json_name,
)

T = TypeVar("T")


def read_sheet(source: Path | str | Mapping[str, Any]) -> Sheet:
    """A file, a JSON text, or the document itself -> its sheet.

    SheetError for anything but a complete sheet of this version.
    """
    if isinstance(source, Mapping):
        return _sheet_of(source)
    if isinstance(source, Path):
        source = _read_text(source)
    elif len(source) > MOST_BYTES:
        raise SheetError(f"the sheet has {len(source)} characters, over {MOST_BYTES}")
    try:
        document = json.loads(source, object_pairs_hook=_once, parse_constant=_no_number)
    except SheetError:
        raise
    except (ValueError, RecursionError) as error:
        raise SheetError(f"the sheet is not JSON: {error}") from error
    return _sheet_of(document)


def _read_text(path: Path) -> str:
    try:
        if not path.is_file():
            raise SheetError(f"{path}: there is no such file")
        if path.stat().st_size > MOST_BYTES:
            raise SheetError(f"{path}: {path.stat().st_size} bytes, over {MOST_BYTES}: not a sheet")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SheetError(f"{path}: not a text in UTF-8") from error
    except OSError as error:
        raise SheetError(f"{path}: it cannot be read ({error.strerror})") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    doubled = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
    if doubled:
        raise SheetError(f"{doubled[0]!r} is given twice in one object")
    return dict(pairs)


def _no_number(text: str) -> NoReturn:
    raise SheetError(f"{text} is not a number of JSON")


LISTS: dict[str, type] = {"keys": Key, "segments": Segment, "sketches": Sketch}


def _sheet_of(document: Any) -> Sheet:
    """The document as `json.loads` gives it -> its sheet; SheetError as `read_sheet`."""
    if not isinstance(document, Mapping):
        raise SheetError(f"a sheet is an object {{...}}, this is {_kind(document)}")
    if document.get("version") != VERSION or type(document.get("version")) is not int:
        raise SheetError(
            f"version = {document.get('version')!r}: this reads version {VERSION}; a newer sheet "
            "needs a newer ToonTween"
        )
    values = dict(document)
    for name, kind in LISTS.items():
        if name in values:
            values[name] = _list(kind, name, values[name])
    if values.get("audio") is not None:
        values["audio"] = _part(Audio, values["audio"], "audio")
    sheet = _part(Sheet, values, "")
    return check(_with_ids(sheet))


def _list(kind: type[T], name: str, items: Any) -> tuple[T, ...]:
    if not isinstance(items, list | tuple):
        raise SheetError(f"{name} is {_kind(items)}, not a list")
    return tuple(_part(kind, item, _place(name, i, item)) for i, item in enumerate(items))


def _place(name: str, number: int, item: Any) -> str:
    """keys[2] (hop, frame 16)"""
    if not isinstance(item, Mapping):
        return f"{name}[{number}]"
    told = [str(item[k])[:60] for k in ("id", "from") if k in item]
    told += [f"frame {str(item['frame'])[:60]}"] if "frame" in item else []
    return f"{name}[{number}]" + (f" ({', '.join(told)})" if told else "")


def _part(kind: type[T], values: Any, place: str) -> T:
    """One dataclass from an object; SheetError naming what is unknown, missing or wrong."""
    at = f"{place}: " if place else ""
    if not isinstance(values, Mapping):
        raise SheetError(f"{at}expected an object {{...}}, this is {_kind(values)}")
    known = {json_name(f): f for f in fields(kind)}  # type: ignore[arg-type]
    if unknown := sorted(str(name) for name in values.keys() - known.keys()):
        raise SheetError(f"{at}unknown field {unknown[0]!r}; known: {', '.join(known)}")
    if missing := [n for n, f in known.items() if f.default is MISSING and n not in values]:
        raise SheetError(f"{at}{missing[0]} is missing")
    given = {known[n].name: tuple(v) if isinstance(v, list) else v for n, v in values.items()}
    made = kind(**given)
    try:
        ranges.check(made)
    except ValueError as error:
        raise SheetError(f"{at}{str(error).replace('from_', 'from').partition('.')[2]}") from None
    return made


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", type(None): "null"}
    return names.get(type(value), repr(value)[:60])


def _with_ids(sheet: Sheet) -> Sheet:
    """Keys in order, and those without an id called by their picture, which stays the same when
    keys are moved or put between; the same picture again also by its count."""
    taken = {key.id for key in sheet.keys if key.id}
    named = []
    for key in sorted(sheet.keys, key=lambda k: k.frame):
        if not key.id:
            key = replace(key, id=free_id(str(key.image), taken))
            taken.add(key.id)
        named.append(key)
    return replace(sheet, keys=tuple(named))
