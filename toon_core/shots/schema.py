"""The JSON Schema of an exposure sheet, from the classes that read it."""

from __future__ import annotations

import types
from dataclasses import MISSING, fields, is_dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from ..ranges import Items, Within
from .charts import CHARTS
from .sheet import VERSION, Chart, Sheet, json_name

PLAIN = {int: "integer", float: "number", str: "string", bool: "boolean", type(None): "null"}


def schema() -> dict[str, Any]:
    """For editors and other programs. It says what a field may be; what must hold between fields
    (`rules.py`) is said by the reader."""
    root = _object(Sheet)
    root["properties"]["version"] = {"const": VERSION, "description": "Of the format."}
    root["properties"]["keys"]["minItems"] = 2
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "ToonTween exposure sheet",
        **root,
    }


def _object(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    properties, required = {}, []
    for one in fields(kind):
        about = {**_of(hints[one.name]), "description": one.metadata["about"]}
        if one.default is MISSING:
            required.append(json_name(one))
        elif one.default not in (None, (), ""):
            about["default"] = one.default
        properties[json_name(one)] = about
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _of(kind: Any) -> dict[str, Any]:
    origin, args = get_origin(kind), get_args(kind)
    if kind == Chart:
        listed = _of(args[1]) | {"items": {"type": "number", "minimum": 0, "maximum": 1}}
        return {"anyOf": [{"enum": list(CHARTS)}, listed]}
    if origin is Annotated:
        return _limited(_of(args[0]), args[1:])
    if origin in (Union, types.UnionType):
        some = [arg for arg in args if arg is not type(None)]
        if set(some) == set(get_args(Chart)):
            return _of(Chart)
        return _of(some[0]) if len(some) == 1 else {"anyOf": [_of(arg) for arg in some]}
    if origin is Literal:
        return {"enum": list(args)}
    if origin is tuple:
        return {"type": "array", "items": _of(args[0])}
    return _object(kind) if is_dataclass(kind) else {"type": PLAIN[kind]}


def _limited(plain: dict[str, Any], limits: tuple[Any, ...]) -> dict[str, Any]:
    for limit in limits:
        if isinstance(limit, Items):
            plain |= {"minItems": limit.least, "maxItems": limit.most}
        elif isinstance(limit, Within):
            place = plain["items"] if plain.get("type") == "array" else plain
            place |= {"minimum": limit.low, "maximum": limit.high}
    return plain
