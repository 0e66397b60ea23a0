"""Which of the denoiser's tensors a rectification trains (paper section 4, ablation I to V).

    I    nothing: the base as it is
    II   image projector and the whole UNet
    III  image projector and spatial layers, with the temporal layers bypassed in training
    IV   image projector and spatial layers, with the temporal layers frozen (the paper's choice)
    V    image projector only

Temporal are the temporal transformers (`init_attn` among them) and the convolutions over frames;
all else of the UNet is spatial. Whether the embeddings and the first and last convolution count is
not published: they train here unless `outer=False`.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from toon_core.layers.blocks import TemporalConv
from toon_core.layers.transformers import TemporalTransformer
from toon_core.unet.model import VideoUNet

VARIANTS = ("I", "II", "III", "IV", "V")
OUTER = ("time_embed.", "fps_embedding.", "input_blocks.0.0.", "out.")


def temporal_layers(unet: VideoUNet) -> Iterator[tuple[str, nn.Module]]:
    """Every layer that mixes frames, by name."""
    kinds = (TemporalTransformer, TemporalConv)
    return ((name, m) for name, m in unet.named_modules() if isinstance(m, kinds))


def is_temporal(unet: VideoUNet) -> dict[str, bool]:
    """For every parameter's name, whether it belongs to a temporal layer."""
    prefixes = tuple(f"{name}." for name, _ in temporal_layers(unet))
    return {name: name.startswith(prefixes) for name, _ in unet.named_parameters()}


def check_variant(variant: str) -> None:
    """ValueError for one that is not in `VARIANTS`."""
    if variant not in VARIANTS:
        raise ValueError(f"variant={variant}: expected one of {', '.join(VARIANTS)}")


def select(unet: VideoUNet, projector: nn.Module, variant: str, outer: bool = True) -> None:
    """Set requires_grad of all parameters for a variant; ValueError on an unknown one."""
    check_variant(variant)
    projector.requires_grad_(variant != "I")
    temporal = is_temporal(unet)
    for name, parameter in unet.named_parameters():
        parameter.requires_grad_(
            variant == "II"
            or (
                variant in ("III", "IV")
                and not temporal[name]
                and (outer or not name.startswith(OUTER))
            )
        )


class Bypass:
    """Temporal layers that do nothing while it is on (variant III trains that way)."""

    def __init__(self, unet: VideoUNet) -> None:
        self._layers = [layer for _, layer in temporal_layers(unet)]

    def set(self, on: bool) -> None:
        for layer in self._layers:
            if on:
                layer.forward = _same
            else:
                layer.__dict__.pop("forward", None)


def _same(x: Tensor, frames: int) -> Tensor:
    return x
