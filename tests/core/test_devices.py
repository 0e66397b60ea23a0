"""Copies to a device that nothing waits for."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from toon_core.devices import moved


def test_a_copy_to_cuda_is_pinned_and_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[Any] = []

    def record(name: str) -> Any:
        def call(self: torch.Tensor, *args: Any, **options: Any) -> torch.Tensor:
            done.append((name, args, options))
            return self

        return call

    for name in ("pin_memory", "to"):
        monkeypatch.setattr(torch.Tensor, name, record(name))
    moved(torch.zeros(3), "cuda:1", torch.float16)
    assert done[:2] == [("pin_memory", (), {}), ("to", ("cuda:1",), {"non_blocking": True})]
    assert done[2] == ("to", ("cuda:1", torch.float16), {})
    done.clear()
    moved(torch.zeros(3), "cpu")
    assert done == [("to", ("cpu", None), {})]
