"""All parts of one model, under the names the pipeline uses."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from .conditioning.resampler import Resampler
from .conditioning.towers import ImageEncoder, TextEncoder
from .config import Part, ToonConfig
from .schedule import Schedule
from .unet.model import VideoUNet
from .vae.autoencoder import Autoencoder


class ToonModel(nn.Module):
    """`text` and `image` are None for files without the CLIP towers (pruned)."""

    unet: VideoUNet
    vae: Autoencoder
    resampler: Resampler | None
    text: TextEncoder | None
    image: ImageEncoder | None

    def __init__(
        self,
        config: ToonConfig,
        *,
        ops: Any = nn,
        dtype: torch.dtype | None = None,
        device: torch.device | str | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        options: dict[str, Any] = {"ops": ops, "dtype": dtype, "device": device}
        self.unet = build_part(config, "unet", **options)
        self.vae = build_part(config, "vae", **options)
        self.resampler = build_part(config, "resampler", **options)
        self.text = build_part(config, "text", **options)
        self.image = build_part(config, "image", **options)
        self.schedule = Schedule(config.schedule)

    @property
    def dtype(self) -> torch.dtype:
        return next(self.unet.parameters()).dtype


def build_part(
    config: ToonConfig,
    name: Part,
    *,
    ops: Any = nn,
    dtype: torch.dtype | None = None,
    device: torch.device | str | None = None,
) -> Any:
    """One part alone; None where the configuration has none. The towers are always torch.nn's."""
    options: dict[str, Any] = {"ops": ops, "dtype": dtype, "device": device}
    if name == "unet":
        return VideoUNet(config.unet, **options)
    if name == "vae":
        return Autoencoder(config.vae, **options)
    if name == "resampler":
        return Resampler(config.resampler, **options) if config.resampler else None
    if config.clip is None:
        return None
    with torch.device(device or torch.get_default_device()):
        tower = (TextEncoder if name == "text" else ImageEncoder)(config.clip)
    return tower if dtype is None else tower.to(dtype)
