"""NaN and infinite values, named by the stage that made them and with what to try.

fp16 holds numbers up to 65,504 and fp8 up to 448 or 57,344: a layer that goes beyond gives infinite
values or NaN, and so do all layers after it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

import torch
from torch import Tensor, nn

from ..toon_core.weights.errors import listed
from ..toon_core.weights.numbers import not_finite
from . import host
from .types import LoadedAutoencoder

T = TypeVar("T")

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


def made_again(
    loaded: LoadedAutoencoder,
    stage: str,
    run: Callable[[], T],
    made: Callable[[T], Iterable[Tensor]],
) -> T:
    """What `run` makes with an autoencoder, checked. Where that overflows in fp16 it is made again
    in a wider type, which the autoencoder then keeps: its layers turn their weights as they work.

    run: reads `loaded.module.dtype`; made: the tensors of it to look at.
    """
    module = loaded.module
    done = run()
    overflowed = module.dtype == torch.float16 and not _all_finite(made(done))
    if overflowed and not not_finite(module.named_parameters()):
        del done
        module.dtype = host.wider_dtype(loaded.patcher.load_device)
        host.say(
            f"{_found(stage, torch.float16, '')}, so this was done again in {_name(module.dtype)}, "
            "as all later work of this autoencoder will be. ComfyUI's option --bf16-vae or "
            "--fp32-vae does so from the start.",
            level=logging.WARNING,
        )
        done = run()
    for tensor in made(done):
        check(tensor, stage, module.dtype, module)
    return done


def _all_finite(tensors: Iterable[Tensor]) -> bool:
    return all(bool(torch.isfinite(t).all()) for t in tensors)


def message(stage: str, dtype: torch.dtype, when: str = "") -> str:
    found, (frame, values) = _found(stage, dtype, when), CURES[stage]
    if dtype not in values:
        return f"{found}: its weights may be damaged. Try another copy of the file."
    return (
        f"{found}. Try {frame.format(values[dtype])}; if that does not help, another copy of the "
        "file."
    )


def _found(stage: str, dtype: torch.dtype, when: str) -> str:
    made = f"{stage[0].upper()}{stage[1:]} made NaN or infinite values"
    return f"{made}{when and f' {when}'}, in {_name(dtype)}"


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
