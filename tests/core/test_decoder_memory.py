"""What decoding takes, as the operating system counts it."""

import json
import subprocess
import sys

from place import ROOT

DECODE = """
import json, resource, sys
from pathlib import Path
import torch
from torch.nn.functional import interpolate
from toon_core.vae.autoencoder import stack_references
from toon_core.weights.load import load

width, height, frames = map(int, sys.argv[2:])
vae = load(Path(sys.argv[1]) / "weights" / "nano.safetensors").vae.float()
most = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
with torch.inference_mode():
    small = torch.rand(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    posterior, maps = vae.encode_with_features(interpolate(small, (height, width)) * 2 - 1)
    references = stack_references([m[:1] for m in maps], [m[1:] for m in maps])
    z = posterior.mean[:1, :, None].repeat(1, 1, frames, 1, 1)
    before = most()
    made = vae.decode(z, references)
print(json.dumps({"shape": list(made.shape), "bytes": most() - before}))
"""


def test_nano_keeps_no_map_of_scores():
    """Attention of every frame to both keys: its scores alone would be 1.9 GB for each head."""
    width, height, frames = 320, 192, 16
    command = [sys.executable, "-c", DECODE, str(ROOT), *map(str, (width, height, frames))]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    assert found["shape"] == [1, 3, frames, height, width]
    assert found["bytes"] < 1e9
