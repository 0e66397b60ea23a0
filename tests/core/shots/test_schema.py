"""The published schema takes what the reader takes, and refuses what can be told from one field."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from broken_sheets import BROKEN, BROKEN_KEYS
from jsonschema import Draft202012Validator

SCHEMA = Path(__file__).parents[3] / "docs" / "sheet.schema.json"
# What only the reader can tell: it is between fields.
BETWEEN = {
    *("length too short", "odd width", "one side", "segment of no key", "two segments"),
    *("segment after the last", "chart and slow", "places", "sketch on a key"),
    *("sketch while a key is shown", "sketch in a hold", "sketch outside"),
    *("two sketches on a drawing", "two sketches on a frame", "sketches that act otherwise"),
    *("same frame", "same id", "image before the batch"),
}


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_it_takes_whole_sheets(document: dict[str, Any], validator: Draft202012Validator) -> None:
    validator.validate(document)
    document |= {
        "audio": {"file": "s.wav", "offset": -1},
        "segments": [
            {"from": "one", "chart": "halves", "exposure": [1, 2], "lock": "one_1"},
            {"from": "two", "chart": [0.2, 0.9], "fs": 10, "takes": 4, "seed": 0},
        ],
        "sketches": [{"frame": 8, "image": 0, "strength": 2, "start": 0, "end": 0.5}],
    }
    validator.validate(document)


@pytest.mark.parametrize("name", [*BROKEN, *BROKEN_KEYS])
def test_it_refuses_wrong_fields(
    document: dict[str, Any], validator: Draft202012Validator, name: str
) -> None:
    if name in BROKEN_KEYS:
        document["keys"][1] |= BROKEN_KEYS[name][0]
    else:
        document = {k: v for k, v in (document | BROKEN[name][0]).items() if v is not None}
    assert validator.is_valid(document) == (name in BETWEEN)
