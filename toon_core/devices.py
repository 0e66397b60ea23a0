"""Tensors from the CPU to where a model works."""

from __future__ import annotations

import torch
from torch import Tensor


def moved(tensor: Tensor, device: torch.device | str, dtype: torch.dtype | None = None) -> Tensor:
    """`tensor.to(device, dtype)` that a CUDA device does not wait for, nor the CPU for it: a copy
    from ordinary memory blocks until all that was asked of the device before is done."""
    if torch.device(device).type == "cuda" and tensor.device.type == "cpu":
        tensor = tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device, dtype)
