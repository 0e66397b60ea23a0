"""A complete model of the smallest widths, with random weights in every layer."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from toon_core.config import (
    CLIPConfig,
    ResamplerConfig,
    SketchConfig,
    ToonConfig,
    UNetConfig,
    VAEConfig,
)
from toon_core.model import ToonModel
from toon_core.sketch.encoder import SketchEncoder

WIDTH = 32
UNET = UNetConfig(
    model_channels=WIDTH,
    attention_resolutions=(1, 2),
    num_res_blocks=1,
    channel_mult=(1, 2),
    num_head_channels=16,
    context_dim=WIDTH,
    dropout=0.0,
)
SKETCH = SketchConfig(
    model_channels=WIDTH,
    attention_resolutions=(1, 2),
    num_res_blocks=1,
    channel_mult=(1, 2),
    num_head_channels=16,
    context_dim=WIDTH,
)
CLIP = CLIPConfig(
    embed_dim=WIDTH,
    text_width=WIDTH,
    text_heads=2,
    text_layers=2,
    vision_width=WIDTH,
    vision_layers=2,
    vision_head_width=16,
    patch_size=56,
)
TINY = ToonConfig(
    unet=UNET,
    vae=VAEConfig(ch=16, ch_mult=(1, 1, 2, 1), num_res_blocks=1, norm_groups=16),
    resampler=ResamplerConfig(
        dim=WIDTH, depth=1, dim_head=8, heads=2, embedding_dim=WIDTH, output_dim=WIDTH
    ),
    clip=CLIP,
)


def filled(module: nn.Module, seed: int = 0) -> nn.Module:
    """Also the layers that training starts at zero, so that every branch shows."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in module.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if parameter.dim() > 1:
            value = noise / parameter[0].numel() ** 0.5
        else:
            value = 0.1 * noise + (parameter.dim() == 1 and name.endswith(".weight"))
        parameter.data.copy_(value)
    return module.eval().requires_grad_(False)


class Random:
    """rand(2, 3): the same normal numbers in every run of a test."""

    def __init__(self) -> None:
        self.generator = torch.Generator().manual_seed(1)

    def __call__(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.generator)


@pytest.fixture
def rand() -> Random:
    return Random()


@pytest.fixture
def randomise() -> Callable[..., nn.Module]:
    return filled


@pytest.fixture(scope="session")
def tiny() -> ToonModel:
    return filled(ToonModel(TINY))


@pytest.fixture(scope="session")
def tiny_sketch() -> SketchEncoder:
    return filled(SketchEncoder(SKETCH), 1)


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    """Off, as at inference; tests of gradients turn them on themselves."""
    with torch.no_grad():
        yield
