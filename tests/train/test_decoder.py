"""The decoder's recipe: its start, its gradients, what trains, and the files it makes."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from einops import rearrange
from PIL import Image
from safetensors import safe_open
from torch import nn
from toy_recipe import curve

import toon_core
from toon_core import presets
from toon_core.metrics.lpips import LPIPS
from toon_core.model import ToonModel
from toon_core.samplers import ddim
from toon_core.vae.autoencoder import Autoencoder
from toon_core.weights.save import save
from train import decoder
from train.autoencoder import encode_clip
from train.conditions import clip_moments
from train.decoder import DecoderConfig, adversary_of
from train.decoding import DecoderObjective
from train.engine.draws import Draws
from train.engine.history import History
from train.losses.diffusion import ends_only
from train.losses.perceptual import Perceptual
from train.redenoised import Redenoiser
from train.vae_start import VARIANTS, fold_post_quant, last_layer, start_decoder

ROOT = Path(__file__).parents[2]
PLAIN = presets.plain(presets.nano())
SHORT = ["height=64", "width=64", "frames=4", "batch=2", "workers=0", "threads=1", "device=cpu"]
SHORT += ["sheet_clips=1", "disc_width=16", "perceptual_frames=8"]


@pytest.fixture(scope="module")
def base_file(tmp_path_factory):
    """A complete random model with a plain decoder."""
    torch.manual_seed(3)
    model = ToonModel(PLAIN)
    with torch.no_grad():
        model.vae.post_quant_conv.bias.normal_()
    return save(model, tmp_path_factory.mktemp("base") / "base.safetensors")


@pytest.fixture
def vae():
    torch.manual_seed(4)
    return Autoencoder(PLAIN.vae)


@pytest.fixture
def batch():
    return {
        "video": torch.rand(2, 3, 4, 64, 64, generator=torch.Generator().manual_seed(5)) * 2 - 1
    }


class Edges(nn.Module):
    """A trunk for a small perceptual loss."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, frames):
        return [self.conv(frames)]


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


@pytest.mark.parametrize("variant", VARIANTS)
def test_it_starts_as_the_plain_decoder(vae, batch, variant):
    """Biases of `post_quant_conv` reach the border another way; elsewhere it is folded in."""
    video = batch["video"]
    with torch.no_grad():
        vae.post_quant_conv.bias.zero_()
        expected = decoded(vae, video)
        assert torch.allclose(decoded(start_decoder(vae, variant), video), expected, atol=1e-5)


def test_folding_is_exact_inside(vae):
    z = torch.randn(1, 4, 8, 8)
    expected = vae.decoder.conv_in(vae.post_quant_conv(z))
    fold_post_quant(vae)
    found = vae.decoder.conv_in(z)
    assert torch.allclose(found[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1], atol=1e-5)
    assert not torch.allclose(found, expected, atol=1e-3)


def test_a_random_time_mix_as_in_the_release_changes_the_colours(vae, batch):
    with torch.no_grad():
        fresh = decoded(start_decoder(vae, "full", identity_time_mix=False), batch["video"])
        assert not torch.allclose(fresh, decoded(vae, batch["video"]), atol=0.05)


def test_exactly_the_decoder_trains(vae):
    objective, _, started = objectives(vae)
    names = {k for k, p in objective.named_parameters() if p.requires_grad}
    assert names == {k for k in started.state_dict() if k.startswith("decoder.")}
    assert len(names) > len([k for k in vae.state_dict() if k.startswith("decoder.")])
    frozen = {k for k, p in started.named_parameters() if not p.requires_grad}
    assert frozen == {k for k in vae.state_dict() if not k.startswith("decoder.")}


def test_the_first_step_reaches_every_new_branch(vae, batch):
    objective, _, _ = objectives(vae, gan_start=0)
    loss, values = objective(batch, Draws(0, 0, range(2)))
    loss.backward()
    last = [k for k, _ in objective.named_parameters() if _is_last(k)]
    gradients = dict(objective.named_parameters())
    assert len(last) > 10
    assert all(gradients[k].grad.abs().max() > 0 for k in last)
    assert {"l1", "gan", "lambda_d"} == values.keys()


