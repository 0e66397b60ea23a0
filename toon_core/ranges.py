"""Types and ranges of a configuration's fields, held when it is made: whatever it comes from, one
that exists can be built."""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints


@dataclass(frozen=True)
class Within:
    """The least and the greatest value of a number, or of each number in a tuple."""

    low: float
    high: float


@dataclass(frozen=True)
class Items:
    """How many items a tuple has."""

    least: int = 1
    most: int = 64


def check(part: Any, limits: Mapping[str, tuple[float, float]] | None = None) -> None:
    """ValueError naming the first field of a dataclass whose value has another type than its
    annotation, is not finite, or is outside `Annotated[..., Within(low, high)]` or `limits`."""
    made: Any = type(part)
    for name, kind in _kinds(made).items():
        value = getattr(part, name)
        if limits and name in limits:
            kind = Annotated[kind, Within(*limits[name])]
        if not _fits(value, kind):
            given = repr(value)
            given = given if len(given) <= 60 else f"{given[:57]}..."
            raise ValueError(f"{type(part).__name__}.{name} = {given} must be {_told(kind)}")


@cache
def _kinds(part: type) -> dict[str, Any]:
    return get_type_hints(part, include_extras=True)


def _fits(value: Any, kind: Any, items: Items = Items()) -> bool:
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        fits = _fits(value, args[0], _items(kind))
        return fits and all(_inside(value, x) for x in args[1:] if isinstance(x, Within))
    if origin in (Union, types.UnionType):
        return any(_fits(value, one) for one in args)
    if origin is Literal:
        return isinstance(value, str) and value in args
    if origin is tuple:
        fits = isinstance(value, tuple) and items.least <= len(value) <= items.most
        return fits and all(_fits(item, args[0]) for item in value)
    if kind is float:
        return type(value) in (int, float) and _finite(value)
    return type(value) is kind if kind in (int, bool, str) else isinstance(value, kind)


def _items(kind: Any) -> Items:
    return next((x for x in get_args(kind)[1:] if isinstance(x, Items)), Items())


def _finite(value: float) -> bool:
    return isinstance(value, int) or math.isfinite(value)


def _inside(value: Any, limits: Within) -> bool:
    if isinstance(value, tuple):
        return all(_inside(item, limits) for item in value)
    return value is None or limits.low <= value <= limits.high


_WORDS = {
    int: "a whole number",
    float: "a finite number",
    bool: "true or false",
    str: "a text",
    type(None): "nothing",
}


def _told(kind: Any, items: Items = Items()) -> str:
    origin, args = get_origin(kind), get_args(kind)
    if origin is Annotated:
        limits = [f" from {x.low:g} to {x.high:g}" for x in args[1:] if isinstance(x, Within)]
        return "".join([_told(args[0], _items(kind)), *limits])
    if origin in (Union, types.UnionType):
        return " or ".join(map(_told, args))
    if origin is Literal:
        return " or ".join(map(repr, args))
    if origin is tuple:
        return f"a list of {items.least} to {items.most}, each {_told(args[0])}"
    return _WORDS.get(kind, f"a {kind.__name__}" if isinstance(kind, type) else str(kind))
