"""What each variant of the ablation trains, by the released names."""

import gzip
import json
import re
from pathlib import Path

import pytest
import torch
from torch import nn

from toon_core import presets
from toon_core.conditioning.resampler import Resampler
from toon_core.unet.model import VideoUNet
from train.recipes.rectify import set_trainable, temporal_layers

MANIFEST = Path(__file__).parents[1] / "parity" / "manifests"
MANIFEST /= "manifest-official-512-interp.json.gz"
UNET, PROJECTOR = "model.diffusion_model.", "image_proj_model."
# Read from the manifest's names alone: the third entry of a block is its temporal transformer.
TEMPORAL = re.compile(
    r"init_attn\.|.*\.temopral_conv\.|(input_blocks|output_blocks)\.\d+\.2\.(norm|proj|transf)"
    r"|middle_block\.2\."
)
# 17 transformers of 26 tensors and 22 convolution stacks of 16.
TEMPORAL_AND_SPATIAL = (794, 722)


@pytest.fixture(scope="module")
def released() -> tuple[VideoUNet, Resampler]:
    config = presets.official_512()
    return (
        VideoUNet(config.unet, device="meta"),
        Resampler(config.resampler, device="meta"),
    )


def listed(prefix: str) -> set[str]:
    """Names in the released file below a prefix."""
    names = json.loads(gzip.decompress(MANIFEST.read_bytes()))
    return {name.removeprefix(prefix) for name in names if name.startswith(prefix)}


def trained(module: nn.Module) -> set[str]:
    return {name for name, p in module.named_parameters() if p.requires_grad}


def test_variants_train_what_the_paper_says(released) -> None:
    unet, projector = released
    names, everything = listed(UNET), listed(PROJECTOR)
    assert len(names) == 1516
    temporal = {name for name in names if TEMPORAL.match(name)}
    spatial = names - temporal
    assert (len(temporal), len(spatial)) == TEMPORAL_AND_SPATIAL
    expected = {"I": set(), "II": names, "III": spatial, "IV": spatial, "V": set()}
    for variant, wanted in expected.items():
        set_trainable(unet, projector, variant)
        assert trained(unet) == wanted, variant
        assert trained(projector) == (set() if variant == "I" else everything), variant


def test_bypass_makes_frames_independent_and_can_be_undone() -> None:
    torch.manual_seed(0)
    unet = VideoUNet(presets.nano().unet).eval()
    for parameter in unet.parameters():
        nn.init.normal_(parameter, std=0.05)
    assert len(list(temporal_layers(unet))) > 10
    x = torch.randn(1, 8, 4, 8, 8)
    other = x.clone()
    other[:, :, 3] += 1
    context, t = torch.randn(1, 77 + 64, 48), torch.tensor([500])

    @torch.no_grad()
    def seen() -> torch.Tensor:
        """How much frame 0 feels a change of frame 3."""
        return (unet(x, t, context) - unet(other, t, context))[:, :, 0].abs().max()

    before = seen()
    for on, expected in ((True, 0), (False, before)):
        for _, layer in temporal_layers(unet):
            layer.bypass = on
        assert seen() == expected
    assert before > 0