def _is_last(name):
    ends = ("out_layers.3.weight", "to_out.0.weight", "time_mix_conv.weight", "conv_out.weight")
    return name.endswith(ends) or ("attn_refinement" in name and name.endswith("conv.weight"))


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_loss_and_its_weight_by_hand(vae, batch, variant):
    """Equation 5 written out on one graph equals the objective, in value and in gradients."""
    torch.manual_seed(0)
    measure = Perceptual(LPIPS(Edges(), [torch.rand(8)]), "edges")
    options = {"gan_start": 0, "gan_weight": 0.5, "lambda_p": 0.3, "perceptual_frames": 3}
    objective, adversary, started = objectives(vae, variant, measure, **options)
    found, values = objective(batch, Draws(0, 0, range(2)))
    found.backward()
    gradients = {k: p.grad.clone() for k, p in started.decoder.named_parameters()}
    started.decoder.zero_grad()

    out, video = decoded(started, batch["video"]), batch["video"]
    frames, truth = (rearrange(x, "b c f h w -> (b f) c h w") for x in (out, video))
    rec = (out - video).abs().mean() + 0.3 * measure(frames, truth)
    gan = -adversary(out).mean()
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
    draws = Draws(0, 0, range(2))
    objective(batch, draws)[0].backward()
    assert all(p.grad is None for p in adversary.parameters())
    before = {k: p.grad.clone() for k, p in objective.named_parameters()}
    loss, values = adversary(batch, draws)
    loss.backward()
    assert all(p.grad.abs().max() > 0 for n, p in adversary.named_parameters() if "weight" in n)
    assert all(torch.equal(before[k], p.grad) for k, p in objective.named_parameters())
    assert values.keys() == {"real", "fake"}
    assert not adversary.pairs


def test_every_piece_of_a_batch_is_judged_once(vae, batch):
    objective, adversary, started = objectives(vae, gan_start=0)
    for i in range(2):
        objective({"video": batch["video"][i : i + 1]}, Draws(0, 0, [i]))
    video, out = adversary.pairs[1]
    assert torch.equal(video, batch["video"][1:])
    assert not out.requires_grad
    for i in range(2):
        adversary({"video": batch["video"][i : i + 1]}, Draws(0, 0, [i]))
    assert not adversary.pairs


def test_no_discriminator_before_its_start(vae, batch):
    objective, adversary, _ = objectives(vae, gan_start=2)
    early, late = ({"l1"}, {"l1", "gan", "lambda_d"})
    assert objective(batch, Draws(0, 1, range(2)))[1].keys() == early
    loss, _ = adversary(batch, Draws(0, 1, range(2)))
    loss.backward()
    assert loss.item() == 0
    assert all(p.grad.abs().max() == 0 for p in adversary.parameters())
    assert objective(batch, Draws(0, 2, range(2)))[1].keys() == late


@pytest.mark.parametrize("variant", ["full", "no_pseudo3d"])
def test_checkpointing_changes_no_gradient(vae, batch, variant):
    found = []
    objective, _, started = objectives(vae, variant, gan_start=0)
    for on in (False, True):
        started.decoder.checkpointing = on
        started.zero_grad()
        objective(batch, Draws(0, 0, range(2)))[0].backward()
        found.append([p.grad.clone() for p in started.decoder.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*found, strict=True))


def test_cached_latents_give_what_the_encoder_gives(vae, batch):
    objective, _, started = objectives(vae, gan_weight=0.0)
    loss, _ = objective(batch, Draws(0, 0, range(2)))
    moments = clip_moments(started, batch["video"])
    cached, _ = objective(batch | {"moments": moments}, Draws(0, 0, range(2)))
    other, _ = objective(batch | {"moments": 1.2 * moments}, Draws(0, 0, range(2)))
    assert cached.item() == pytest.approx(loss.item(), rel=1e-5) != other.item()


