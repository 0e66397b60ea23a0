"""The decoder at its start: it decodes as the plain one does, and every new branch learns."""

import pytest
import torch
from small_models import decoded, objectives

from train.engine.batches import SampleRNG
from train.recipes.decoder_init import VARIANTS, fold_post_quant, start_decoder


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


def test_exactly_the_decoder_trains(vae):
    objective, _, started = objectives(vae)
    names = {k for k, p in objective.named_parameters() if p.requires_grad}
    assert names == {k for k in started.state_dict() if k.startswith("decoder.")}
    assert len(names) > len([k for k in vae.state_dict() if k.startswith("decoder.")])
    frozen = {k for k, p in started.named_parameters() if not p.requires_grad}
    assert frozen == {k for k in vae.state_dict() if not k.startswith("decoder.")}


def test_the_first_step_reaches_every_new_branch(vae, batch):
    objective, _, _ = objectives(vae, gan_start=0)
    loss, values = objective(batch, SampleRNG(0, 0, range(2)))
    loss.backward()
    last = [k for k, _ in objective.named_parameters() if _is_last(k)]
    gradients = dict(objective.named_parameters())
    assert len(last) > 10
    assert all(gradients[k].grad.abs().max() > 0 for k in last)
    assert {"l1", "gan", "lambda_d"} == values.keys()


def _is_last(name):
    ends = ("out_layers.3.weight", "to_out.0.weight", "time_mix_conv.weight", "conv_out.weight")
    return name.endswith(ends) or ("attn_refinement" in name and name.endswith("conv.weight"))
