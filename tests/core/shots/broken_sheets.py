"""Sheets that are refused."""

from __future__ import annotations

from typing import Any

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