def test_lpips_of_drawn_frames_reaches_these_alone(vae, batch):
    torch.manual_seed(0)
    measure = Perceptual(LPIPS(Edges(), [torch.rand(8)]), "edges")

    def gradient(lambda_p):
        options = {"gan_weight": 0.0, "lambda_p": lambda_p, "perceptual_drawn": 1}
        objective, _, started = objectives(vae, "full", measure, **options)
        out, draws = decoded(started, batch["video"]).detach(), Draws(0, 0, range(2))
        return objective._reconstruction(out, batch["video"], draws)[1]

    changed = (gradient(1.0) - gradient(0.0)).abs().amax(dim=(1, 3, 4)) > 0
    assert changed.sum(dim=1).tolist() == [1, 1]


def test_noise_on_latents_is_of_the_given_strength_and_drawn_by_clip(vae, batch):
    trained = start_decoder(vae, "full")
    quiet, noisy = (
        DecoderObjective(trained, DecoderConfig(latent_noise=s), 0.18215, None, None)
        for s in (0.0, 0.3)
    )
    z = torch.zeros(2, 4, 16, 8, 8)
    assert torch.equal(quiet._disturbed(z, {}, Draws(0, 0, [0, 1])), z)
    found = [noisy._disturbed(z, {}, Draws(0, step, [0, 1])) for step in range(40)]
    strengths = torch.stack([x.std(dim=(1, 2, 3, 4)) for x in found]) * 0.18215
    assert strengths.max() < 0.33 and strengths.max() > 0.25 and strengths.min() < 0.05


@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_redenoised_latents_are_the_sampler_s_own(vae, batch, temperature):
    """A clip of n steps is what the pipeline's DDIM makes of it noised to where they begin."""
    torch.manual_seed(6)
    model = ToonModel(presets.nano()).eval()
    model.vae = vae
    batch = batch | {"prompt": ["a", "b"], "fs": torch.tensor([8, 12])}
    latents = torch.randn(2, 4, 4, 8, 8)
    remake = Redenoiser(model, 3, 8, temperature)
    index = next(i for i in range(99) if _differ(i))
    found = remake(latents.clone(), batch, Draws(0, index, range(2)))
    draws = Draws(0, index, range(2))
    steps = draws.integers(4).tolist()
    context, start = remake.tokens(batch, draws), temperature * draws.normal(4, 4, 8, 8)
    noises = [temperature * draws.normal(4, 4, 8, 8) for _ in range(3)][::-1]
    for clip, n in enumerate(steps):
        x, t = latents[clip : clip + 1], torch.tensor([remake.table.timesteps[n - 1]])
        ends = ends_only(x)
        if n:
            x = model.schedule.add_noise(x, start[clip : clip + 1], t)[0]
        for i in reversed(range(n)):
            given = torch.cat([x, ends], 1), torch.tensor([remake.table.timesteps[i]])
            v = model.unet(*given, context[clip : clip + 1], batch["fs"][clip : clip + 1])
            x = ddim.step(x, v, remake.table, i, noises[i][clip : clip + 1])[0]
        assert torch.allclose(found[clip : clip + 1], x, atol=1e-5)


def _differ(index):
    """Whether both clips of this step have steps, not as many."""
    first, second = Draws(0, index, range(2)).integers(4).tolist()
    return 0 < first != second > 0


def test_a_few_steps_lower_the_loss(vae, clip_folders):
    frames = [np.asarray(Image.open(p)) for p in sorted((clip_folders / "right").glob("*.png"))[:4]]
    video = torch.from_numpy(np.stack(frames)).float().permute(3, 0, 1, 2)[None] / 127.5 - 1
    video = video[..., 16:48, 16:48]
    objective, _, _ = objectives(vae, gan_weight=0.0, gan_start=99)
    optimizer = torch.optim.Adam(objective.parameters(), lr=2e-3)
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        loss, _ = objective({"video": video}, Draws(0, 0, [0]))
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]


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
        words = [*common, f"out={out}/{variant}", f"variant={variant}", "perceptual=none"]
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


