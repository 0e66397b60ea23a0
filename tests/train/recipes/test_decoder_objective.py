"""The decoder's objective (paper eq. 5) and its discriminator's, in values and in gradients."""

import numpy as np
import pytest
import torch
from einops import rearrange
from PIL import Image
from small_models import Edges, decoded, objectives

from toon_core.metrics.networks.lpips import LPIPS
from train.engine.batches import SampleRNG
from train.losses.perceptual import Perceptual
from train.recipes import decoder
from train.recipes.decoder_init import VARIANTS, last_layer


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_loss_and_its_weight_by_hand(vae, batch, variant, monkeypatch):
    """Equation 5 written out on one graph equals the objective, in value and in gradients."""
    monkeypatch.setattr(decoder, "LPIPS_AT_ONCE", 3)
    torch.manual_seed(0)
    measure = Perceptual(LPIPS(Edges(), [torch.rand(8)]), "edges")
    options = {"gan_start": 0, "gan_weight": 0.5, "perceptual__weight": 0.3}
    objective, adversary, started = objectives(vae, variant, measure, **options)
    found, values = objective(batch, SampleRNG(0, 0, range(2)))
    found.backward()
    gradients = {k: p.grad.clone() for k, p in started.decoder.named_parameters()}
    started.decoder.zero_grad()

    out, video = decoded(started, batch["video"]), batch["video"]
    frames, truth = (rearrange(x, "b c f h w -> (b f) c h w") for x in (out, video))
    rec = (out - video).abs().mean() + 0.3 * measure(frames, truth)
    gan = adversary.generator_loss(out)
    norms = [torch.autograd.grad(x, last_layer(started), retain_graph=True)[0] for x in (rec, gan)]
    weight = 0.5 * norms[0].norm() / (norms[1].norm() + 1e-6)
    loss = rec + weight * gan
    loss.backward()
    assert values["lambda_d"].item() == pytest.approx(weight.item(), rel=1e-4)
    assert found.item() == pytest.approx(loss.item(), rel=1e-4)
    for name, parameter in started.decoder.named_parameters():
        scale = parameter.grad.abs().max()
        assert torch.allclose(gradients[name], parameter.grad, atol=1e-4 * scale + 1e-8), name


def test_decoder_and_discriminator_leave_each_other_alone(vae, batch):
    objective, adversary, _ = objectives(vae, gan_start=0)
    draws = SampleRNG(0, 0, range(2))
    objective(batch, draws)[0].backward()
    assert all(p.grad is None for p in adversary.parameters())
    before = {k: p.grad.clone() for k, p in objective.named_parameters()}
    loss, values = adversary(batch, draws)
    loss.backward()
    assert all(p.grad.abs().max() > 0 for n, p in adversary.named_parameters() if "weight" in n)
    assert all(torch.equal(before[k], p.grad) for k, p in objective.named_parameters())
    assert values.keys() == {"real", "fake"}
    assert not adversary._pairs


def test_every_part_of_a_batch_is_judged_once(vae, batch):
    objective, adversary, started = objectives(vae, gan_start=0)
    for i in range(2):
        objective({"video": batch["video"][i : i + 1]}, SampleRNG(0, 0, [i]))
    video, out = adversary._pairs[1]
    assert torch.equal(video, batch["video"][1:])
    assert not out.requires_grad
    for i in range(2):
        adversary({"video": batch["video"][i : i + 1]}, SampleRNG(0, 0, [i]))
    assert not adversary._pairs


def test_no_discriminator_before_its_start(vae, batch):
    objective, adversary, _ = objectives(vae, gan_start=2)
    early, late = ({"l1"}, {"l1", "gan", "lambda_d"})
    assert objective(batch, SampleRNG(0, 1, range(2)))[1].keys() == early
    loss, _ = adversary(batch, SampleRNG(0, 1, range(2)))
    loss.backward()
    assert loss.item() == 0
    assert all(p.grad.abs().max() == 0 for p in adversary.parameters())
    assert objective(batch, SampleRNG(0, 2, range(2)))[1].keys() == late


@pytest.mark.parametrize("variant", ["full", "no_pseudo3d"])
def test_checkpointing_changes_no_gradient(vae, batch, variant):
    found = []
    objective, _, started = objectives(vae, variant, gan_start=0)
    for on in (False, True):
        started.decoder.checkpointing = on
        started.zero_grad()
        objective(batch, SampleRNG(0, 0, range(2)))[0].backward()
        found.append([p.grad.clone() for p in started.decoder.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_lpips_of_drawn_frames_reaches_these_alone(vae, batch):
    torch.manual_seed(0)
    measure = Perceptual(LPIPS(Edges(), [torch.rand(8)]), "edges")

    def gradient(weight):
        options = {"gan_weight": 0.0, "perceptual__weight": weight, "perceptual__frames": 1}
        objective, _, started = objectives(vae, "full", measure, **options)
        out, draws = decoded(started, batch["video"]).detach(), SampleRNG(0, 0, range(2))
        return objective._reconstruction(out, batch["video"], draws)[1]

    changed = (gradient(1.0) - gradient(0.0)).abs().amax(dim=(1, 3, 4)) > 0
    assert changed.sum(dim=1).tolist() == [1, 1]


def test_a_few_steps_lower_the_loss(vae, clip_folders):
    frames = [np.asarray(Image.open(p)) for p in sorted((clip_folders / "right").glob("*.png"))[:4]]
    video = torch.from_numpy(np.stack(frames)).float().permute(3, 0, 1, 2)[None] / 127.5 - 1
    video = video[..., 16:48, 16:48]
    objective, _, _ = objectives(vae, gan_weight=0.0, gan_start=99)
    optimizer = torch.optim.Adam(objective.parameters(), lr=2e-3)
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        loss, _ = objective({"video": video}, SampleRNG(0, 0, [0]))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


def test_matching_adds_its_share_and_pulls_at_the_attention_alone_where_it_is_unused(vae, batch):
    draws = SampleRNG(0, 0, [0, 1])
    shares = []
    for weight in (0.0, 0.5):
        objective, _, started = objectives(
            vae, perceptual__weight=0.0, gan_weight=0.0, matching=weight
        )
        loss, values = objective(batch, draws)
        loss.backward()
        shares.append(float(loss.detach()) - float(values["l1"]))
        query = started.decoder.attn_refinement[2].to_q.weight.grad
        assert query is None or bool(query.any()) == bool(weight), "its output projection is zero"
    assert shares[0] == 0
    assert shares[1] == pytest.approx(0.5 * float(values["matching"]), rel=1e-4) and shares[1] > 0
