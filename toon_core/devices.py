"""Where a model works: devices by their names, and tensors on their way there."""

from __future__ import annotations

import torch
from torch import Tensor


def device_of(name: str, option: str = "device") -> torch.device:
    """Of the device `option`; the GPU where there is one by default. ValueError where there is
    none of that name."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not name:
        return torch.device("cuda" if count else "cpu")
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdecimal()):
        raise ValueError(f"{option}={name}: expected cpu, cuda or, of several GPUs, cuda:0 ...")
    if kind == "cuda" and int(number or 0) >= count:
        raise ValueError(f"{option}={name}: this torch sees {count} CUDA GPUs; give cpu")
    return torch.device(name)


def moved(tensor: Tensor, device: torch.device | str, dtype: torch.dtype | None = None) -> Tensor:
    """`tensor.to(device, dtype)` that a CUDA device does not wait for, nor the CPU for it: a copy
    from ordinary memory blocks until all that was asked of the device before is done."""
    if torch.device(device).type == "cuda" and tensor.device.type == "cpu":
        tensor = tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device, dtype)
