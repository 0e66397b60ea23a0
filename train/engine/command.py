"""What every entry does with errors that are a matter for the user."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from safetensors import SafetensorError

from train.data.filters.base import ModelError
from train.engine.estimate import LESS

log = logging.getLogger("toon.train")

TOLD = (ValueError, OSError, ModelError, SafetensorError)


@contextmanager
def errors_told() -> Iterator[None]:
    """Bad input and what the machine refuses become `error: ...` on stderr and exit code 1; where
    in the code it was is in the log at debug level."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        log.debug("where it was", exc_info=True)
        sys.exit(f"error: out of memory ({str(error).split('. ')[0]}): {LESS} would help")
    except TOLD as error:
        log.debug("where it was", exc_info=True)
        sys.exit(f"error: {error or type(error).__name__}")
