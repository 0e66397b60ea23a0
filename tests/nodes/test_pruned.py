"""A pruned file with ComfyUI's own CLIP and CLIP_VISION, which hold the golden towers' weights:
the same conditioning as from the complete file."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from graphs import Prompt, decode, deviation, encode, node, picture, sample

if TYPE_CHECKING:
    from inprocess import Comfy

PRUNED = "tiny_pruned.safetensors"


@pytest.fixture(scope="module")
def clip(toon: Comfy, tiny: Any) -> Any:
    """ComfyUI's SD 2 text encoder at the tiny model's size."""
    import comfy.sd
    import comfy.utils
    from comfy.supported_models_base import ClipTarget
    from comfy.text_encoders.sd2_clip import SD2ClipModel, SD2Tokenizer

    c = tiny.config.clip
    sizes = {
        "hidden_size": c.text_width,
        "intermediate_size": 4 * c.text_width,
        "num_attention_heads": c.text_heads,
        "num_hidden_layers": c.text_layers,
    }
    options = {"clip_h_model_config": sizes, "dtype": torch.float32}
    made = comfy.sd.CLIP(ClipTarget(SD2Tokenizer, SD2ClipModel), model_options=options)
    weights = comfy.utils.clip_text_transformers_convert(dict(tiny.text.model.state_dict()), "", "")
    missing, _ = made.load_sd(weights)
    assert missing == []
    return made


@pytest.fixture(scope="module")
def vision(toon: Comfy, tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """ComfyUI's CLIP vision model at the tiny model's size."""
    import comfy.clip_vision

    c = tiny.config.clip
    config = {
        "hidden_size": c.vision_width,
        "intermediate_size": 4 * c.vision_width,
        "num_attention_heads": c.vision_width // c.vision_head_width,
        "num_hidden_layers": c.vision_layers,
        "hidden_act": "gelu",
        "image_size": 224,
        "patch_size": 14,
        "num_channels": 3,
        "projection_dim": c.embed_dim,
        "model_type": "clip_vision_model",
    }
    file = Path(tmp_path_factory.mktemp("vision")) / "config.json"
    file.write_text(json.dumps(config))
    made = comfy.clip_vision.ClipVisionModel(str(file))
    made.model.float()
    weights = {f"visual.{k}": v for k, v in tiny.image.model.visual.state_dict().items()}
    weights = comfy.clip_vision.convert_to_transformers(weights, "visual.")
    missing, _ = made.load_sd(weights)
    assert missing == []
    return made


def pruned(toon: Comfy, **inputs: Any) -> Prompt:
    prompt = encode(toon, picture(1, (90, 120)), picture(2), prompt="a (small:1.5) fox", **inputs)
    prompt["1"]["inputs"]["file"] = PRUNED
    return prompt


def test_same_conditioning_as_the_complete_file(toon: Comfy, clip: Any, vision: Any) -> None:
    prompt = pruned(toon, clip=["8", 0], clip_vision=["9", 0], negative_prompt="rain")
    prompt |= {"8": toon.give(clip), "9": toon.give(vision)}
    prompt |= {**sample(steps=1), **decode()}
    run = toon.run(prompt, keep=["4", "6"])
    assert run.success, run.error
    assert run.value("6").shape == (4, 64, 64, 3)
    whole = encode(
        toon,
        picture(1, (90, 120)),
        picture(2),
        prompt="a (small:1.5) fox",
        negative_prompt="rain",
    )
    expected = toon.run(whole, keep=["4"])
    for slot in range(3):
        got, wanted = run.value("4", slot)[0][0], expected.value("4", slot)[0][0]
        assert deviation(got, wanted) < 1e-4


def test_long_prompt_is_cut_with_a_warning(
    toon: Comfy, clip: Any, vision: Any, caplog: pytest.LogCaptureFixture
) -> None:
    prompt = pruned(toon, clip=["8", 0], clip_vision=["9", 0])
    prompt["4"]["inputs"]["prompt"] = "fox " * 200
    prompt |= {"8": toon.give(clip), "9": toon.give(vision)}
    with caplog.at_level(logging.WARNING, "toon.nodes"):
        run = toon.run(prompt, keep=["4"])
    assert run.success, run.error
    assert run.value("4")[0][0].shape[1] == 77 + 128
    assert [r for r in caplog.records if "longer than 77 tokens" in r.message]


def test_text_from_cores_encode_node(toon: Comfy, clip: Any, vision: Any) -> None:
    """CLIPTextEncode's conditioning in place of the prompts, and no text encoder at all."""
    prompt = pruned(toon, clip_vision=["9", 0], positive_text=["10", 0], negative_text=["11", 0])
    prompt |= {"8": toon.give(clip), "9": toon.give(vision)}
    for key, text in (("10", "a fox"), ("11", "")):
        prompt[key] = node("CLIPTextEncode", clip=["8", 0], text=text)
    run = toon.run(prompt, keep=["4", "10", "11"])
    assert run.success, run.error
    given = [run.value(k)[0][0] for k in ("10", "11", "11")]
    for slot, text in enumerate(given):
        assert torch.equal(run.value("4", slot)[0][0][:, :77], text)


def test_missing_and_wrong_encoders(toon: Comfy, clip: Any, vision: Any) -> None:
    given = {"8": toon.give(clip), "9": toon.give(vision)}
    error = toon.run(pruned(toon), keep=["4"]).error
    assert "pruned file, without a text encoder" in error and "connect a CLIP" in error
    error = toon.run({**pruned(toon, clip=["8", 0]), **given}, keep=["4"]).error
    assert "without an image encoder" in error and "clip_vision_h" in error
    prompt = pruned(toon, clip_vision=["9", 0], positive_text=["10", 0], negative_text=["10", 0])
    prompt["10"] = toon.give([[torch.zeros(1, 77, 768), {}]])
    error = toon.run({**prompt, **given}, keep=["4"]).error
    assert "77 tokens of width 768" in error and "77 of width 64" in error
