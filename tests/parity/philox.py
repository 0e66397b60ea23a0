"""The golden data's rule for weights and inputs: NumPy's Philox, keyed by the CRC-32 of a name."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

HEAD_TOLERANCE = 1e-6


def generator(key: str) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=zlib.crc32(key.encode())))


def weight(key: str, name: str, out: np.ndarray) -> None:
    """Fill float32 `out` in place for the parameter `name`."""
    generator(key).standard_normal(dtype=np.float32, out=out)
    if out.ndim > 1:
        out /= np.float32(math.sqrt(math.prod(out.shape[1:])))
        return
    out *= np.float32(0.1)
    if out.ndim == 1 and name.endswith(".weight"):
        out += np.float32(1)


def fill(module: nn.Module, prefix: str, salt: str) -> None:
    """Give every parameter its documented values; `prefix` + its name is the full name."""
    for name, parameter in module.named_parameters():
        full = prefix + name
        if parameter.dtype == torch.float32 and parameter.dim():
            weight(salt + full, full, parameter.detach().numpy())
            continue
        values = np.empty(tuple(parameter.shape), dtype=np.float32)
        weight(salt + full, full, values)
        parameter.data.copy_(torch.from_numpy(values))


def draw(spec: Mapping[str, Any]) -> Tensor:
    """One of a case's inputs; ValueError for an unknown `dist` or where `head` disagrees."""
    rng, shape = generator(spec["key"]), tuple(spec["shape"])
    if spec["dist"] == "normal":
        values = rng.standard_normal(shape, dtype=np.float32)
    elif spec["dist"] == "uniform":
        lo, hi = np.float32(spec.get("lo", 0)), np.float32(spec.get("hi", 1))
        values = rng.random(shape, dtype=np.float32) * (hi - lo) + lo
    else:
        raise ValueError(f"input {spec['key']}: unknown dist {spec['dist']!r}")
    head = np.asarray(spec.get("head", ()), dtype=np.float32)
    got = values.reshape(-1)[: head.size]
    if not np.allclose(got, head, rtol=HEAD_TOLERANCE, atol=HEAD_TOLERANCE):
        raise ValueError(f"input {spec['key']}: begins {got.tolist()}, head says {head.tolist()}")
    return torch.from_numpy(values)
