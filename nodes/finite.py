"""NaN and infinite values, named by the stage that made them and with what to try.

fp16 holds numbers up to 65,504 and fp8 up to 448 or 57,344: a layer that goes beyond gives infinite
values or NaN, and so do all layers after it.
"""

from __future__ import annotations

import torch
from torch import Tensor

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


def check(made: Tensor, stage: str, dtype: torch.dtype, when: str = "") -> Tensor:
    """`made` itself; ValueError where it holds NaN or infinite values. dtype: what the stage
    computes in; when: a part of its work, as in "at step 1 of 50"."""
    if torch.isfinite(made).all():
        return made
    raise ValueError(message(stage, dtype, when))


def message(stage: str, dtype: torch.dtype, when: str = "") -> str:
    name = str(dtype).removeprefix("torch.")
    found = f"{stage[0].upper()}{stage[1:]} made NaN or infinite values{when and f' {when}'}"
    frame, values = CURES[stage]
    if dtype not in values:
        return f"{found}, in {name}: its weights may be damaged. Try another copy of the file."
    return (
        f"{found}, in {name}. Try "
        f"{frame.format(values[dtype])}; if that does not help, another copy of the file."
    )
