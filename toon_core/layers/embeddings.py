"""Sinusoidal embeddings of the diffusion step and the frame rate (architecture.md 2.1)."""

from __future__ import annotations

import math
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Shifts:
    """What each res block adds at one step, worked out for all steps of a run together. biases:
    with it the bias of the block's first convolution, where one clip needs one. By block."""

    added: dict[int, Tensor]  # (clips c)
    biases: dict[int, Tensor]  # (c,)

    def repeated(self, copies: int) -> Shifts:
        """For as many copies of the clips, one after the other."""
        if copies == 1:
            return self
        added = {k: v.repeat(copies, 1) for k, v in self.added.items() if k not in self.biases}
        return Shifts(added, self.biases)


def embedding_mlp(channels: int, ops: Ops) -> nn.Sequential:
    width = channels * 4
    return nn.Sequential(ops.Linear(channels, width), nn.SiLU(), ops.Linear(width, width))
