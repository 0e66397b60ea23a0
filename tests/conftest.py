"""Fixtures for the real ComfyUI, in three depths. Missing software is an error, never a skip."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from place import PREVIEWS, chromium, comfyui_folder, front_end, make_base

if TYPE_CHECKING:
    from browser import Browser
    from headless import Headless
    from inprocess import Comfy

DEPTHS = ("comfy", "chrome", "server", "browser")  # the order of running: the quick ones first
# Before all others, so that several workers end together.
LONG = (
    "test_processes.py",
    "test_gpu_kit.py",
    "test_nano.py",
    "test_ablation.py",
)


@pytest.fixture(scope="session")
def comfy(tmp_path_factory: pytest.TempPathFactory) -> Comfy:
    """ComfyUI inside this process, with this pack loaded."""
    from inprocess import Comfy

    comfy = Comfy(comfyui_folder(), tmp_path_factory.mktemp("comfy"))
    comfy.load_pack()
    return comfy


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Headless]:
    """A running ComfyUI server with this pack in custom_nodes."""
    from headless import Headless

    base = make_base(tmp_path_factory.mktemp("server"))
    options = ("--cpu", *PREVIEWS, *front_end())
    with Headless(comfyui_folder(), base, base / "server.log", options=options) as server:
        yield server


@pytest.fixture(scope="session")
def browser(server: Headless) -> Iterator[Browser]:
    """Chromium on that server's page."""
    from browser import Browser

    browser = Browser(server.url, chromium())
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def chrome() -> Iterator[Any]:
    """A bare Chromium, for pages of our own. While it is open this thread's event loop runs,
    which ComfyUI in this process could not bear: hence not for the whole session."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(executable_path=chromium(), args=flags)
        yield browser
        browser.close()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for name in DEPTHS:
            if name in getattr(item, "fixturenames", ()):
                item.add_marker(name)
    items.sort(key=_place)


def _place(item: pytest.Item) -> tuple[int, int]:
    return (LONG.index(item.path.name) if item.path.name in LONG else len(LONG), _depth(item))


def _depth(item: pytest.Item) -> int:
    fixtures = getattr(item, "fixturenames", ())
    return max((1 + DEPTHS.index(name) for name in DEPTHS if name in fixtures), default=0)
