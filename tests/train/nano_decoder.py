"""Nano's shape with a plain decoder, and the objective of a decoder that starts from one."""

from toon_core import presets
from train.autoencoder import encode_clip
from train.decoder import DecoderConfig, adversary_of
from train.decoding import DecoderObjective
from train.engine.draws import Draws
from train.vae_start import start_decoder

PLAIN = presets.plain(presets.nano())


def objectives(vae, variant="full", measure=None, **options):
    config = DecoderConfig(
        data="", out="", base="", variant=variant, disc_width=16, disc_layers=2, **options
    )
    adversary = adversary_of(config)
    started = start_decoder(vae, variant)
    return DecoderObjective(started, config, 0.18215, measure, adversary), adversary, started


def decoded(vae, video):
    z, references = encode_clip(vae, video, Draws(0, 0, range(len(video))))
    return vae.decode(z, references if vae.config.references else None)
