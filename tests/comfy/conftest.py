"""A timeline on the real page, in both ways to draw nodes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from browser import Browser
    from headless import Headless
    from timeline_hand import Hand

WAYS = ("LiteGraph", "Nodes 2.0")
EMPTY_GRAPH = {"nodes": [], "links": [], "groups": [], "config": {}, "extra": {}, "version": 0.4}
EMPTY_GRAPH |= {"last_node_id": 0, "last_link_id": 0}


@pytest.fixture(scope="module", params=WAYS)
def opened(request: Any, server: Headless, browser: Browser) -> Iterator[Hand]:
    from timeline_hand import FILES, KEYS, Hand

    for file in FILES:
        shutil.copy(KEYS / file, server.base / "input")
    assert request.param in browser.renderers()
    hand = Hand(browser, request.param)
    assert browser.open(EMPTY_GRAPH, request.param).complaints == []
    yield hand
    assert browser.errors() == []


@pytest.fixture
def hand(opened: Hand) -> Hand:
    """One timeline on a workflow of its own, with `timeline_hand.sheet()`."""
    from timeline_hand import sheet

    opened.load(sheet())
    return opened
