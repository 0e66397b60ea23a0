"""The latents that a decoder learns from: stored, disturbed, and made again by a denoiser."""

from dataclasses import replace

import pytest
import torch
from small_models import objectives

from toon_core import presets
from toon_core.model import ToonModel
from toon_core.samplers import ddim
from train.engine.batches import SampleRNG
from train.losses.diffusion import endpoint_condition
from train.recipes.conditioning import clip_moments
from train.recipes.decoder import DecoderConfig, DecoderObjective
from train.recipes.decoder_init import start_decoder
from train.recipes.sdedit import SDEdit


def test_cached_latents_give_what_the_encoder_gives(vae, batch):
    objective, _, started = objectives(vae, gan_weight=0.0)
    loss, _ = objective(batch, SampleRNG(0, 0, range(2)))
    moments = clip_moments(started, batch["video"])
    cached, _ = objective(batch | {"moments": moments}, SampleRNG(0, 0, range(2)))
    other, _ = objective(batch | {"moments": 1.2 * moments}, SampleRNG(0, 0, range(2)))
    assert cached.item() == pytest.approx(loss.item(), rel=1e-5) != other.item()


def test_noise_on_latents_is_of_the_given_strength_and_drawn_by_clip(vae, batch):
    trained = start_decoder(vae, "full")
    quiet, noisy = (
        DecoderObjective(
            trained, DecoderConfig(data="", out="", latent_noise=s), 0.18215, None, None
        )
        for s in (0.0, 0.3)
    )
    z = torch.zeros(2, 4, 16, 8, 8)
    assert torch.equal(quiet._perturb(z, {}, SampleRNG(0, 0, [0, 1])), z)
    found = [noisy._perturb(z, {}, SampleRNG(0, step, [0, 1])) for step in range(40)]
    strengths = torch.stack([x.std(dim=(1, 2, 3, 4)) for x in found]) * 0.18215
    assert strengths.max() < 0.33 and strengths.max() > 0.25 and strengths.min() < 0.05


@pytest.mark.parametrize("temperature", [1.0, 0.3])
def test_latents_that_sdedit_makes_are_the_sampler_s_own(vae, batch, temperature):
    """A clip of n steps is what the pipeline's DDIM makes of it noised to where they begin."""
    torch.manual_seed(6)
    model = ToonModel(presets.nano()).eval()
    model.vae = vae
    recipe = replace(model.config.recipe, steps=8, temperature=temperature)
    model.config = replace(model.config, recipe=recipe)
    batch = batch | {"prompt": ["a", "b"], "fs": torch.tensor([8, 12])}
    latents = torch.randn(2, 4, 4, 8, 8)
    sdedit = SDEdit(model, 3)
    index = next(i for i in range(99) if _differ(i))
    found = sdedit(latents.clone(), batch, SampleRNG(0, index, range(2)))
    draws = SampleRNG(0, index, range(2))
    steps = draws.integers(4).tolist()
    context, start = sdedit.tokens(batch, draws), temperature * draws.normal(4, 4, 8, 8)
    noises = [temperature * draws.normal(4, 4, 8, 8) for _ in range(3)][::-1]
    for clip, n in enumerate(steps):
        x, t = latents[clip : clip + 1], torch.tensor([sdedit.table.timesteps[n - 1]])
        ends = endpoint_condition(x)
        if n:
            x = model.schedule.add_noise(x, start[clip : clip + 1], t)[0]
        for i in reversed(range(n)):
            given = torch.cat([x, ends], 1), torch.tensor([sdedit.table.timesteps[i]])
            v = model.unet(*given, context[clip : clip + 1], batch["fs"][clip : clip + 1])
            x = ddim.step(x, v, sdedit.table, i, noises[i][clip : clip + 1])[0]
        assert torch.allclose(found[clip : clip + 1], x, atol=1e-5)


def _differ(index):
    """Whether both clips of this step have steps, not as many."""
    first, second = SampleRNG(0, index, range(2)).integers(4).tolist()
    return 0 < first != second > 0