def test_a_trained_decoder_is_gone_on_from_and_not_cut_down(trained, vae):
    done = toon_core.load(trained / "full" / "model.safetensors").vae
    again = start_decoder(done, "full")
    assert all(torch.equal(v, again.state_dict()[k]) for k, v in done.state_dict().items())
    with pytest.raises(ValueError, match="the base's decoder is already full"):
        start_decoder(done, "plain")
    with pytest.raises(ValueError, match="variant=half: expected one of full"):
        start_decoder(vae, "half")


@pytest.mark.parametrize(
    ("option", "reason"),
    [
        ("crop=60", "multiple of 8"),
        ("crop=128", "no larger than 64x64"),
        ("crop=16", "at least 32"),
        ("base=nowhere.safetensors", "no such file"),
        ("redenoise=16", "redenoise=16: expected 0 to redenoise_of=15"),
        ("perceptual=vgg", "vgg16"),
        ("checkpointing=true matching=0.1", "checkpointing=false"),
        ("variant=plain matching=0.1", "a decoder with references"),
    ],
)
def test_bad_options_are_refused_at_once(base_file, clip_folders, tmp_path, option, reason):
    words = [f"base={base_file}", f"data={clip_folders}", f"out={tmp_path}/x", *SHORT]
    with pytest.raises(ValueError, match=reason):
        decoder.main([*words, *option.split()])


def test_matching_adds_its_share_and_pulls_at_the_attention_alone_where_it_is_unused(vae, batch):
    draws = Draws(0, 0, [0, 1])
    shares = []
    for weight in (0.0, 0.5):
        objective, _, started = objectives(vae, lambda_p=0.0, gan_weight=0.0, matching=weight)
        loss, values = objective(batch, draws)
        loss.backward()
        shares.append(float(loss.detach()) - float(values["l1"]))
        query = started.decoder.attn_refinement[2].to_q.weight.grad
        assert query is None or bool(query.any()) == bool(weight), "its output projection is zero"
    assert shares[0] == 0
    assert shares[1] == pytest.approx(0.5 * float(values["matching"]), rel=1e-4) and shares[1] > 0


def test_its_parts_of_a_batch_stay_since_each_has_a_weight_of_its_own():
    begun, now = (DecoderConfig(data="", out="", batch=4, accumulate=n) for n in (1, 2))
    with pytest.raises(ValueError, match="begun with accumulate=1"):
        History(now, "").go_on(History(begun, "").state_dict() | {"step": 1})


def test_two_processes_follow_the_same_curve(base_file, clip_folders, tmp_path):
    """Losses, adaptive weights and the result of a run by one process and by two."""
    words = [
        f"base={base_file}",
        f"data={clip_folders}",
        "steps=2",
        "gan_start=0",
        "lr=1e-4",
        *SHORT,
    ]
    words += ["perceptual=none", "ema=0", "log_every=1"]
    decoder.main([*words, f"out={tmp_path}/one"])
    run = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*run, "-m", "train.decoder", *words, f"out={tmp_path}/two"],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    curves = [f"decoder/{k}" for k in ("loss", "l1", "gan", "lambda_d")]
    for name in (*curves, "discriminator/loss"):
        expected = curve(tmp_path / "one", name)
        assert len(expected) == 2
        assert curve(tmp_path / "two", name) == pytest.approx(expected, abs=1e-5, rel=0)
    norms = (curve(tmp_path / n, "decoder/grad_norm") for n in ("one", "two"))
    assert next(norms) == pytest.approx(next(norms), rel=1e-5)  # of 20: rounding alone is 1e-5
    one, two = (toon_core.load(tmp_path / n / "model.safetensors").vae for n in ("one", "two"))
    worst = max(
        (a - b).abs().max() for a, b in zip(one.parameters(), two.parameters(), strict=True)
    )
    assert worst < 1e-5
