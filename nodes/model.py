"""The UNet as a native ComfyUI MODEL."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import comfy.conds
import comfy.latent_formats
import comfy.model_base
import comfy.model_management as mm
import comfy.patcher_extension
import comfy.supported_models_base
import comfy.utils
import torch
from torch import Tensor

from ..toon_core.config import ToonConfig, UNetConfig
from ..toon_core.preview import Preview
from ..toon_core.schedule import Schedule
from ..toon_core.unet.model import VideoUNet
from . import run_check
from .compiled import CompiledUNet
from .model_sampling import ToonModelSampling
from .sketch_patch import sketches_of
from .types import TOKENS_KEY

# Live activations of one UNet call, in elements for each latent place and base channel. Measured
# (31.4) by benchmarks/node_memory.py on the official configuration, and a tenth for fragmentation.
# nano's calls take 40, which is 10 MiB more of a clip at the official size.
UNET_ELEMENTS = 36.0

OUR_ENCODER = (
    "Connect a CONDITIONING of Toon Encode Keys: this model needs the image tokens and the key "
    "frames beside the text. To use a text encoder of your own, connect it there."
)


NOT_FINITE = (
    "The CONDITIONING's {} hold NaN or infinite values: check the nodes between Toon Encode Keys "
    "and the sampler."
)


class NativeUNet(VideoUNet):
    """The core's UNet under ComfyUI's calling convention, with the sketches of a patched MODEL."""

    def __init__(self, config: UNetConfig, dtype=None, device=None, operations=None) -> None:
        super().__init__(config, ops=operations, dtype=dtype, device=device)
        self.in_channels = config.in_channels  # guidance nodes of ComfyUI read it

    def forward(  # type: ignore[override]  # the host's calling convention
        self,
        x: Tensor,
        timesteps: Tensor,
        context: Tensor | None = None,
        control: Any = None,
        transformer_options: dict[str, Any] | None = None,
        fs: Tensor | None = None,
        **_: Any,
    ) -> Tensor:
        options = transformer_options or {}
        if watch := options.get(run_check.KEY):
            watch.see(options)
        kind = comfy.patcher_extension.WrappersMP.DIFFUSION_MODEL
        wrappers = comfy.patcher_extension.get_all_wrappers(kind, options)
        run = comfy.patcher_extension.WrapperExecutor.new_class_executor(self._run, self, wrappers)
        return run.execute(x, timesteps, context, control, options, fs)

    def _run(self, x, timesteps, context, control, options, fs) -> Tensor:
        if control is not None:
            raise ValueError(
                "A ControlNet of ComfyUI does not fit this video model: remove it, and use Toon "
                "Apply Sketch for line drawings."
            )
        sketches = sketches_of(options)
        features = sketches and sketches.features(x, timesteps, context)
        return self.predict(x, timesteps, context, fs, control=features)

    def predict(self, *args: Any, **kwargs: Any) -> Tensor:
        """The core's own forward."""
        return super().forward(*args, **kwargs)


