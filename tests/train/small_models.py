"""Small shapes: nano's with a plain decoder, the least with every kind of block, and the objective
of a decoder that starts from a plain one."""

from dataclasses import replace

from torch import nn

from toon_core import presets
from train.engine.batches import SampleRNG
from train.engine.options import with_values
from train.losses.adversarial import Discriminator
from train.recipes.decoder import DecoderConfig, DecoderObjective
from train.recipes.decoder_init import start_decoder
from train.recipes.reconstruction import encode_clip

NANO = presets.nano()
PLAIN = presets.plain(NANO)
TINY = replace(
    NANO,
    unet=replace(NANO.unet, channel_mult=(1, 2), attention_resolutions=(2,)),
    clip=replace(NANO.clip, text_layers=2, vision_layers=2),
)


class Edges(nn.Module):
    """A trunk for a small perceptual loss."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, frames):
        return [self.conv(frames)]


def filled(module: nn.Module, std: float = 0.05) -> nn.Module:
    """No layer of it at zero, which would hide what comes before."""
    for p in module.parameters():
        if not p.any():
            nn.init.normal_(p, std=std)
    return module


def objectives(vae, variant="full", measure=None, **options):
    """The decoder's objective, its discriminator and the autoencoder; `options` by dotted names,
    with two underscores for a dot."""
    config = DecoderConfig(data="", out="", base="", variant=variant, disc_width=16)
    config = with_values(config, {k.replace("__", "."): v for k, v in options.items()})
    discriminator, started = Discriminator(config.disc_width), start_decoder(vae, variant)
    objective = DecoderObjective(started, config, 0.18215, measure, discriminator)
    return objective, discriminator, started


def decoded(vae, video):
    z, references = encode_clip(vae, video, SampleRNG(0, 0, range(len(video))))
    return vae.decode(z, references if vae.config.references else None)
