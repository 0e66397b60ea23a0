"""ComfyUI's own samplers on the model, against ours."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from graphs import Prompt, decode, deviation, encode, node, picture, sample

from toon_core.model import ToonModel
from toon_core.weights.save import save

if TYPE_CHECKING:
    from inprocess import Comfy

SEED = 123


def advanced(sampler: Prompt, model: list, cfg: float, steps: int = 3, **schedule: Any) -> Prompt:
    """Nodes 10 to 14, of which 14 is SamplerCustomAdvanced."""
    spacing = {"spacing": "uniform_trailing", "steps": steps, **schedule}
    return {
        "10": node("ToonMakeNoise", seed=SEED),
        "11": node("CFGGuider", model=model, positive=["4", 0], negative=["4", 1], cfg=cfg),
        "12": sampler,
        "13": node("ToonScheduleSigmas", model=model, **spacing),
        "14": node(
            "SamplerCustomAdvanced",
            noise=["10", 0],
            guider=["11", 0],
            sampler=["12", 0],
            sigmas=["13", 0],
            latent_image=["4", 3],
        ),
    }


def both(ready: Any, nodes: Prompt) -> tuple[torch.Tensor, torch.Tensor]:
    """Samples of nodes 5 (ours) and 14 (ComfyUI's)."""
    run = ready.run(nodes, keep=["5", "14"])
    assert run.success, run.error
    return run.value("5")["samples"], run.value("14")["samples"]


EULER = node("KSamplerSelect", sampler_name="euler")


@pytest.mark.parametrize("spacing", ["uniform_trailing", "uniform"])
def test_euler_on_our_sigmas_is_eta_0(ready: Any, spacing: str) -> None:
    prompt = {
        **sample(eta=0.0, steps=3, guidance_rescale=0.0, cfg_scale=2.0, spacing=spacing),
        **advanced(EULER, ["1", 0], cfg=2.0, steps=3, spacing=spacing),
    }
    ours, native = both(ready, prompt)
    assert deviation(native, ours) < 1e-3


@pytest.mark.parametrize("eta", [0.5, 1.0])
def test_our_sampler_object_is_our_sampler(ready: Any, eta: float) -> None:
    prompt = {
        **sample(eta=eta, steps=3, guidance_rescale=0.0, cfg_scale=2.0),
        **advanced(node("ToonDDIMSampler", eta=eta), ["1", 0], cfg=2.0),
    }
    ours, native = both(ready, prompt)
    assert deviation(native, ours) < 1e-3


@pytest.mark.parametrize("sampler", [EULER, node("ToonDDIMSampler", eta=1.0)])
def test_the_temperature_of_the_schedule_is_that_of_toon_sample(
    ready: Any, sampler: Prompt
) -> None:
    eta = sampler["inputs"].get("eta", 0.0)
    prompt = {
        **sample(eta=eta, steps=3, guidance_rescale=0.0, cfg_scale=2.0, temperature=0.3),
        **advanced(sampler, ["9", 0], cfg=2.0),
        "9": node("ToonSetSchedule", model=["1", 0], dynamic_rescale=True, temperature=0.3),
    }
    ours, native = both(ready, prompt)
    assert deviation(native, ours) < 1e-3
    prompt["5"]["inputs"] |= {"temperature": -1.0, "model": ["9", 0]}
    assert deviation(both(ready, prompt)[0], ours) < 1e-6, "the schedule's own counts there, too"
    prompt["5"]["inputs"]["model"] = ["1", 0]
    assert deviation(both(ready, prompt)[0], ours) > 1e-2, "the file's own is 1"


def test_rescale_patch_is_the_samplers_rescale(ready: Any) -> None:
    prompt = {
        **sample(eta=1.0, steps=3, guidance_rescale=0.7, cfg_scale=7.5),
        **advanced(node("ToonDDIMSampler", eta=1.0), ["9", 0], cfg=7.5),
        "9": node("ToonRescaleGuidance", model=["1", 0], guidance_rescale=0.7),
    }
    ours, native = both(ready, prompt)
    assert deviation(native, ours) < 1e-3
    prompt["11"]["inputs"]["model"] = ["1", 0]
    ours, native = both(ready, prompt)
    assert deviation(native, ours) > 1e-2


def test_euler_ancestral_without_rescale_is_eta_1(
    ready: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import comfy.k_diffusion.sampling

    from toon_core import pipeline

    def same_noise(x: torch.Tensor, seed: int | None = None) -> Any:
        draw, shape = pipeline.seeded(SEED, torch.device("cpu")), tuple(x.shape)
        for _ in ("posterior", "x_T"):
            draw(shape)
        return lambda sigma, sigma_next: draw(shape).to(x)

    monkeypatch.setattr(comfy.k_diffusion.sampling, "default_noise_sampler", same_noise)
    ancestral = node("KSamplerSelect", sampler_name="euler_ancestral")
    plain = node("ToonSetSchedule", model=["1", 0], dynamic_rescale=False)
    prompt = {
        **sample(model=["9", 0], eta=1.0, steps=3, guidance_rescale=0.0, cfg_scale=2.0),
        **advanced(ancestral, ["9", 0], cfg=2.0),
        "9": plain,
    }
    ours, native = both(ready, prompt)
    assert deviation(native, ours) < 1e-3
    plain["inputs"]["dynamic_rescale"] = True
    ours, native = both(ready, prompt)
    assert deviation(native, ours) > 1e-2


@pytest.mark.parametrize("cfg_scale", [4.0, 1.0])
def test_three_branches_are_the_samplers(ready: Any, cfg_scale: float) -> None:
    prompt = {
        **sample(steps=3, cfg_scale=cfg_scale, cfg_image=2.0, image_only=["4", 2]),
        **advanced(node("ToonDDIMSampler", eta=1.0), ["9", 0], cfg=1.0, steps=3),
        "9": node("ToonRescaleGuidance", model=["1", 0], guidance_rescale=0.7),
    }
    prompt["11"] = node(
        "ToonGuideBranches",
        model=["9", 0],
        positive=["4", 0],
        image_only=["4", 2],
        negative=["4", 1],
        cfg_scale=cfg_scale,
        cfg_image=2.0,
    )
    ours, native = both(ready, prompt)
    assert deviation(native, ours) < 1e-3


@pytest.mark.parametrize("scheduler", ["sgm_uniform", "karras"])
def test_ksampler_runs(ready: Any, scheduler: str) -> None:
    prompt: Prompt = {}
    prompt["7"] = node(
        "KSampler",
        model=["1", 0],
        positive=["4", 0],
        negative=["4", 1],
        latent_image=["4", 3],
        seed=1,
        steps=3,
        cfg=3.0,
        sampler_name="dpmpp_2m",
        scheduler=scheduler,
        denoise=1.0,
    )
    prompt["6"] = node(
        "ToonDecode",
        latent=["7", 0],
        toon_vae=["1", 2],
        replace_middle_frames="on",
        low_memory="auto",
    )
    run = ready.run(prompt, keep=["6"])
    assert run.success, run.error
    assert run.value("6").shape == (4, 64, 64, 3) and run.value("6").std() > 0
    assert len(run.previews) == 3


def test_ksampler_runs_on_latents_of_six_channels(toon: Comfy, tiny: Any) -> None:
    config = replace(
        tiny.config,
        unet=replace(tiny.config.unet, in_channels=12, out_channels=6),
        vae=replace(tiny.config.vae, z_channels=6),
    )
    torch.manual_seed(0)
    save(ToonModel(config), toon.base / "models/checkpoints/six.safetensors")
    prompt = plain_ksampler(encode(toon, picture(1), picture(2)))
    prompt["1"] = node("ToonLoadModel", file="six.safetensors", weight_dtype="default")
    run = toon.run({**prompt, **decode(latent=["7", 0])}, keep=["6", "7"])
    assert run.success, run.error
    assert run.value("7")["samples"].shape[1] == 6 and run.value("6").shape == (4, 64, 64, 3)


def plain_ksampler(prompt: Prompt, **changes: Any) -> Prompt:
    values = {"model": ["1", 0], "positive": ["4", 0], "negative": ["4", 1]}
    sampler = {"seed": 1, "steps": 2, "cfg": 3.0, "sampler_name": "euler", "denoise": 1.0}
    values = {**values, **sampler, "scheduler": "sgm_uniform", "latent_image": ["4", 3]}
    return {**prompt, "7": node("KSampler", **{**values, **changes})}


def test_plain_text_conditioning_is_refused(ready: Any) -> None:
    prompt = {"8": ready.comfy.give([[torch.zeros(1, 77, 64), {"pooled_output": None}]])}
    for refused in (
        plain_ksampler(prompt, negative=["8", 0]),
        {**prompt, **sample(positive=["8", 0])},
    ):
        run = ready.run(refused, keep=["7" if "7" in refused else "5"])
        assert not run.success and "Toon Encode Keys" in run.error
    run = ready.run(plain_ksampler(prompt), keep=["7"])
    assert run.success, run.error


def test_text_from_elsewhere_is_cut_with_a_warning(
    toon: Comfy, caplog: pytest.LogCaptureFixture
) -> None:
    long = torch.randn(1, 154, 64, generator=torch.Generator().manual_seed(3))
    found = []
    for text in (long, long[:, :77]):
        prompt = encode(toon, picture(1), picture(2), positive_text=["8", 0])
        prompt["8"] = toon.give([[text, {"pooled_output": None}]])
        with caplog.at_level(logging.WARNING, "toon.nodes"):
            run = toon.run(prompt, keep=["4"])
        assert run.success, run.error
        found.append(run.value("4")[0][0])
    assert torch.equal(found[0], found[1]) and torch.equal(found[0][:, :77], long[:, :77])
    warnings = [r.message for r in caplog.records if "154 tokens" in r.message]
    assert len(warnings) == 1


def test_positive_and_negative_have_one_length(
    toon: Comfy, caplog: pytest.LogCaptureFixture
) -> None:
    """A prompt that is too long is cut, with a warning."""
    for words, warned in ((300, True), (75, False)):
        caplog.clear()
        run = toon.run(encode(toon, picture(1), picture(2), prompt="word " * words), keep=["4"])
        lengths = {run.value("4", slot)[0][0].shape for slot in range(3)}
        assert lengths == {(1, 77 + 16 * 8, 64)}
        warnings = [r.message for r in caplog.records if r.name == "toon.conditioning"]
        assert len(warnings) == warned and all("302 tokens" in w for w in warnings)
