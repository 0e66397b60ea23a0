"""Fixtures of the real server and page: files that workflows ask for, and a timeline."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from browser import Browser
    from headless import Headless
    from timeline_hand import Hand

WAYS = ("LiteGraph", "Nodes 2.0")


@pytest.fixture(scope="module", params=WAYS)
def opened(request: Any, server: Headless, browser: Browser) -> Iterator[Hand]:
    from browser import EMPTY_GRAPH
    from timeline_hand import FILES, KEYS, Hand

    for file in FILES:
        shutil.copy(KEYS / file, server.base / "input")
    offered = browser.renderers()
    if request.param not in offered and os.environ.get("TOONTWEEN_COMFYUI"):
        pytest.skip(f"this ComfyUI's page has no {request.param}")
    assert request.param in offered
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


@pytest.fixture(scope="module")
def stocked(server: Headless) -> Headless:
    """The server with a stand-in for every file that a workflow asks for."""
    from bundled import FILES

    for name, make in FILES.items():
        path = server.base / "models" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        make(path)
    return server


@pytest.fixture
def able(stocked: Headless, name: str) -> Headless:
    """That server, if its ComfyUI has the workflow's nodes, which older ones lack."""
    from workflow_pages import PAGES

    lacking = set(PAGES[name].needs) - stocked.get("/object_info").keys()
    if lacking:
        pytest.skip(f"this ComfyUI has no {', '.join(sorted(lacking))}")
    return stocked
