"""The distance of what an estimate of x0 decodes to, and the option that trains with it."""

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from toon_core.presets import nano, plain
from toon_core.schedule import Schedule
from toon_core.vae.autoencoder import Autoencoder
from train import autoencoder, pretrain
from train.engine.draws import Draws
from train.losses.decoded import DecodedDistance
from train.losses.diffusion import noised
from train.losses.perceptual import perceptual

SHORT = ["height=64", "width=64", "workers=0", "threads=1", "steps=1", "batch=1", "sheet_clips=1"]


@pytest.fixture(scope="module")
def vae():
    torch.manual_seed(0)
    return Autoencoder(plain(nano()).vae).requires_grad_(False).eval()


@pytest.fixture
def latents():
    return torch.randn(2, 4, 6, 8, 8, generator=torch.Generator().manual_seed(3))


def distance(vae, frames=2, side=4):
    return DecodedDistance(vae, perceptual("hed", "models"), 0.18215, frames, side)


def test_it_is_lpips_of_the_decoded_frames(vae, latents):
    """All inner frames, whole: nothing is left to chance."""
    other = latents.flip(0)
    found = distance(vae, frames=4, side=0)(latents, other, Draws(0, 0, [0, 1]))
    given, wanted = (
        vae.decode(x / 0.18215)[:, :, 1:-1].transpose(1, 2).flatten(0, 1) for x in (latents, other)
    )
    assert found.item() == pytest.approx(
        perceptual("hed", "models")(given, wanted).item(), rel=1e-4
    )
    assert found > 0.01
    assert distance(vae)(latents, latents, Draws(0, 0, [0, 1])).item() == pytest.approx(0, abs=1e-6)


def test_only_a_square_of_the_drawn_inner_frames_is_pulled(vae, latents):
    estimate = latents.flip(0).requires_grad_()
    truth = latents.clone().requires_grad_()
    distance(vae)(estimate, truth, Draws(0, 0, [0, 1])).backward()
    assert truth.grad is None
    touched = estimate.grad.abs().sum(1) > 0
    assert not touched[:, 0].any() and not touched[:, -1].any()
    for clip in touched:
        frames = clip.flatten(1).any(1)
        assert frames.sum() == 2
        assert (clip[frames].flatten(1).sum(1) == 16).all()


def test_steps_along_its_gradient_bring_the_pictures_nearer(vae, latents):
    measure, draws = distance(vae, frames=4, side=0), lambda: Draws(0, 0, [0, 1])
    estimate = latents.flip(0).requires_grad_()
    optimizer = torch.optim.Adam([estimate], lr=0.05)
    before = measure(estimate, latents, draws()).item()
    for _ in range(8):
        optimizer.zero_grad()
        measure(estimate, latents, draws()).backward()
        optimizer.step()
    assert measure(estimate, latents, draws()).item() < 0.8 * before


def test_x0_of_the_true_v_is_what_was_noised(latents):
    schedule = Schedule(nano().schedule)
    for step in range(5):
        x_t, v, t = noised(schedule, latents, Draws(0, step, [0, 1]), shift=3.0)
        torch.testing.assert_close(schedule.x0(x_t, v, t), latents, rtol=1e-4, atol=1e-4)


def test_an_autoencoder_with_references_is_refused():
    with pytest.raises(ValueError, match=r"lambda_p.*train\.decoder afterwards"):
        distance(Autoencoder(nano().vae))


@pytest.mark.parametrize("wrong", ["perceptual_crop=12", "perceptual=none", "perceptual_crop=128"])
def test_options_that_cannot_be_are_refused_first(trained, clip_folders, tmp_path, wrong):
    words = [f"data={clip_folders}", f"autoencoder={trained}", f"out={tmp_path}/run", "lambda_p=1"]
    with pytest.raises(ValueError, match="give a network, and a multiple of 8"):
        pretrain.main([*words, wrong, *SHORT])


@pytest.fixture(scope="module")
def trained(clip_folders, tmp_path_factory):
    out = tmp_path_factory.mktemp("autoencoder")
    autoencoder.main([f"data={clip_folders}", f"out={out}", "warmup=0", *SHORT])
    return out / "autoencoder.safetensors"


def test_pretrain_adds_it_to_its_loss(trained, clip_folders, tmp_path):
    def curve(name, *words):
        words = (f"data={clip_folders}", f"autoencoder={trained}", f"out={tmp_path / name}", *words)
        pretrain.main([*words, "sheet_steps=1", "log_every=1", *SHORT])
        log = EventAccumulator(str(tmp_path / name / "log")).Reload()
        return {tag: log.Scalars(tag)[-1].value for tag in log.Tags()["scalars"]}

    bare, full = curve("bare"), curve("full", "lambda_p=0.5", "perceptual_crop=32")
    assert "lpips" not in bare and full["lpips"] > 0
    assert full["loss"] == pytest.approx(bare["loss"] + 0.5 * full["lpips"], rel=1e-4)


def test_pretrain_on_its_own_samples_takes_both(trained, clip_folders, tmp_path):
    given = [f"data={clip_folders}", f"autoencoder={trained}", "sheet_steps=1", *SHORT]
    words = ["unrolled=2", "lambda_p=0.5", "perceptual_crop=32"]
    pretrain.main([*given, f"out={tmp_path}", *words])
    assert (tmp_path / "model.safetensors").is_file()
    for wrong in ("unrolled=-1", "unrolled_temperature=1.5"):
        with pytest.raises(ValueError, match=wrong):
            pretrain.main([*given, f"out={tmp_path}/other", *words, wrong])
    sharded = pretrain.PretrainConfig(data="", out="", unrolled=2, fsdp=True)
    with pytest.raises(ValueError, match=r"unrolled.*fsdp"):
        pretrain.objective_of(sharded, None, None)
