"""Tiny clips made on the spot, those of the training tests."""

from pathlib import Path

import pytest
from discs import make_clip_folders


@pytest.fixture(scope="session")
def clip_folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip_folders(tmp_path_factory.mktemp("folders"))
