"""`train.decoder` by its command line: the files it makes, and what it refuses."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors import safe_open
from small_models import PLAIN, TINY, decoded

import toon_core
from toon_core import presets
from toon_core.model import ToonModel
from toon_core.weights.save import save
from train import decoder
from train.engine.checkpoint import RunHistory
from train.engine.options import with_values
from train.recipes.decoder import DecoderConfig
from train.recipes.decoder_init import VARIANTS, start_decoder

PROCESS = ["run.workers=0", "run.threads=1", "run.device=cpu"]
SHORT = ["height=64", "width=64", "frames=4", "batch=2", *PROCESS]
SHORT += ["run.sheet_clips=1", "run.held_out=1", "disc_width=16"]


@pytest.fixture(scope="module")
def base_file(tmp_path_factory):
    """A complete random model with a plain decoder."""
    torch.manual_seed(3)
    model = ToonModel(presets.plain(TINY))
    with torch.no_grad():
        model.vae.post_quant_conv.bias.normal_()
    return save(model, tmp_path_factory.mktemp("base") / "base.safetensors")


@pytest.fixture(scope="module")
def trained(base_file, clip_folders, tmp_path_factory):
    """Two steps of every variant through the command line, the second with the discriminator."""
    out = tmp_path_factory.mktemp("decoders")
    common = [
        f"base={base_file}",
        f"data={clip_folders}",
        "steps=2",
        "gan_start=1",
        "lr=1e-3",
        *SHORT,
    ]
    for variant in VARIANTS:
        words = [*common, f"out={out}/{variant}", f"variant={variant}", "perceptual.net=none"]
        decoder.main(words)
    return out


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_result_is_a_complete_model(trained, base_file, variant):
    path = trained / variant / "model.safetensors"
    model, base = toon_core.load(path), toon_core.load(base_file)
    references, pseudo_3d = VARIANTS[variant]
    expected = replace(PLAIN.vae, references=references, pseudo_3d=pseudo_3d)
    assert model.config == replace(base.config, vae=expected)
    theirs, own = base.state_dict(), model.state_dict()
    same = {k for k in theirs if torch.equal(theirs[k], own[k])}
    changed = {k for k in theirs if k not in same}
    assert changed and all(k.startswith("vae.decoder.") for k in changed)
    video = torch.rand(1, 3, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        assert decoded(model.vae, video).isfinite().all()


def test_the_result_tells_how_it_was_made(trained):
    with safe_open(trained / "full" / "model.safetensors", "pt") as file:
        run = json.loads(file.metadata()["toontween.run"])
    beside = json.loads((trained / "full" / "model.json").read_text())
    for manifest in (run, beside):
        assert manifest["options"]["variant"] == "full"
        assert manifest["perceptual_network"] == "none"
        assert manifest["step"] == 2
    assert (trained / "full" / "sheets" / "step_00000002.png").is_file()


def test_a_trained_decoder_is_gone_on_from_and_not_cut_down(trained):
    done = toon_core.load(trained / "full" / "model.safetensors").vae
    again = start_decoder(done, "full")
    assert all(torch.equal(v, again.state_dict()[k]) for k, v in done.state_dict().items())
    with pytest.raises(ValueError, match="the base's decoder is already full"):
        start_decoder(done, "plain")


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("crop=60", "multiple of 8"),
        ("crop=128", "no larger than 64x64"),
        ("crop=16", "at least 32"),
        ("base=nowhere.safetensors", "no such file"),
        ("sdedit=7", "sdedit=7: the base samples in 6 steps"),
        ("perceptual.net=vgg", "vgg16"),
        ("run.checkpointing=true matching=0.1", "run.checkpointing=false"),
        ("variant=plain matching=0.1", "a decoder with references"),
        ("variant=half", "variant=half: expected full or no_pseudo3d or plain"),
        ("variant=plain nearness=true", "nearness needs a decoder with references"),
    ],
)
def test_bad_options_are_refused_at_once(base_file, clip_folders, tmp_path, option, reason):
    words = [f"base={base_file}", f"data={clip_folders}", f"out={tmp_path}/x", *SHORT]
    with pytest.raises(ValueError, match=reason):
        decoder.main([*words, *option.split()])


def test_its_parts_of_a_batch_stay_since_each_has_a_weight_of_its_own(tmp_path):
    config = DecoderConfig(data="", out="", batch=4)
    begun, now = (with_values(config, {"run.accumulate": n}) for n in (1, 2))
    before, after = (RunHistory(config, "", tmp_path / "none") for config in (begun, now))
    with pytest.raises(ValueError, match="begun with run.accumulate=1"):
        after.check_resume(before.state_dict() | {"step": 1})
