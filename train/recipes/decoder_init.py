"""How an autoencoder starts: from nothing as a resize, or a new decoder on a plain one as "no
reference, no time", in the variants of the paper's table 4."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from toon_core.layers.blocks import Upsample
from toon_core.vae.autoencoder import Autoencoder
from toon_core.vae.blocks import AttentionBlock, Downsample, ResBlock

# Name -> reference modules, pseudo-3D convolutions (paper table 4; HAR and P3D there).
VARIANTS = {"full": (True, True), "no_pseudo3d": (True, False), "plain": (False, False)}


def start_decoder(base: Autoencoder, variant: str, nearness: bool = False) -> Autoencoder:
    """An autoencoder of the variant with the base's weights in float32; only `decoder.` trains.

    Parts that the base's decoder lacks start as no change to the plain decoder: zero output
    projections and endpoint convolutions, zero last convolutions of the temporal stacks,
    `mix_factor` 0 (one half of a zero), and a colours' convolution over time that is the identity
    (the release's is random). What a plain decoder's `post_quant_conv` did is kept. `nearness`:
    references are found by where they are, too. A base that has parts already keeps them; one
    with parts the variant lacks is a ValueError.
    """
    references, pseudo_3d = VARIANTS[variant]
    had = base.config
    if had.references > references or had.pseudo_3d > pseudo_3d:
        raise ValueError(
            f"variant={variant}: the base's decoder is already {variant_of(base)}; "
            "give that variant to go on from it, or a base with the plain decoder"
        )
    near = references and (nearness or had.reference_nearness)
    new = replace(had, references=references, pseudo_3d=pseudo_3d, reference_nearness=near)
    vae = Autoencoder(new)
    vae.load_state_dict({k: v.float() for k, v in base.state_dict().items()}, strict=False)
    if pseudo_3d and not had.pseudo_3d:
        start_identity(vae.decoder.conv_out.time_mix_conv)
    if had.plain and not vae.config.plain:
        fold_post_quant(vae)
    vae.requires_grad_(False)
    vae.decoder.requires_grad_(True)
    return vae


def variant_of(vae: Autoencoder) -> str:
    flags = (vae.config.references, vae.config.pseudo_3d)
    return next((name for name, value in VARIANTS.items() if value == flags), "of another kind")


@torch.no_grad()
def start_identity(conv: nn.Module) -> None:
    """Start a convolution as no change."""
    nn.init.dirac_(conv.weight)
    nn.init.zeros_(conv.bias)


@torch.no_grad()
def fold_post_quant(vae: Autoencoder) -> None:
    """Let `decoder.conv_in` do what `post_quant_conv` did, which the dual-reference path skips
    (architecture.md 6.3) and the plain decoder was trained with. Exact but for the outermost
    latents, where padding now goes without its bias; nothing changes where it is the identity."""
    before, conv = vae.post_quant_conv, vae.decoder.conv_in
    conv.bias += torch.einsum("ozhw,z->o", conv.weight, before.bias)
    conv.weight.copy_(torch.einsum("ozhw,zi->oihw", conv.weight, before.weight[:, :, 0, 0]))


def last_layer(vae: Autoencoder) -> nn.Parameter:
    """The decoder's last weights, at which the adaptive weight compares gradients."""
    out = vae.decoder.conv_out
    return out.time_mix_conv.weight if vae.config.pseudo_3d else out.weight


@torch.no_grad()
def start_as_resize(vae: Autoencoder) -> None:
    """Start the plain autoencoder as little more than a smaller picture and back: residual
    branches add nothing, shortcuts and upsampling copy channels, downsampling averages, and the
    posterior is narrow (std exp(-3)). From the usual random start a narrow one spends most of a
    short training on finding its colours."""
    for module in vae.modules():
        if isinstance(module, ResBlock):
            nn.init.zeros_(module.conv2.weight)
            nn.init.zeros_(module.conv2.bias)
            if isinstance(module.nin_shortcut, nn.Conv2d):
                start_identity(module.nin_shortcut)
        elif isinstance(module, AttentionBlock):
            nn.init.zeros_(module.proj_out.weight)
        elif isinstance(module, Upsample):
            start_identity(module.conv)
        elif isinstance(module, Downsample):
            start_identity(module.conv)
            centre = module.conv.weight[..., 1, 1].clone()
            module.conv.weight.zero_()
            module.conv.weight[..., :2, :2] = centre[..., None, None] / 4
    start_identity(vae.post_quant_conv)
    vae.quant_conv.bias[vae.config.z_channels :] -= 6.0
