"""Sinusoidal embeddings of the diffusion step and the frame rate (architecture.md 2.1)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ..ops import Ops


def sinusoidal(position: Tensor, dim: int) -> Tensor:
    """(b,) real positions -> (b dim), cosines first, float32 (Vaswani et al. 2017)."""
    half = dim // 2
    steps = torch.arange(half, dtype=torch.float32, device=position.device)
    angles = position.float()[:, None] * torch.exp(-math.log(10000) * steps / half)
    table = torch.cat([angles.cos(), angles.sin()], dim=-1)
    return nn.functional.pad(table, (0, dim % 2))


def embedding_mlp(channels: int, ops: Ops) -> nn.Sequential:
    width = channels * 4
    return nn.Sequential(ops.Linear(channels, width), nn.SiLU(), ops.Linear(width, width))
