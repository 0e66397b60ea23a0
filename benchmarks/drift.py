"""How far half precision drifts from fp32, part by part and from end to end, with nano.

    python benchmarks/drift.py

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
sys.path.insert(0, str(ROOT))

import toon_core  # noqa: E402
from benchmarks.differences import fitted  # noqa: E402
from toon_core.pipeline import interpolate  # noqa: E402
from toon_core.presets import SMALL  # noqa: E402

RECIPE = replace(SMALL, steps=3)  # few: half precision is emulated on many CPUs


@torch.inference_mode()
def results(dtype: torch.dtype) -> dict[str, Tensor]:
    """What each part gives in `dtype`, from the same inputs."""
    model = toon_core.load(ROOT / "weights" / "nano.safetensors", dtype=dtype)
    first, last = fitted("first")[:1], fitted("last")[:1]
    x = torch.randn(1, 8, 16, 16, 16, generator=torch.Generator().manual_seed(0))
    width = model.config.unet.context_dim
    context = torch.randn(1, 333, width, generator=torch.Generator().manual_seed(1))
    t = torch.tensor([500])
    posterior, features = model.vae.encode_with_features(torch.cat([first, last]).to(dtype))
    references = [torch.stack(f.chunk(2), dim=2) for f in features]
    z = torch.randn(1, 4, 16, 16, 16, generator=torch.Generator().manual_seed(2)) / 0.18215
    frames = interpolate(model, first, last, "a cartoon", recipe=RECIPE)
    return {
        "UNet, one call": model.unet(x.to(dtype), t, context.to(dtype), t).float(),
        "VAE encode": posterior.mean.float(),
        "VAE decode": model.vae.decode(z.to(dtype), references).float(),
        f"pipeline, {RECIPE.steps} steps": frames.float(),
    }


def main() -> None:
    truth = results(torch.float32)
    print(f"{'part':20}  {'dtype':5}  drift    largest")
    for dtype in (torch.float16, torch.bfloat16):
        for name, value in results(dtype).items():
            error = value - truth[name]
            drift = float(error.square().mean().sqrt() / truth[name].std())
            kind = "fp16" if dtype == torch.float16 else "bf16"
            print(f"{name:20}  {kind:5}  {drift:.4f}   {float(error.abs().max()):.4f}", flush=True)
            if name.startswith("pipeline"):
                pixels = float(error.clamp(-2, 2).abs().mean() * 127.5)
                print(f"{'':20}  {'':5}  mean pixel change {pixels:.2f} of 255")


if __name__ == "__main__":
    main()
