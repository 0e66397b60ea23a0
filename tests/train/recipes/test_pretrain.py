"""An autoencoder that pretraining is given comes with the decoder that its file holds."""

from dataclasses import replace

import pytest
import torch

from toon_core import presets
from toon_core.vae.autoencoder import Autoencoder
from train.engine.config import RunConfig
from train.engine.export import save_part
from train.recipes.autoencoder import load_autoencoder
from train.recipes.decoder_init import start_decoder

NANO = presets.nano()


@pytest.mark.parametrize(
    ("variant", "nearness"),
    [("plain", False), ("no_pseudo3d", False), ("no_pseudo3d", True), ("full", True)],
)
def test_any_decoder_is_known_by_its_file(variant, nearness, tmp_path):
    torch.manual_seed(0)
    plain = Autoencoder(presets.plain(NANO).vae)
    vae = plain if variant == "plain" else start_decoder(plain, variant, nearness=nearness)
    path = tmp_path / "vae.safetensors"
    save_part(vae, path, "vae", RunConfig(data="", out=""), {})
    loaded = load_autoencoder(str(path), NANO)
    assert loaded.config == vae.config
    for name, tensor in vae.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)


def test_another_width_is_refused_by_name(tmp_path):
    path = tmp_path / "vae.safetensors"
    wide = replace(presets.plain(NANO).vae, ch=32)
    save_part(Autoencoder(wide), path, "vae", RunConfig(data="", out=""), {})
    with pytest.raises(ValueError, match="vae.safetensors: another shape than preset or shape"):
        load_autoencoder(str(path), NANO)
