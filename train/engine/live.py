"""How much memory tensors take while something runs, counted and not guessed."""

from __future__ import annotations

import weakref
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter


class LiveMemory(TorchDispatchMode):
    """Bytes of the storages made while it is on and still alive, and their peak. It counts what
    would be allocated for meta tensors, too."""

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        for x in tree_iter((args, kwargs)):
            self._know(x, 0)
        out = func(*args, **(kwargs or {}))
        for x in tree_iter(out):
            self._know(x, 1)
        return out

    def _know(self, x: Any, made_here: int) -> None:
        if not isinstance(x, Tensor):
            return
        storage = x.untyped_storage()
        key = storage._cdata
        if key in self._known:
            return
        size = made_here * storage.nbytes()
        self._known.add(key)
        self.live += size
        self.peak = max(self.peak, self.live)
        weakref.finalize(storage, self._forget, key, size)

    def _forget(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.live -= size
