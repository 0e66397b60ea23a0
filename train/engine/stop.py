"""How a command ends before its work is done: an error that is a matter for the user, Ctrl-C and
SIGTERM, its time is over, or the held-out loss falls no more."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any

import torch
import torch.distributed as dist
from safetensors import SafetensorError

from train.engine.files import printable

if TYPE_CHECKING:  # it takes long to import, and every command imports this
    from accelerate import Accelerator

log = logging.getLogger("toon.train")

SIGNALS = (signal.SIGINT, signal.SIGTERM)


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
        sys.exit(f"error: {printable(str(error), LONGEST) or type(error).__name__}")


def run_command(main: Callable[[list[str]], object], stopped: str = "stopped") -> None:
    """`main` with the words of the command line, and `exit_on_user_error`."""
    with exit_on_user_error(stopped):
        main(sys.argv[1:])


class Stop:
    """Between enter and exit Ctrl-C and SIGTERM only ask for an end. A launcher may pass one
    signal on twice, so only a later Ctrl-C interrupts at once."""

    def __init__(self, accelerator: Accelerator, minutes: float) -> None:
        self.accelerator, self.begin = accelerator, time.monotonic()
        self.seconds = minutes * 60 or float("inf")
        self.signal: int | None = None
        self._asked = 0.0
        self._before: dict = {}

    def __enter__(self) -> Stop:
        if threading.current_thread() is threading.main_thread():
            self._before = {s: signal.signal(s, self._ask) for s in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _ask(self, number: int, _: FrameType | None) -> None:
        now = time.monotonic()
        if self.signal is not None:
            if number == signal.SIGINT and now - self._asked > 2:
                raise KeyboardInterrupt
            return
        self.signal, self._asked = number, now
        log.warning("%s: saving after this step", signal.Signals(number).name)

    def requested(self) -> bool:
        """Whether any process has been asked to stop, or its time is over."""
        wish = self.signal is not None or time.monotonic() - self.begin > self.seconds
        if self.accelerator.num_processes == 1:
            return wish
        device = self.accelerator.device
        asked = torch.tensor([float(self.signal or 0), float(wish)], device=device)
        number, wishes = self.accelerator.gather(asked[None]).amax(dim=0).tolist()
        self.signal = int(number) or None
        return bool(wishes)


def ignore_signals(_: int = 0) -> None:
    """For loader processes: a Ctrl-C goes to them too, and the run still needs what they load."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@dataclass
class EarlyStopping:
    """`patience` evaluations without a lower loss end a run (0: never)."""

    patience: int
    best: float = float("inf")
    best_step: int = -1
    since: int = 0  # evaluations since the best one

    def note(self, step: int, loss: float) -> bool:
        """Take the held-out loss of a step; whether it is the lowest so far."""
        better = loss < self.best
        if better:
            self.best, self.best_step = loss, step
        self.since = 0 if better else self.since + 1
        return better

    @property
    def over(self) -> bool:
        return 0 < self.patience <= self.since

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_step": self.best_step, "since": self.since}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
