"""Readable weights of another model, or not quite of this one: one clear error each."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from toon_core.presets import nano, nano_sketch
from toon_core.weights import errors
from toon_core.weights.checkpoint import read
from toon_core.weights.configure import CONFIG_KEY, PART_KEY
from toon_core.weights.keys import split

UNET = "model.diffusion_model."
FOREIGN = {
    "Stable Diffusion 1": [
        UNET + "out.2.bias",
        "cond_stage_model.transformer.text_model.final_layer_norm.bias",
    ],
    "Stable Diffusion 2": [UNET + "out.2.bias", "cond_stage_model.model.ln_final.bias"],
    "SDXL": [UNET + "out.2.bias", "conditioner.embedders.0.transformer.text_model.x"],
    "a LoRA": ["lora_unet_down_blocks_0_attentions_0_proj_in.lora_up.weight"],
    "a VAE alone": ["encoder.conv_in.weight", "decoder.conv_in.weight"],
    "ToonCrafter's autoencoder alone": ["decoder.attn_refinement.0.conv.weight"],
    "a CLIP encoder": ["text_model.encoder.layers.0.mlp.fc1.weight"],
    "SparseCtrl": [
        "controlnet_cond_embedding.conv_in.weight",
        "down_blocks.0.motion_modules.0.temporal_transformer.norm.weight",
    ],
    "AnimateDiff motion module": ["down_blocks.0.motion_modules.0.temporal_transformer.norm.bias"],
    "another kind of ControlNet": ["control_model.input_hint_block.0.weight"],
    "the UNet alone": ["init_attn.0.norm.weight", "out.2.bias"],
    "DynamiCrafter 256": [
        UNET + "init_attn.0.norm.weight",
        UNET + "input_blocks.1.1.transformer_blocks.0.attn2.alpha",
    ],
    "2 tensors of an unknown model (such as a.weight, b.weight)": ["a.weight", "b.weight"],
}


@pytest.mark.parametrize("what", FOREIGN)
def test_weights_of_another_model(refuse, what, tmp_path: Path):
    path = tmp_path / "model.safetensors"
    save_file({name: torch.zeros(1) for name in FOREIGN[what]}, path)
    refuse(path, errors.WrongModel, what)


def test_a_controlnet_for_coloured_hints(refuse, sketch_state, ckpt):
    path = ckpt(sketch_state | {"input_hint_block.0.weight": torch.zeros(16, 3, 3, 3)})
    refuse(path, errors.WrongModel, "hints of 3 channels")


def test_the_other_kind(refuse, sketch_state, pruned_config, pruned_state, ckpt):
    path = ckpt(sketch_state)
    with pytest.raises(errors.WrongModel, match="a sketch encoder.*model.ckpt.*checkpoints"):
        read(path, expect="toon")
    refuse(path, errors.WrongModel, "configuration given is a ToonConfig", config=nano())
    path = ckpt(pruned_state)
    with pytest.raises(errors.WrongModel, match="no sketch encoder.*sketch_encoder.ckpt.*contr"):
        read(path, expect="sketch")
    refuse(path, errors.WrongModel, "configuration given is a Sketch", config=nano_sketch())


@pytest.mark.parametrize(
    "gone", [UNET + "out.2.bias", "first_stage_model.quant_conv.bias", "image_proj_model.latents"]
)
def test_missing_keys(refuse, gone, pruned_config, pruned_state, ckpt):
    path = ckpt({k: v for k, v in pruned_state.items() if k != gone})
    refuse(path, errors.MissingKeys, "1 tensors are missing: " + gone, config=pruned_config)


def test_missing_keys_known_from_shapes_alone(refuse, manifest, ckpt):
    shapes = {k: v for k, v in manifest("pruned").items() if k.startswith(UNET)}
    path = ckpt({k: torch.zeros(()).expand(v) for k, v in shapes.items()})
    refuse(path, errors.MissingKeys, "first_stage_model.encoder.conv_in.weight")


def test_all_missing_keys_are_counted(refuse, pruned_config, pruned_state, ckpt):
    path = ckpt({k: v for k, v in pruned_state.items() if "output_blocks.3." not in k})
    refuse(path, errors.MissingKeys, UNET + "output_blocks.3.0", "more", config=pruned_config)


def test_one_tower_without_the_other(refuse, tiny_config, tiny_state, ckpt):
    path = ckpt({k: v for k, v in tiny_state.items() if not k.startswith("embedder.")})
    refuse(path, errors.MissingKeys, "embedder.model.visual.", config=tiny_config)


@pytest.mark.parametrize("extra", [UNET + "adapter.weight", "other_model.weight", "weight"])
def test_surplus_keys(refuse, extra, pruned_config, pruned_state, ckpt):
    path = ckpt(pruned_state | {extra: torch.zeros(1)})
    refuse(path, errors.SurplusKeys, "1 unknown tensors: " + extra, config=pruned_config)


def test_towers_that_the_configuration_denies(refuse, pruned_config, tiny_state, ckpt):
    path = ckpt(tiny_state)
    refuse(path, errors.SurplusKeys, "cond_stage_model.", config=pruned_config)


def test_long_lists_are_cut(refuse, pruned_config, pruned_state, ckpt):
    path = ckpt(pruned_state | {f"more.{i}": torch.zeros(1) for i in range(40)})
    message = refuse(path, errors.SurplusKeys, "40 unknown", "and 35 more", config=pruned_config)
    assert len(re.findall(r"more\.\d", message)) == 5


def test_clip_of_the_wrong_width(refuse, manifest, ckpt):
    """Stable Diffusion 1's text encoder width in an otherwise official file."""
    shapes = {k: v for k, v in manifest("official-512-interp").items() if "." in k}
    narrow = [k for k in shapes if k.startswith("cond_stage")]
    shapes |= {k: [768 if n == 1024 else n for n in shapes[k]] for k in narrow}
    path = ckpt({k: torch.zeros(()).expand(v) for k, v in shapes.items()})
    refuse(path, errors.WrongShapes, "text encoder: 768 wide, the model takes 1024", "a CLIP")


