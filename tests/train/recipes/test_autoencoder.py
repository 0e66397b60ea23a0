"""The plain autoencoder's recipe: its start, its scale, what it goes on from."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from toy_recipe import same

from toon_core import presets
from toon_core.model import ToonModel
from toon_core.vae.autoencoder import Autoencoder
from toon_core.vae.blocks import ResBlock
from toon_core.weights.save import save
from train.autoencoder import main
from train.engine import checkpoint
from train.engine.batches import SampleRNG
from train.losses.perceptual import PerceptualConfig
from train.recipes import autoencoder
from train.recipes.autoencoder import AutoencoderConfig, AutoencoderObjective, AutoencoderRecipe
from train.recipes.decoder_init import start_as_resize, start_identity
from train.recipes.reconstruction import noise_like

PLAIN = presets.plain(presets.nano())
PROCESS = ["run.workers=0", "run.threads=1", "run.device=cpu", "run.sheet_clips=1"]
SHORT = ["height=64", "width=64", "frames=4", "batch=1", *PROCESS]
SHORT += ["steps=1"]


@pytest.fixture(scope="module")
def run(clip_folders, tmp_path_factory):
    """run(name, *options) -> the folder of a run by the command line."""
    out = tmp_path_factory.mktemp("autoencoders")

    def start(name, *options):
        main([f"data={clip_folders}", f"out={out}/{name}", *SHORT, *options])
        return out / name

    return start


@pytest.fixture(scope="module")
def first(run):
    return run("first", "crop=32", "perceptual.weight=0.1", "perceptual.net=hed")


def test_a_run_leaves_one_part_and_tells_how_it_was_made(first):
    vae = Autoencoder(PLAIN.vae)
    vae.load_state_dict(load_file(first / "autoencoder.safetensors"))
    manifest = json.loads((first / "autoencoder.json").read_text())
    assert manifest["perceptual_network"].startswith("LPIPS-HED")
    assert manifest["options"]["crop"] == 32
    assert (first / "sheets" / "step_00000001.png").is_file()


def test_without_sheets_it_is_calibrated_on_clips_of_training(run):
    folder = run("blind", "run.sheet_clips=0")
    manifest = json.loads((folder / "autoencoder.json").read_text())
    assert not (folder / "sheets").exists() and "psnr_held_out" not in manifest
    assert (folder / "autoencoder.safetensors").is_file()


def test_latents_are_calibrated_for_the_scale_of_the_shape(run, tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(autoencoder, "calibrate", lambda vae, video, scale: seen.append(scale))
    other = replace(PLAIN, scale_factor=0.25)
    (tmp_path / "shape.yaml").write_text(json.dumps(other.to_dict()))
    run("other", f"shape={tmp_path}/shape.yaml")
    base = save(ToonModel(other), tmp_path / "model.safetensors")
    run("more", f"base={base}")
    assert seen == [0.25, 0.25]


def test_checkpointing_computes_the_decoder_again_to_the_same_gradients(run, monkeypatch):
    counts, forward = [], ResBlock.forward

    def counted(block, *given):
        counts[-1] += torch.is_grad_enabled()
        return forward(block, *given)

    monkeypatch.setattr(ResBlock, "forward", counted)
    monkeypatch.setattr(AutoencoderRecipe, "export", lambda *_: None)
    weights = []
    for on in ("false", "true"):
        counts.append(0)
        folder = run(f"checkpointing-{on}", f"run.checkpointing={on}", "crop=32")
        weights.append(checkpoint.load_latest(folder / "checkpoints")["objectives"])
    assert counts[1] > counts[0] and same(*weights)


def test_it_goes_on_from_a_part_and_from_a_model(first, run, tmp_path):
    part = load_file(first / "autoencoder.safetensors")
    model = ToonModel(PLAIN)
    model.vae.load_state_dict(part)
    save(model, tmp_path / "model.safetensors")
    for name in (first / "autoencoder.safetensors", tmp_path / "model.safetensors"):
        config = AutoencoderConfig(data="", out="", base=str(name))
        state = autoencoder.initial_autoencoder(config)[0].state_dict()
        assert all(torch.equal(state[k], part[k]) for k in part)


def test_a_base_that_does_not_fit_is_refused(first, tmp_path):
    (tmp_path / "wide.yaml").write_text(json.dumps({"vae": {"ch": 32, "norm_groups": 2}}))
    config = AutoencoderConfig(
        data="",
        out="",
        base=str(first / "autoencoder.safetensors"),
        shape=str(tmp_path / "wide.yaml"),
    )
    with pytest.raises(ValueError, match="another shape"):
        autoencoder.initial_autoencoder(config)
    path = save(ToonModel(presets.nano()), tmp_path / "dual.safetensors")
    with pytest.raises(ValueError, match="decoder is not plain"):
        autoencoder.initial_autoencoder(AutoencoderConfig(data="", out="", base=str(path)))


@pytest.mark.parametrize("option", ["crop=60", "crop=128"])
def test_a_crop_that_does_not_fit_is_refused(run, option):
    with pytest.raises(ValueError, match="multiple of 8, no larger than 64x64"):
        run("wrong", option)


@pytest.mark.parametrize("identity", [True, False])
def test_calibration_changes_latents_and_no_picture(identity):
    torch.manual_seed(0)
    vae = Autoencoder(PLAIN.vae)
    if identity:
        start_identity(vae.post_quant_conv)
    before_it = vae.post_quant_conv.weight.clone()
    video = torch.rand(2, 3, 2, 32, 32) * 2 - 1
    flat = video.permute(0, 2, 1, 3, 4).flatten(0, 1)
    before = vae.decode(vae.encode(flat).mean.unsqueeze(2))
    autoencoder.calibrate(vae, video, 0.3)
    mean = vae.encode(flat).mean
    assert torch.allclose((0.3 * mean).std(dim=(0, 2, 3)), torch.ones(4), atol=1e-4)
    assert torch.allclose(vae.decode(mean.unsqueeze(2)), before, atol=1e-4)
    assert torch.equal(vae.post_quant_conv.weight, before_it) == identity


def test_it_starts_as_little_more_than_a_resize():
    torch.manual_seed(0)
    vae = Autoencoder(PLAIN.vae)
    start_as_resize(vae)
    level, images = vae.encoder.down[0], torch.rand(1, 3, 32, 32)
    x = vae.encoder.conv_in(images)
    assert torch.equal(level.block[0](x), x)
    halved = torch.nn.functional.avg_pool2d(x, 2)
    assert torch.allclose(level.downsample(x), halved, atol=1e-5)
    up = vae.decoder.up[1].upsample
    h = torch.rand(1, up.conv.in_channels, 4, 4)
    assert torch.allclose(up(h), torch.nn.functional.interpolate(h, scale_factor=2.0))
    assert vae.encode(images).std.log().mean().item() == pytest.approx(-3, abs=0.5)


def test_lpips_is_an_option_and_trains_nothing():
    torch.manual_seed(0)
    vae = Autoencoder(PLAIN.vae)
    batch = {"video": torch.rand(1, 3, 4, 32, 32) * 2 - 1}
    config = AutoencoderConfig(data="", out="", perceptual=PerceptualConfig(weight=0.5))

    def blur(out, truth):
        return (out.mean() - truth.mean()).square() + 3

    plain = AutoencoderObjective(vae, config, None)
    both = AutoencoderObjective(vae, config, blur)
    draws = [SampleRNG(0, 0, [0]) for _ in range(2)]
    without, with_it = plain(batch, draws[0]), both(batch, draws[1])
    difference = with_it[0] - without[0]
    assert difference.item() == pytest.approx(0.5 * with_it[1]["lpips"].item(), rel=1e-4)
    assert {n for n, _ in both.named_parameters()} == {n for n, _ in plain.named_parameters()}


def test_noise_on_latents_is_as_strong_as_asked_and_each_clip_s_own():
    z = torch.randn(6, 4, 16, 16) * torch.tensor([1.0, 1, 1, 5, 5, 5])[:, None, None, None]
    draws = [SampleRNG(0, 0, [3, 4]) for _ in range(2)]
    added = (
        (autoencoder.with_noise(z, 0.5, draws[0]) - z).unflatten(0, (2, 3)).std(dim=(1, 2, 3, 4))
    )
    expected = 0.5 * draws[1].uniform() * torch.tensor([1.0, 5.0])
    assert torch.allclose(added, expected, rtol=0.05)
    assert autoencoder.with_noise(z, 0.0, draws[0]) is z


def test_halved_latents_are_held_to_halved_pictures(monkeypatch):
    """Loss of clips that are all halved, by hand; a share takes clips as its draws say."""
    torch.manual_seed(0)
    vae = Autoencoder(PLAIN.vae)
    batch = {"video": torch.rand(2, 3, 2, 32, 32) * 2 - 1}
    monkeypatch.setattr(autoencoder, "KL", 0.0)
    given = {"data": "", "out": "", "images": 1}

    def loss(index, **options):
        drawn = SampleRNG(0, index, range(2))
        config = AutoencoderConfig(**given, **options)
        return AutoencoderObjective(vae, config, None)(batch, drawn)[0].item()

    found = loss(0, halved=1.0)
    drawn = SampleRNG(0, 0, range(2))
    picked = drawn.order(2)[:, :1]
    images = torch.stack([c[:, o] for c, o in zip(batch["video"], picked, strict=True)])[:, :, 0]
    posterior = vae.encode(images)
    z = posterior.sample(noise_like(posterior.mean, drawn))
    small, truth = (torch.nn.functional.avg_pool2d(x, 2) for x in (z, images))
    out = vae.decode(small.unsqueeze(2)).squeeze(2)
    assert found == pytest.approx(autoencoder.reconstruction_loss(out, truth).item(), rel=1e-5)
    mixed = [loss(index, halved=0.5) for index in range(8)]
    ends = [{loss(index, halved=h) for h in (0.0, 1.0)} for index in range(8)]
    assert any(value not in end for value, end in zip(mixed, ends, strict=True))
