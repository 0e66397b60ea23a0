"""NaN and infinite values, named by the stage that made them and with what to try.

fp16 holds numbers up to 65,504 and fp8 up to 448 or 57,344: a layer that goes beyond gives infinite
values or NaN, and so do all layers after it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..toon_core.weights.errors import listed
from ..toon_core.weights.numbers import not_finite

DENOISER = "the denoiser (UNet)"
ENCODER = "the autoencoder's encoder"
DECODER = "the autoencoder's decoder"
TOWERS = "the text or image encoder or the image projector"

WEIGHT_DTYPE = "weight_dtype = {} in Toon Load Model"
VAE = "ComfyUI's option --{}-vae"
# What decides the type of each stage's numbers, and which to try after one.
CURES = {
    DENOISER: (
        WEIGHT_DTYPE,
        {
            torch.float8_e4m3fn: "bf16",
            torch.float8_e5m2: "bf16",
            torch.float16: "bf16",
            torch.bfloat16: "fp32",
        },
    ),
    ENCODER: (VAE, {torch.float16: "bf16", torch.bfloat16: "fp32"}),
    DECODER: (VAE, {torch.float16: "bf16", torch.bfloat16: "fp32"}),
    TOWERS: ("ComfyUI's option --force-{}", {torch.float16: "fp32"}),
}


def check(
    made: Tensor, stage: str, dtype: torch.dtype, *networks: nn.Module, when: str = ""
) -> Tensor:
    """`made` itself; ValueError where it holds NaN or infinite values. dtype: what the stage
    computes in; networks: whose weights are looked through then, since to look through 10 GB of
    them beforehand would take as long as loading does; when: as in "at step 1 of 50"."""
    if torch.isfinite(made).all():
        return made
    if broken := [name for n in networks for name in not_finite(n.named_parameters())]:
        raise ValueError(
            f"{_found(stage, dtype, when)}: {len(broken)} of its weights hold such values "
            f"({listed(broken)}). The file or its LoRA is damaged, or its training broke down: "
            "take another copy, or another file."
        )
    raise ValueError(message(stage, dtype, when))


def message(stage: str, dtype: torch.dtype, when: str = "") -> str:
    found, (frame, values) = _found(stage, dtype, when), CURES[stage]
    if dtype not in values:
        return f"{found}: its weights may be damaged. Try another copy of the file."
    return (
        f"{found}. Try {frame.format(values[dtype])}; if that does not help, another copy of the "
        "file."
    )


def _found(stage: str, dtype: torch.dtype, when: str) -> str:
    name = str(dtype).removeprefix("torch.")
    made = f"{stage[0].upper()}{stage[1:]} made NaN or infinite values"
    return f"{made}{when and f' {when}'}, in {name}"
