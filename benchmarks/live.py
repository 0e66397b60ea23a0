"""Memory that is alive at once, counted as operations make it."""

from __future__ import annotations

import weakref
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter


class LiveMemory(TorchDispatchMode):
    """Bytes of the storages made while it is on and still alive, and their peak; fake tensors
    count as what they stand for. torch's own MemTracker does this under a private name, and wants
    modules and optimizers to hook."""

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = storages((args, kwargs))  # a view of a weight is no new memory
        out = func(*args, **(kwargs or {}))
        for key, storage in storages(out).items():
            if key not in given:
                self.watch(storage)
        return out

    def watch(self, storage: torch.UntypedStorage) -> None:
        """Count a new storage until nothing holds it."""
        key, size = storage._cdata, storage.nbytes()
        if key in self._known:
            return
        self._known.add(key)
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.live -= size


def storages(tree: Any) -> dict[int, torch.UntypedStorage]:
    """Those of all tensors in a nested value."""
    tensors = (x for x in tree_iter(tree) if isinstance(x, Tensor))
    return {s._cdata: s for s in (x.untyped_storage() for x in tensors)}
