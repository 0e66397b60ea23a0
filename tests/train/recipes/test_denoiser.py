"""The denoiser's and the sketch encoder's objectives (paper eq. 2 and 6), written out by hand."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from small_models import TINY, filled
from torch import Tensor, nn

from toon_core.conditioning.preprocess import clip_pixels
from toon_core.model import ToonModel
from toon_core.presets import sketch_for
from toon_core.sketch.encoder import SketchEncoder
from train.engine.batches import SampleRNG
from train.recipes import sketch
from train.recipes.conditioning import ContextEncoder, dropped
from train.recipes.denoiser import FIRST, TIMES, DenoiserObjective, held_out_errors, set_dropout
from train.recipes.pretrain import PretrainConfig, PretrainObjective
from train.recipes.rectify import RectifyConfig
from train.recipes.sketch import SketchObjective, SketchTrainConfig

CLIPS, FRAMES = 3, 4
FILES = {"data": "", "out": "", "base": ""}


@pytest.fixture(scope="module")
def model() -> ToonModel:
    torch.manual_seed(0)
    return filled(ToonModel(TINY)).requires_grad_(False).eval()


@pytest.fixture
def batch() -> dict:
    generator = torch.Generator().manual_seed(1)
    video = torch.rand(CLIPS, 3, FRAMES, 64, 64, generator=generator) * 2 - 1
    sketches = torch.rand(CLIPS, 1, FRAMES, 64, 64, generator=generator)
    return {
        "video": video,
        "sketches": sketches,
        "prompt": ["a box", "a fox", "an owl"],
        "fs": [8, 12, 24],
    }


def seen(module: nn.Module) -> tuple[list, dict]:
    """What its calls from now on are given, of the last one: positional ones and by name."""
    args: list = []
    named: dict = {}

    def note(_: nn.Module, given: tuple, by_name: dict) -> None:
        args[:] = given
        named.update(by_name)

    module.register_forward_pre_hook(note, with_kwargs=True)
    return args, named


def test_the_denoiser_s_loss_is_equation_2(model: ToonModel, batch: dict) -> None:
    """v of the rescaled latents, [x_t, ends], the rate, and conditions that are dropped by u."""
    objective = DenoiserObjective(model, RectifyConfig(drop=1 / 3, **FILES), train_towers=False)
    given, named = seen(model.unet)
    step = next(s for s in range(99) if _all_kinds(s))
    loss, _ = objective(batch, SampleRNG(5, step, range(CLIPS)))
    x_in, t_in, context_in, fs_in = given

    draws, video = SampleRNG(5, step, range(CLIPS)), batch["video"]
    noise = draws.normal(FRAMES, 4, 8, 8)
    frames = []
    for clip, clip_noise in zip(video, noise, strict=True):
        posteriors = [model.vae.encode(clip[None, :, f]) for f in range(FRAMES)]
        z = [p.mean + p.std * n for p, n in zip(posteriors, clip_noise, strict=True)]
        frames.append(torch.cat(z).movedim(0, 1))
    z = 0.18215 * torch.stack(frames)
    t, eps = draws.integers(1000), draws.normal(4, FRAMES, 8, 8)
    rescaled = torch.tensor([max(0.7, 1 - 0.3 * s / 399) for s in t.tolist()])
    a = torch.from_numpy(model.schedule.alphas_cumprod)[t].sqrt().float()
    signal, a = (x.view(-1, 1, 1, 1, 1) for x in (rescaled, a))
    signal = signal * z
    b = (1 - a.square()).sqrt()
    x_t, v = a * signal + b * eps, a * eps - b * signal
    ends = torch.zeros_like(z)
    ends[:, :, [0, -1]] = z[:, :, [0, -1]]
    u = draws.uniform()
    prompts = ["" if x < 2 / 3 else p for x, p in zip(u.tolist(), batch["prompt"], strict=True)]
    first = video[:, :, 0] * (u < 1 / 3).view(-1, 1, 1, 1)
    image = model.resampler(model.image(clip_pixels(first, model.image.image_size)))
    context = torch.cat([model.text(prompts), image], dim=1)

    torch.testing.assert_close(x_in, torch.cat([x_t, ends], dim=1), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(context_in, context, rtol=1e-4, atol=1e-5)
    assert torch.equal(t_in, t) and fs_in.tolist() == batch["fs"] and not named
    out = model.unet(torch.cat([x_t, ends], dim=1), t, context, torch.tensor(batch["fs"]))
    assert loss.item() == pytest.approx((out - v).square().mean().item(), rel=1e-4)


def test_a_share_of_the_clips_is_at_the_first_step_of_sampling(model: ToonModel) -> None:
    """Where x_t is noise alone, of any strength; the others are as without the share."""
    n = 400
    z = torch.randn(n, 4, 2, 2, 2, generator=torch.Generator().manual_seed(1))
    added = {}
    for share in (0.0, 0.3, 1.0):
        config = PretrainConfig(first_step=share, data="", out="")
        objective = PretrainObjective(model, config, train_towers=False)
        added[share] = objective._add_noise(z, SampleRNG(5, 0, range(n)))
    x_t, v, t = added[0.3]
    chosen = t == FIRST
    assert chosen.float().mean() == pytest.approx(0.3, abs=0.07)
    for found, without in zip(added[0.3], added[0.0], strict=True):
        assert torch.equal(found[~chosen], without[~chosen])
    strength = x_t[chosen].flatten(1).std(1)
    assert strength.min() < 0.2 and strength.max() > 0.8  # of 0 to 1
    torch.testing.assert_close(v[chosen], -0.7 * z[chosen])  # the signal that is left out of x_t
    assert (added[1.0][2] == FIRST).all()


def _all_kinds(step: int) -> bool:
    """Whether of the three clips one loses its prompt, one its image and one both at this step,
    and one has a timestep where the rescale is between its ends."""
    draws = SampleRNG(5, step, range(CLIPS))
    draws.normal(FRAMES, 4, 8, 8)
    t = draws.integers(1000)
    draws.normal(4, FRAMES, 8, 8)
    kinds = {int(3 * u) for u in draws.uniform().tolist()}
    return kinds == {0, 1, 2} and bool(((t > 50) & (t < 350)).any())


def test_conditions_are_dropped_in_the_base_s_shares() -> None:
    """5 % without prompt, 5 % without image, 5 % without either."""
    no_prompt, grey = dropped(SampleRNG(0, 0, range(20_000)), 0.05)
    pairs = list(zip(no_prompt, grey, strict=True))
    for which in ((True, False), (False, True), (True, True)):
        assert pairs.count(which) / len(pairs) == pytest.approx(0.05, abs=0.006)


def test_the_held_out_loss_is_the_same_each_time(model: ToonModel, batch: dict) -> None:
    """Without dropout of weights or conditions; training goes on as before."""
    config = RectifyConfig(drop=0.3, dropout=0.5, **FILES)
    objective = DenoiserObjective(model, config, train_towers=False).train()
    items = [{key: values[i] for key, values in batch.items()} for i in range(2)]
    first, second = (held_out_errors(objective, items) for _ in range(2))
    set_dropout(model.unet, 0.0)
    assert first == second and objective.training and objective.tokens.drop == 0.3
    by_time = [first[f"t{time}"] for time in TIMES]
    assert first["loss"] == pytest.approx(sum(by_time) / len(TIMES)) and "t999" in first
    assert held_out_errors(objective, []) == {}


class Tower(nn.Module):
    """Tells pictures apart by their mean colour, and words by their length."""

    image_size = 8

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, given: Tensor | list[str]) -> Tensor:
        if isinstance(given, list):
            return torch.tensor([float(len(words)) for words in given]).view(-1, 1, 1)
        return given.mean(dim=(1, 2, 3)).view(-1, 1, 1)


def test_dropped_means_the_empty_prompt_and_a_grey_image() -> None:
    """Of pictures and words, and of what a cache holds of them."""
    parts = SimpleNamespace(text=Tower(), image=Tower(), resampler=nn.Identity())
    tokens, n = ContextEncoder(parts, drop=0.25, train_towers=False), 40
    batch = {"prompt": ["words"] * n, "first": torch.ones(n, 3, 16, 16)}
    found = tokens(batch, SampleRNG(0, 0, range(n)))
    no_prompt, grey = dropped(SampleRNG(0, 0, range(n)), 0.25)
    white, mid = (parts.image(clip_pixels(x * torch.ones(1, 3, 16, 16), 8)).item() for x in (1, 0))
    assert found[:, 0, 0].tolist() == [0.0 if gone else 5.0 for gone in no_prompt]
    expected = torch.tensor([mid if gone else white for gone in grey])
    torch.testing.assert_close(found[:, 1, 0], expected)
    assert len(set(zip(no_prompt, grey, strict=True))) == 4 and mid != white
    cached = {"text": torch.full((n, 1, 1), 5.0), "image": torch.full((n, 1, 1), white)}
    torch.testing.assert_close(tokens(cached, SampleRNG(0, 0, range(n))), found)


@pytest.mark.parametrize("gate", [False, True])
def test_the_sketch_encoder_sees_chosen_frames_and_a_gate_closes_the_others(
    model: ToonModel, batch: dict, monkeypatch: pytest.MonkeyPatch, gate: bool
) -> None:
    keep = torch.tensor([[0, 1, 0, 0], [0, 0, 0, 0], [1, 1, 1, 1]], dtype=torch.bool)
    monkeypatch.setattr(sketch, "sketched_frames", lambda *_: keep)
    torch.manual_seed(2)
    encoder = filled(SketchEncoder(sketch_for(TINY.unet)))
    objective = SketchObjective(model, encoder, SketchTrainConfig(gate=gate, scale=0.5, **FILES))
    shown, hint = [], encoder.hint
    monkeypatch.setattr(encoder, "hint", lambda x: shown.append(x) or hint(x))
    _, named = seen(model.unet)
    loss, values = objective.eval()(batch, SampleRNG(5, 0, range(CLIPS)))
    assert torch.equal(shown[0], batch["sketches"] * keep.view(CLIPS, 1, FRAMES, 1, 1))
    assert values["sketched"] == keep.float().mean()
    for found in named["control"]:
        acts = found.unflatten(0, (CLIPS, FRAMES)).abs().amax(dim=(2, 3, 4)) > 0
        assert torch.equal(acts, keep if gate else torch.ones_like(keep))
    loss.backward()
    reached = [p.grad.abs().max() > 0 for p in encoder.parameters() if p.grad is not None]
    assert sum(reached) > 0.9 * len(list(encoder.parameters()))
    assert all(p.grad is None for p in model.parameters())
