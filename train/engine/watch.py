"""The memory of this process on a device: now, still free, and at its peak inside a block."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil
import torch

INTERVAL = 0.002  # seconds between two looks; an operation that matters takes longer
SELDOM = 0.05  # through a whole run, whose steps are all alike


def present(device: torch.device) -> int:
    """Bytes now: tensors on a GPU, else the process's resident memory."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device)
    return psutil.Process().memory_info().rss


def free(device: torch.device) -> int:
    """Bytes that are still to be had."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return psutil.virtual_memory().available


@dataclass
class Most:
    """The most bytes `present` inside a `watched` block."""

    bytes: int = 0


@contextmanager
def watched(device: torch.device, interval: float = INTERVAL) -> Iterator[Most]:
    """On a CPU it looks again after every interval, in seconds, since not all systems keep a
    peak: what an allocator keeps and what an operation takes for itself counts too, as it will in
    training."""
    most, ended = Most(present(device)), threading.Event()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        yield most
        torch.cuda.synchronize(device)
        most.bytes = torch.cuda.max_memory_allocated(device)
        return

    def look() -> None:
        over = False
        while not over:
            over = ended.wait(interval)
            most.bytes = max(most.bytes, present(device))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield most
    finally:
        ended.set()
        thread.join()
