"""NaN is named by the stage that made it, with what to try."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
import torch
from graphs import decode, encode, picture, sample

if TYPE_CHECKING:
    from conftest import Ready
    from inprocess import Comfy

SEEDS = count(3000)


def spoilt(monkeypatch: pytest.MonkeyPatch, kind: type, method: str, at: int = 0) -> None:
    """From its `at`-th call on, `method` gives infinite values."""
    inner, calls = getattr(kind, method), count()

    def bad(self: Any, *args: Any, **kwargs: Any) -> Any:
        made = inner(self, *args, **kwargs)
        if next(calls) < at:
            return made
        first = made[0] if isinstance(made, tuple) else made
        first = first.mean if hasattr(first, "mean") and not torch.is_tensor(first) else first
        first.mul_(float("inf"))
        return made

    monkeypatch.setattr(kind, method, bad)


def prompt(steps: int = 3) -> dict[str, Any]:
    return {**sample(steps=steps, cfg_scale=1.0, seed=next(SEEDS)), **decode()}


@pytest.mark.parametrize(("at", "when"), [(0, "at step 1 of 3"), (2, "at step 3 of 3")])
def test_denoiser(ready: Ready, monkeypatch: Any, at: int, when: str) -> None:
    spoilt(monkeypatch, ready.comfy.part("model").NativeUNet, "predict", at)
    run = ready.run(prompt(), keep=["5"])
    assert f"The denoiser (UNet) made NaN or infinite values {when}, in float32" in run.error
    assert "another copy of the file" in run.error


def test_decoder(ready: Ready, monkeypatch: Any) -> None:
    vae = type(ready.run({}, keep=["1"]).value("1", 2).module)
    spoilt(monkeypatch, vae, "decode")
    assert "The autoencoder's decoder made NaN" in ready.run(prompt(), keep=["6"]).error


def test_encoder_and_towers(toon: Comfy, ready: Ready, monkeypatch: Any) -> None:
    loaded = ready.run({}, keep=["1"])
    nodes = encode(toon, picture(1), picture(2))
    with monkeypatch.context() as patched:
        spoilt(patched, type(loaded.value("1", 2).module), "encode_with_features")
        assert "The autoencoder's encoder made NaN" in toon.run(nodes, keep=["4"]).error
    spoilt(monkeypatch, type(loaded.value("1", 1).module.resampler), "forward")
    error = toon.run(nodes, keep=["4"]).error
    assert "The text or image encoder or the image projector made NaN" in error


@pytest.fixture
def overflowing(ready: Ready, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, list[torch.dtype]]:
    """The autoencoder in fp16, whose decoder overflows there, and the number types that it was
    called in. A CPU takes half a minute in fp16, for what is thrown away."""
    module = ready.run({}, keep=["1"]).value("1", 2).module
    monkeypatch.setattr(module, "dtype", torch.float16)
    inner, seen = type(module).decode, []

    def decode(self: Any, z: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(z.dtype)
        if z.dtype == torch.float16:
            frames, height, width = z.shape[2:]
            return z.new_full((len(z), 3, frames, 8 * height, 8 * width), float("inf"))
        return inner(self, z, *args, **kwargs)

    monkeypatch.setattr(type(module), "decode", decode)
    return module, seen


def test_fp16_that_overflows_is_made_again(ready: Ready, overflowing: Any) -> None:
    """And only once: the autoencoder keeps the wider type."""
    module, seen = overflowing
    run = ready.run(prompt(), keep=["6"])
    assert run.success, run.error
    assert module.dtype == torch.float32 and seen[0] == torch.float16
    assert "done again in float32" in run.said("6")[-1] and "--bf16-vae" in run.said("6")[-1]
    assert run.value("6").isfinite().all()
    again = ready.run(prompt(), keep=["6"])
    assert again.success and set(seen[2:]) == {torch.float32}


def test_broken_weights_are_not_tried_again(ready: Ready, overflowing: Any) -> None:
    module, seen = overflowing
    weight = module.decoder.conv_in.weight
    kept = weight.clone()
    with torch.inference_mode():
        weight[0, 0] = float("nan")
    try:
        run = ready.run(prompt(), keep=["6"])
    finally:
        with torch.inference_mode():
            weight.copy_(kept)
    assert "1 of its weights hold such values (decoder.conv_in.weight)" in run.error
    assert set(seen) == {torch.float16}


def test_latent_of_another_sampler(ready: Ready) -> None:
    clip = ready.run(prompt(), keep=["5"]).value("5")
    bad = {**clip, "samples": clip["samples"] * float("nan")}
    nodes = {"7": ready.comfy.give(bad), **decode(latent=["7", 0])}
    error = ready.run(nodes, keep=["6"]).error
    assert "the denoiser (UNet) made" in error and "weight_dtype = bf16 or fp32" in error


@pytest.mark.parametrize(
    ("stage", "dtype", "cure"),
    [
        ("DENOISER", torch.float16, "weight_dtype = bf16 in Toon Load Model"),
        ("DENOISER", torch.bfloat16, "weight_dtype = fp32 in Toon Load Model"),
        ("DENOISER", torch.float8_e4m3fn, "weight_dtype = bf16 in Toon Load Model"),
        ("ENCODER", torch.bfloat16, "--fp32-vae"),
        ("DECODER", torch.float16, "--bf16-vae"),
        ("TOWERS", torch.float16, "--force-fp32"),
    ],
)
def test_what_to_try(comfy: Comfy, stage: str, dtype: torch.dtype, cure: str) -> None:
    finite = comfy.part("finite")
    told = finite.message(getattr(finite, stage), dtype)
    assert f", in {str(dtype)[6:]}. Try " in told and cure in told
    if cure.startswith("weight_dtype"):
        chosen = cure.split(" = ")[1].split()[0]
        assert chosen in comfy.part("parts").WEIGHT_DTYPES
    else:
        assert hasattr(comfy.part("host").mm.args, cure.split()[-1][2:].replace("-", "_"))


def test_weights_that_are_no_numbers_are_named(ready: Ready) -> None:
    weight = ready.run({}, keep=["1"]).value("1").model.diffusion_model.out[2].weight
    kept = weight.clone()
    with torch.inference_mode():
        weight[0, 0] = float("nan")
    try:
        error = ready.run(prompt(), keep=["5"]).error
    finally:
        with torch.inference_mode():
            weight.copy_(kept)
    assert "1 of its weights hold such values (out.2.weight)" in error
    assert ready.run(prompt(), keep=["5"]).success