def test_clip_of_the_wrong_width_for_a_given_configuration(refuse, tiny_config, tiny_state, ckpt):
    name = "cond_stage_model.model.ln_final.weight"
    path = ckpt(tiny_state | {name: torch.zeros(80)})
    words = (name + " is (80,) and must be (48,)", "a CLIP of another width")
    refuse(path, errors.WrongShapes, *words, config=tiny_config)


def test_a_result_that_is_no_whole_model_yet_says_what_it_is_for(refuse, tiny_state, tmp_path):
    path = tmp_path / "autoencoder.safetensors"
    vae = {k: v.contiguous() for k, v in split(tiny_state, "vae").items()}
    save_file(vae, path, metadata={PART_KEY: "vae"})
    refuse(path, errors.WrongModel, "autoencoder alone", "train.autoencoder", "train.pretrain")


def test_unreleased_sizes_need_a_configuration(refuse, pruned_state, sketch_state, ckpt):
    for state, what in ((pruned_state, "image projector"), (sketch_state, "sketch encoder")):
        refuse(ckpt(state), errors.UnknownConfig, what, "no released size", CONFIG_KEY, "config=")


@pytest.mark.parametrize("text", ["{", "[]", '{"colour": 1}', "[" * 100_000])
def test_configuration_that_cannot_be_read(refuse, text, sketch_state, tmp_path: Path):
    path = tmp_path / "model.safetensors"
    save_file(sketch_state, path, metadata={CONFIG_KEY: text})
    refuse(path, errors.FileCorrupt, "configuration cannot be read")


def test_model_without_zero_terminal_snr(refuse, full_ckpt):
    path = full_ckpt("pruned", alphas_cumprod=torch.linspace(1, 0.005, 1000))
    refuse(path, errors.WrongModel, "without zero terminal SNR")


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        ("unet.num_res_blocks", "x", "UNetConfig.num_res_blocks = 'x' must be a whole number"),
        ("unet.num_res_blocks", 10**9, "from 1 to 16"),
        ("unet.num_head_channels", -1, "UNetConfig.num_head_channels = -1"),
        ("unet.channel_mult", [], "channel_mult"),
        ("vae.norm_groups", 0, "VAEConfig.norm_groups"),
        ("vae.references", 1, "VAEConfig.references = 1 must be true or false"),
        ("schedule.timesteps", 10**9, "ScheduleConfig.timesteps"),
        ("schedule.linear_start", float("nan"), "ScheduleConfig.linear_start = nan"),
        ("recipe.steps", "many", "Recipe.steps = 'many'"),
        ("recipe.spacing", "cosine", "Recipe.spacing = 'cosine'"),
        ("scale_factor", {}, "ToonConfig.scale_factor = {}"),
        ("scale_factor", 0, "ToonConfig.scale_factor = 0"),
        ("unet", 3, "configuration cannot be read"),
    ],
)
def test_fields_of_the_wrong_type_or_size(
    refuse, tiny_config, tiny_state, place, value, words, ckpt
):
    path = configured(ckpt, tiny_config, tiny_state, place, value)
    refuse(path, errors.FileCorrupt, words)


@pytest.mark.parametrize(
    ("place", "value", "kind", "words"),
    [
        ("unet.num_res_blocks", 16, errors.MissingKeys, "asks for 34 blocks"),
        ("unet.transformer_depth", 16, errors.MissingKeys, "unet.transformer_depth asks for 16"),
        ("vae.num_res_blocks", 16, errors.MissingKeys, "vae.num_res_blocks asks for 16"),
        ("resampler.depth", 64, errors.MissingKeys, "resampler.depth asks for 64"),
        ("clip.text_layers", 64, errors.MissingKeys, "clip.text_layers asks for 64"),
        ("vae.ch_mult", [1] * 60, errors.MissingKeys, "vae.ch_mult asks for 60"),
        ("vae.norm_groups", 7, errors.UnknownConfig, "the configuration of vae cannot be built"),
        ("clip.text_heads", 7, errors.UnknownConfig, "the configuration of text cannot be built"),
        ("vae.z_channels", 5, errors.WrongShapes, "unet.in_channels"),
    ],
)
def test_more_than_the_tensors_hold(
    refuse, tiny_config, tiny_state, place, value, kind, words, ckpt
):
    """Before it is built, which would take as long as the file asks for."""
    path = configured(ckpt, tiny_config, tiny_state, place, value)
    refuse(path, kind, words)


def configured(ckpt, config, state, place: str, value: object) -> Path:
    values = config.to_dict()
    *part, field = place.split(".")
    (values[part[0]] if part else values)[field] = value
    path = ckpt({})
    torch.save({"state_dict": state, CONFIG_KEY: json.dumps(values)}, path)
    return path
