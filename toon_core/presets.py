"""The known models' configurations and recipes in one place."""

from __future__ import annotations

from dataclasses import replace

from .config import CLIPConfig, ResamplerConfig, SketchConfig, ToonConfig, UNetConfig, VAEConfig
from .recipe import Recipe

RELEASED = Recipe()
# For networks of less than a hundredth of the released size: their samples of the whole
# distribution do not hold together yet, so they keep to the likeliest (measured for nano in
# docs/nano.md).
SMALL = replace(RELEASED, steps=6, cfg_scale=1.0, temperature=0.5)


def turbo(recipe: Recipe) -> Recipe:
    """A recipe with shortcuts that change its frames little (docs/performance.md): measured on
    nano, not on the released model."""
    return replace(
        recipe,
        cfg_start=0.2,
        cfg_end=0.8,
        reuse=2,
        replace_middle_frames=False,
    )


def full_size(config: ToonConfig) -> bool:
    """Whether a denoiser has the released width; narrower ones want defaults of their own."""
    return config.unet.model_channels >= UNetConfig().model_channels


def released_for(latent_width: int) -> Recipe:
    """The release's switch by latent width: 32 (256 pixels) has another spacing and no rescale
    (architecture.md 8.1)."""
    if latent_width == 32:
        return replace(RELEASED, spacing="uniform", guidance_rescale=0.0)
    return RELEASED


def official_512() -> ToonConfig:
    return ToonConfig()


def dynamicrafter_512() -> ToonConfig:
    return ToonConfig(vae=VAEConfig(references=False, pseudo_3d=False))


def official_sketch() -> SketchConfig:
    return SketchConfig()


def nano() -> ToonConfig:
    """Every part of the official model at small widths, for 128x128 and 16 frames."""
    context = 48
    return ToonConfig(
        unet=UNetConfig(
            model_channels=32,
            channel_mult=(1, 2, 3, 3),
            num_res_blocks=1,
            num_head_channels=8,
            attention_resolutions=(4, 2, 1),
            context_dim=context,
            dropout=0.0,
            norm_groups=4,
        ),
        vae=VAEConfig(
            ch=16,
            ch_mult=(1, 2, 4, 6),
            num_res_blocks=1,
            norm_groups=2,
            reference_heads=2,
            reference_head_width=32,
        ),
        resampler=ResamplerConfig(
            dim=context, depth=2, dim_head=16, heads=3, embedding_dim=64, output_dim=context
        ),
        clip=CLIPConfig(
            embed_dim=context,
            text_width=context,
            text_heads=3,
            text_layers=3,
            vision_width=64,
            vision_layers=3,
            vision_head_width=16,
        ),
        recipe=replace(SMALL, height=128, width=128, fps=24, sketch_scale=1.5),
    )


def nano_sketch() -> SketchConfig:
    return sketch_for(nano().unet)


def sketch_for(unet: UNetConfig) -> SketchConfig:
    """The sketch encoder whose maps fit a denoiser."""
    return SketchConfig(
        model_channels=unet.model_channels,
        channel_mult=unet.channel_mult,
        num_res_blocks=unet.num_res_blocks,
        num_head_channels=unet.num_head_channels,
        attention_resolutions=unet.attention_resolutions,
        context_dim=unet.context_dim,
        norm_groups=unet.norm_groups,
    )


def plain(config: ToonConfig) -> ToonConfig:
    """The same model with a plain decoder, from which the dual-reference one is trained."""
    return replace(config, vae=replace(config.vae, references=False, pseudo_3d=False))
