"""The fused kernels, in Triton's interpreter, against torch's own layers."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch
from place import ROOT

from toon_core.layers import fused

CHECK = """
import sys
import torch
from torch import nn
from toon_core.layers import fused

torch.manual_seed(0)
worst = 0.0

def near(name, made, wanted, bound):
    global worst
    assert made.shape == wanted.shape and made.dtype == wanted.dtype, name
    error = float((made.float() - wanted.float()).abs().max() / wanted.float().abs().max())
    assert error <= bound, f"{name}: {error}"
    worst = max(worst, error)

with torch.no_grad():
    for dtype, bound in ((torch.float32, 2e-6), (torch.float16, 2e-3)):
        for n, frames, c, groups, size in (
            (2, 1, 64, 32, (6, 5)), (6, 3, 40, 8, (4, 4)), (4, 4, 96, 32, (3, 7)),
            (1, 1, 8, 8, (64, 80)), (2, 2, 320, 32, (2, 2)),
        ):
            norm = nn.GroupNorm(groups, c, eps=1e-5)
            norm.weight.normal_(), norm.bias.normal_()
            x = torch.randn(n, c, *size) * 3 + 7 * torch.randn(1, c, 1, 1)
            norm, x = norm.to(dtype), x.to(dtype)
            wide = norm.float().to(torch.float64)
            for activate, fused.SMALL in ((False, 0), (True, 0), (False, 2**15), (True, 2**15)):
                call = fused.norm_silu if activate else fused.group_norm
                wanted = call(wide, x.double(), frames).to(dtype)
                norm.to(dtype)
                with fused.kernels():
                    assert fused.usable(x)
                    made = call(norm, x, frames)
                assert made.is_contiguous(memory_format=torch.channels_last)
                near(f"group norm {dtype} {c} {activate}", made, wanted, bound)
                wide = norm.to(torch.float64)
            norm.to(dtype)
        x = torch.randn(3, 5, 2 * 24).to(dtype)
        wanted = fused.geglu(x.double()).to(dtype)
        with fused.kernels():
            near("geglu", fused.geglu(x), wanted, bound)
        norm = nn.LayerNorm(40).to(dtype)
        norm.weight.normal_(), norm.bias.normal_()
        x, y = (torch.randn(2, 7, 40).to(dtype) for _ in range(2))
        total, normed = fused.add_norm(x, y, norm)
        with fused.kernels():
            a, b = fused.add_norm(x, y, norm)
        assert torch.equal(a, total)
        near("add norm", b, normed, 2 * bound)
print(worst)
"""


def interpreted(script: str) -> str:
    """Run by a Python of its own, whose kernels Triton interprets -> what it printed."""
    run = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return run.stdout


def test_kernels_equal_the_layers() -> None:
    assert 0 < float(interpreted(CHECK)) < 0.01


WHOLE = """
from dataclasses import replace
import torch
from toon_core import load
from toon_core.layers import fused
from toon_core.layers.context import Context

model = load("weights/nano.safetensors", dtype=torch.float32)
generator = torch.Generator().manual_seed(0)
rand = lambda *shape: torch.randn(*shape, generator=generator)
config = model.config.unet
x, tokens = rand(2, 8, 2, 8, 8), rand(2, 77 + 16 * 2, config.context_dim)
t, fs = torch.tensor([300, 300]), torch.tensor([8.0, 8.0])
z, keys = rand(1, 4, 3, 1, 2) * 3, rand(2, 3, 8, 16)

def results():
    context = Context.route(tokens, 2, cache=True, packed={})
    posterior, features = model.vae.encode_with_features(keys)
    references = [f[None].transpose(1, 2) for f in features]
    return [
        model.unet(x, t, context, fs),
        posterior.mean,
        model.vae.decode(z, references),
    ]



with torch.no_grad():
    wanted = results()
    with fused.kernels():
        made = results()
for a, b in zip(made, wanted, strict=True):
    error = float((a - b).abs().max() / b.abs().max())
    assert error < 1e-4, error
    assert not torch.equal(a, b), "the kernels were not used"
"""


def test_networks_are_the_same_with_kernels() -> None:
    interpreted(WHOLE)


def test_off_by_default_and_never_with_gradients() -> None:
    x = torch.zeros(1, 4, 2, 2)
    assert not fused.usable(x)
    with fused.kernels():
        assert not fused.usable(x), "a CPU without the interpreter"
        with torch.no_grad():
            assert not fused.usable(x)
    with pytest.raises(ImportError, match="triton"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(fused.importlib.util, "find_spec", lambda name: None)
        with fused.kernels():
            pass
