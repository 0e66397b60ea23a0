"""When a run ends before its last step: a signal, its time is over, or the held-out loss falls no
more."""

from __future__ import annotations

import logging
import signal
import threading
import time
from dataclasses import asdict, dataclass
from types import FrameType
from typing import Any

import torch
from accelerate import Accelerator

log = logging.getLogger("toon.train")

SIGNALS = (signal.SIGINT, signal.SIGTERM)


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

    def wanted(self) -> bool:
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
    """`patience` looks without a lower loss end a run (0: never)."""

    patience: int
    best: float = float("inf")
    best_step: int = -1
    since: int = 0  # looks since the best one

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
        state = asdict(self)
        del state["patience"]
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)
