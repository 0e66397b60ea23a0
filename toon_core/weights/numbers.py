"""Which numbers weights may be, and where they are none."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

# fp8 is how some files are stored. Whole numbers would be taken for very wrong weights.
FLOATS = frozenset(
    {torch.float64, torch.float32, torch.float16, torch.bfloat16}
    | {torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz}
)
WANTED = "a quantised or damaged copy; its numbers must be fp32, fp16, bf16 or fp8"


def not_finite(tensors: Iterable[tuple[str, Tensor]]) -> list[str]:
    """Names of the tensors that hold NaN or infinite values. Reads all of them: for small files,
    and to explain a broken result, since looking through 10 GB takes as long as loading them."""
    return [name for name, tensor in tensors if not _finite(tensor)]


def _finite(tensor: Tensor) -> bool:
    wide = tensor.float() if tensor.element_size() == 1 else tensor  # fp8 knows no isfinite
    return bool(torch.isfinite(wide).all())
