"""Pictures of what a model does: rows of frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from einops import rearrange
from torch import Tensor
from torch.nn.functional import pad


def rows(clips: Sequence[Tensor], gap: int = 2) -> np.ndarray:
    """Clips (3 f h w) in [-1, 1], one below the other -> (H W 3) uint8."""
    frames = [pad(c.float().cpu(), (gap, gap, gap, gap), value=1.0) for c in clips]
    pictures = [rearrange(c, "c f h w -> h (f w) c") for c in frames]
    joined = torch.cat(pictures).clamp(-1, 1)
    return ((joined + 1) * 127.5).round().byte().numpy()