class ToonLatent(comfy.latent_formats.SD15):
    """Latents (b z f h w). The preview's colours are the model's own, or of four channels Stable
    Diffusion's, whose autoencoder the official model's comes from."""

    latent_dimensions = 3

    def __init__(
        self, channels: int = 4, scale_factor: float = 0.18215, preview: Preview | None = None
    ) -> None:
        super().__init__(scale_factor)
        self.latent_channels = channels
        self.taesd_decoder_name = None  # TAESD takes pictures, not clips
        if channels != 4:
            self.latent_rgb_factors = None
        if preview is not None:
            self.latent_rgb_factors = [list(row) for row in preview.factors]
            self.latent_rgb_factors_bias = list(preview.bias)

    @staticmethod
    def latent_rgb_factors_reshape(latent: Tensor) -> Tensor:
        """From the middle frame on: ComfyUI shows the first of what it gets, and the clip's first
        is a key, which never changes. Releases that do not call this show the key."""
        return latent[:, :, latent.shape[2] // 2 :]


class ToonModelConfig(comfy.supported_models_base.BASE):
    unet_extra_config: dict[str, Any] = {}
    latent_format = ToonLatent
    supported_inference_dtypes = [torch.float16, torch.bfloat16, torch.float32]

    def __init__(self, config: ToonConfig) -> None:
        super().__init__({"config": config.unet})
        self.toon = config
        channels = config.vae.z_channels
        self.latent_format = ToonLatent(channels, config.scale_factor, config.preview)


class ToonVideoModel(comfy.model_base.BaseModel):
    """Conditioning dictionaries to UNet inputs, and the memory a call needs."""

    def __init__(self, model_config: ToonModelConfig, device=None) -> None:
        kind = comfy.model_base.ModelType.V_PREDICTION
        super().__init__(model_config, kind, device=device, unet_model=NativeUNet)
        # Nodes that patch layers read it; what they put in is named when it runs.
        model_config.unet_config["model_channels"] = model_config.toon.unet.model_channels
        self.toon = model_config.toon
        self.path = Path()  # of the file, once it is filled
        self.compiled: dict[str, CompiledUNet] = {}  # of runs on it
        temperature = self.toon.recipe.temperature
        self.model_sampling = ToonModelSampling(Schedule(self.toon.schedule), temperature)

    @property
    def compute_dtype(self) -> torch.dtype:
        return self.manual_cast_dtype or self.get_dtype()

    def concat_cond(self, **kwargs: Any) -> Tensor:
        """The key latents beside the noisy ones."""
        noise, keys = kwargs["noise"], kwargs.get("concat_latent_image")
        if not isinstance(keys, Tensor) or keys.ndim != 5 or keys.shape[1] != noise.shape[1]:
            raise ValueError(OUR_ENCODER)
        if not torch.isfinite(keys).all():
            raise ValueError(NOT_FINITE.format("key frames"))
        if keys.shape[2:] != noise.shape[2:]:
            raise ValueError(
                f"The latent is {_size(noise)}, but the keys were encoded for {_size(keys)}: "
                "take LATENT and CONDITIONING from the same Toon Encode Keys."
            )
        keys = comfy.utils.repeat_to_batch_size(keys, noise.shape[0])
        return self.process_latent_in(keys).to(noise.device)

    def extra_conds(self, **kwargs: Any) -> dict[str, Any]:
        check_tokens(kwargs.get("cross_attn"), kwargs.get(TOKENS_KEY), self.toon.unet.context_dim)
        conds = super().extra_conds(**kwargs)
        conds["fs"] = comfy.conds.CONDRegular(torch.tensor([frame_rate(kwargs.get("fs"))]))
        return conds

    def memory_required(self, input_shape: Sequence[float], cond_shapes: Any = None) -> float:
        """Bytes of activations for a latent (b c f h w). In a run the sketch encoder's are among
        them, so that ComfyUI's choice whether to batch cond and uncond sees them."""
        places = input_shape[0] * math.prod(input_shape[2:])
        elements = places * self.toon.unet.model_channels * UNET_ELEMENTS
        size = mm.dtype_size(self.compute_dtype)
        running = self.current_patcher
        sketches = running and sketches_of(running.model_options["transformer_options"])
        return elements * size + (sketches.memory(input_shape, size) if sketches else 0.0)


def check_tokens(tokens: Tensor | None, made: int | None, width: int) -> None:
    """ValueError unless Toon Encode Keys made these tokens, and for a model of this width."""
    if tokens is None or made is None or tokens.shape[1] != made:
        raise ValueError(OUR_ENCODER)
    if not torch.isfinite(tokens).all():
        raise ValueError(NOT_FINITE.format("tokens"))
    if tokens.shape[-1] != width:
        raise ValueError(
            f"The conditioning is {tokens.shape[-1]} wide and this model takes {width}: connect "
            "the conditioner of the same Toon Load Model to Toon Encode Keys."
        )


def frame_rate(fs: Any) -> float:
    """ValueError for a CONDITIONING whose frame rate is missing or no number."""
    if type(fs) not in (int, float) or not math.isfinite(fs):
        raise ValueError(OUR_ENCODER)
    return float(fs)


def _size(latent: Tensor) -> str:
    f, h, w = latent.shape[2:]
    return f"{f} frames of {w * 8}x{h * 8}"


def native(model: Any) -> ToonVideoModel:
    """The ToonCrafter model in a MODEL; ValueError for any other."""
    inner = getattr(model, "model", None)
    if not isinstance(inner, ToonVideoModel):
        raise ValueError(
            f"This MODEL is a {type(inner).__name__}, which Toon nodes cannot use: connect the "
            "MODEL of Toon Load Model."
        )
    return inner
