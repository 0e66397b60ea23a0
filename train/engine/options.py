"""Options as dataclasses: what each field is, said once, for --help, the docs and the checks; an
unknown name suggests the nearest.

A field is declared with its default, its range and a comment that says what it does, on the lines
above it or, where it takes one line, behind it:

    # Updates.
    steps: int = option(1000, least=1, free=True)

The comment is the field's help; classes of other packages need no more than that.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeVar

from omegaconf import MISSING as NEEDED
from simple_parsing.docstring import get_attribute_docstring

from train.engine.files import printable

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T")
# What a value must be to a bound, and how that is said.
LIMITS = {
    "least": (operator.ge, "{} or more"),
    "above": (operator.gt, "more than {}"),
    "most": (operator.le, "{} at most"),
    "below": (operator.lt, "below {}"),
}


def option(
    default: Any,
    *,
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    below: float | None = None,
    choices: Sequence[str] = (),
    free: bool = False,
) -> Any:
    """A field with its range: `least` and `most` are allowed, `above` and `below` are not; of
    several numbers each. `free`: it may change when a run goes on."""
    limits = {"least": least, "most": most, "above": above, "below": below}
    known = {k: v for k, v in limits.items() if v is not None}
    return field(default=default, metadata={"limits": known, "choices": choices, "free": free})


@dataclass(frozen=True)
class Option:
    """One option by its dotted name."""

    name: str
    default: Any  # NEEDED where it must be given
    text: str  # what it does
    limits: dict[str, float]
    choices: Sequence[str]
    free: bool

    def range(self) -> str:
        """Its range in words; empty where every value goes."""
        if self.choices:
            return " or ".join(self.choices)
        bounds = ((word, self.limits[k]) for k, (_, word) in LIMITS.items() if k in self.limits)
        return ", ".join(word.format(_number(bound)) for word, bound in bounds)

    def check(self, value: Any) -> None:
        """ValueError for a value out of range."""
        if value is None or value == NEEDED:
            return
        numbers = value if isinstance(value, (list, tuple)) else [value]
        good = all(LIMITS[k][0](x, bound) for x in numbers for k, bound in self.limits.items())
        if not good or (self.choices and value not in self.choices):
            shown = printable(str(value), 80)
            raise ValueError(f"{self.name}={shown}: expected {self.range()}")


def options_of(schema: Any, above: str = "") -> Iterator[Option]:
    """Every option of a dataclass or an instance of one, groups by dotted names."""
    kind = schema if isinstance(schema, type) else type(schema)
    for own in fields(kind):
        default = default_of(schema, own)
        if is_dataclass(default):
            yield from options_of(default, f"{above}{own.name}.")
            continue
        declared = _declaration(kind, own.name)
        yield Option(
            name=above + own.name,
            default=default,
            text=comment(kind, own.name),
            limits=dict(declared.get("limits", {})),
            choices=declared.get("choices", ()),
            free=declared.get("free", False),
        )


def _declaration(kind: type, name: str) -> Mapping[str, Any]:
    """What `option` said of a field, in the class or the nearest one that it extends: another
    default alone changes no range."""
    for base in kind.__mro__:
        own = vars(base).get("__dataclass_fields__", {}).get(name)
        if own is not None and own.metadata:
            return own.metadata
    return {}


def default_of(schema: Any, own: Field) -> Any:
    """A field's default; of an instance its value."""
    if not isinstance(schema, type):
        return getattr(schema, own.name)
    if own.default_factory is not MISSING:
        return own.default_factory()
    return NEEDED if own.default is MISSING else own.default


def check(config: DataclassInstance) -> None:
    """ValueError for the first option of a config that is out of its range."""
    for own in options_of(config):
        own.check(own.default)


def unknown(name: str, schema: Any) -> str:
    """What to say of an option that a schema has not: the nearest that it has."""
    known = [own.name for own in options_of(schema)]
    near = get_close_matches(name, known, 3)
    last = {option.rpartition(".")[2]: option for option in known}
    near += [last[n] for n in get_close_matches(name.rpartition(".")[2], last, 1)]
    hint = f"did you mean {' or '.join(dict.fromkeys(near))}? " if near else ""
    return f"{printable(name, 80)}: unknown option; {hint}--help lists all"


def with_values(config: T, values: dict[str, Any]) -> T:
    """A copy with other values, by dotted names."""
    for name, value in values.items():
        group, _, rest = name.partition(".")
        own = with_values(getattr(config, group), {rest: value}) if rest else value
        config = replace(config, **{group: own})
    return config


def comment(kind: type, name: str) -> str:
    """What stands on the lines above a field and behind it, in the class or the nearest one that it
    extends where that is anything."""
    for base in kind.__mro__[:-1]:
        own = get_attribute_docstring(base, name, accumulate_from_bases=False)
        if words := f"{own.comment_above} {own.comment_inline}".split():
            return " ".join(words)
    return ""


def help_text(schema: Any, description: str) -> str:
    """The entry's description and a line for each option: name, default, what it does."""
    rows = [(own.name, default_text(own, schema), describe(own)) for own in options_of(schema)]
    widths = [max(len(row[i]) for row in rows) for i in (0, 1)]
    lines = [f"  {n:<{widths[0]}}  {d:<{widths[1]}}  {t}".rstrip() for n, d, t in rows]
    more = "--config FILE reads options from YAML lines as `lr: 0.001`; words win."
    return "\n".join([description.strip(), "", "Options, as key=value words:", *lines, "", more])


def describe(own: Option) -> str:
    """What it does, and its range."""
    text, limits = own.text.rstrip("."), own.range()
    first = re.split(r"[ :,]", text, maxsplit=1)[0]
    if first.isalpha() and first not in own.choices:
        text = text[:1].upper() + text[1:]
    if "0: " in text:
        limits = limits.removeprefix("0 or more").lstrip(", ")
    return f"{text} ({limits})" if text and limits else text or limits


def default_text(own: Option, schema: Any) -> str:
    """As it is given on a command line. Where the default goes by the model: the full size's, and
    that of smaller ones."""
    if own.default == NEEDED:
        return "needed"
    full = getattr(schema, "FULL", {})
    if own.default is None and own.name in full:
        return f"{_word(full[own.name])}, small models {_word(schema.SMALL[own.name])}"
    return _word(own.default)


def _word(value: Any) -> str:
    if value is None or value in ("", (), {}, []):
        return "none"
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        return _number(value)
    return json.dumps(value, separators=(",", ":"))


def _number(value: float) -> str:
    return f"{value:g}" if value < 1e9 else str(value)
