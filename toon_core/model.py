"""All parts of one model, under the names the pipeline uses."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from .conditioning.resampler import Resampler
from .conditioning.towers import ImageEncoder, TextEncoder
from .config import ToonConfig
from .schedule import Schedule
from .unet.model import VideoUNet
from .vae.autoencoder import Autoencoder


class ToonModel(nn.Module):
    """`text` and `image` are None for files without the CLIP towers (pruned)."""

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
        options = {"ops": ops, "dtype": dtype, "device": device}
        self.unet = VideoUNet(config.unet, **options)
        self.vae = Autoencoder(config.vae, **options)
        self.resampler = Resampler(config.resampler, **options) if config.resampler else None
        self.text = self.image = None
        if config.clip is not None:
            with torch.device(device or torch.get_default_device()):
                self.text = TextEncoder(config.clip).to(dtype)
                self.image = ImageEncoder(config.clip).to(dtype)
        self.schedule = Schedule(config.schedule)

    @property
    def dtype(self) -> torch.dtype:
        return next(self.unet.parameters()).dtype
