"""How far half precision drifts from fp32, part by part and from end to end, with nano.

    python benchmarks/drift.py [device]

Norm statistics and the sampler's state are fp32 either way. Drift is the RMS of the difference
over the standard deviation of the fp32 result; pixels are of 255.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "parity")]

from compare import exact_products  # noqa: E402

import toon_core  # noqa: E402
from benchmarks.differences import fitted  # noqa: E402
from toon_core.pipeline import interpolate  # noqa: E402
from toon_core.presets import SMALL  # noqa: E402

RECIPE = replace(SMALL, steps=3)  # few: half precision is emulated on many CPUs


@torch.inference_mode()
def results(dtype: torch.dtype, device: str) -> dict[str, Tensor]:
    """What each part gives in `dtype`, from the same inputs."""
    model = toon_core.load(ROOT / "weights" / "nano.safetensors", dtype=dtype, device=device)
    first, last = (fitted(name)[:1].to(device) for name in ("first", "last"))
    x = torch.randn(1, 8, 16, 16, 16, generator=torch.Generator().manual_seed(0)).to(device)
    width = model.config.unet.context_dim
    context = torch.randn(1, 333, width, generator=torch.Generator().manual_seed(1)).to(device)
    t = torch.tensor([500], device=device)
    posterior, features = model.vae.encode_with_features(torch.cat([first, last]).to(dtype))
    references = [torch.stack(f.chunk(2), dim=2) for f in features]
    z = torch.randn(1, 4, 16, 16, 16, generator=torch.Generator().manual_seed(2)).to(device)
    z = z / 0.18215
    frames = interpolate(model, first, last, "a cartoon", recipe=RECIPE)
    made = {
        "UNet, one call": model.unet(x.to(dtype), t, context.to(dtype), t).float(),
        "VAE encode": posterior.mean.float(),
        "VAE decode": model.vae.decode(z.to(dtype), references).float(),
        f"pipeline, {RECIPE.steps} steps": frames.float(),
    }
    return {name: value.cpu() for name, value in made.items()}


def main(device: str = "cpu") -> None:
    exact_products()
    truth = results(torch.float32, device)
    print(f"{'part':20}  {'dtype':5}  drift    largest")
    for dtype in (torch.float16, torch.bfloat16):
        for name, value in results(dtype, device).items():
            error = value - truth[name]
            drift = float(error.square().mean().sqrt() / truth[name].std())
            kind = "fp16" if dtype == torch.float16 else "bf16"
            print(f"{name:20}  {kind:5}  {drift:.4f}   {float(error.abs().max()):.4f}", flush=True)
            if name.startswith("pipeline"):
                pixels = float(error.clamp(-2, 2).abs().mean() * 127.5)
                print(f"{'':20}  {'':5}  mean pixel change {pixels:.2f} of 255")


if __name__ == "__main__":
    main(*sys.argv[1:])
