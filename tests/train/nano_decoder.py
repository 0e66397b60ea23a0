"""Nano's shape with a plain decoder, and the objective of a decoder that starts from one."""

from toon_core import presets
from train.engine.batches import SampleRNG
from train.engine.options import with_values
from train.losses.adversarial import Discriminator
from train.recipes.autoencoder import encode_clip
from train.recipes.decoder import DecoderConfig, DecoderObjective
from train.recipes.decoder_init import start_decoder

PLAIN = presets.plain(presets.nano())


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
