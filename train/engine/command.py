"""What every entry does with errors that are a matter for the user, and with Ctrl-C."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
from safetensors import SafetensorError

from train.engine.files import printable

log = logging.getLogger("toon.train")


class ModelError(Exception):
    """A model file is there and cannot be used: a matter for the user, not for one clip."""


USER_ERRORS = (ValueError, OSError, ModelError, SafetensorError)
LESS_MEMORY = (
    "more run.accumulate, run.checkpointing=true, dtype=bf16, less batch, or smaller frames"
)
LONGEST = 1000  # characters of a message
GO_ON = "stopped; what is done is kept, and the same command goes on from there"


@contextmanager
def exit_on_user_error(stopped: str = "stopped") -> Iterator[None]:
    """Bad input and what the machine refuses become `error: ...` on stderr and exit code 1; where
    in the code it was is in the log at debug level. Ctrl-C is `stopped` and exit code 130. Where
    all went well, one of several processes leaves the others: its threads would abort it."""
    try:
        yield
        if dist.is_initialized():
            dist.destroy_process_group()
    except KeyboardInterrupt:
        print(f"\n{stopped}", file=sys.stderr)
        sys.exit(130)
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "memory" not in str(error):
            raise
        log.debug("where it was", exc_info=True)
        reason = printable(str(error).split(". ")[0].splitlines()[0], LONGEST)
        sys.exit(f"error: out of memory ({reason}): {LESS_MEMORY} would help")
    except USER_ERRORS as error:
        log.debug("where it was", exc_info=True)
        sys.exit(f"error: {_message(error) or type(error).__name__}")


def _message(error: Exception) -> str:
    """Short, and nothing in it that a terminal would obey."""
    text = str(error)
    if "Traceback (most recent call last)" in text:  # a loader process's, whose error ends it
        text = text.strip().splitlines()[-1].partition(": ")[2]
    return printable(text, LONGEST)
