"""A golden directory of other shapes, recorded from this project's own float64 run.

It proves nothing about the release; it proves that the comparison runs any configuration, and
that float32 agrees with float64 there.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from parity_cases import run
from parity_index import kind_of, read
from parity_models import Models
from safetensors.torch import save_file
from take import take

UNET = {
    "in_channels": 8,
    "out_channels": 4,
    "model_channels": 32,
    "attention_resolutions": [2, 1],
    "num_res_blocks": 1,
    "channel_mult": [1, 2, 3],
    "num_head_channels": 32,
    "transformer_depth": 1,
    "context_dim": 48,
    "use_linear": True,
    "temporal_conv": True,
    "temporal_attention": True,
    "temporal_selfatt_only": True,
    "addition_attention": True,
    "image_cross_attention": True,
    "fs_condition": True,
    "default_fs": 3,
}
CONTROL = {
    "model_channels": 32,
    "attention_resolutions": [2, 1],
    "num_res_blocks": 1,
    "channel_mult": [1, 2, 3],
    "num_head_channels": 32,
    "context_dim": 48,
    "hint_channels": 1,
}
VAE = {"ch": 32, "ch_mult": [1, 2, 1, 3], "num_res_blocks": 1, "double_z": True, "z_channels": 4}
CLIP = {
    "embed_dim": 48,
    "vision_cfg": {
        "image_size": 224,
        "patch_size": 32,
        "width": 64,
        "layers": 2,
        "head_width": 16,
    },
    "text_cfg": {
        "context_length": 77,
        "vocab_size": 49408,
        "width": 48,
        "heads": 3,
        "layers": 3,
    },
}
RESAMPLER = {
    "dim": 48,
    "depth": 1,
    "dim_head": 8,
    "heads": 5,
    "num_queries": 16,
    "embedding_dim": 64,
    "output_dim": 48,
    "ff_mult": 2,
}
SALT = {"salt": "v2/"}


def _case(config: Any, outputs: dict[str, str | None], **entry: Any) -> dict[str, Any]:
    named = {k: ({"take": v} if v else {}) for k, v in outputs.items()}
    return {"config": config, "weights": SALT, "outputs": named, **entry}


def _inputs(**shapes: tuple[int, ...]) -> dict[str, Any]:
    return {
        name: {"key": f"variant/{name}", "shape": shape, "dist": "normal"}
        for name, shape in shapes.items()
    }


def _pictures(**shapes: tuple[int, ...]) -> dict[str, Any]:
    return {
        name: {"key": f"variant/{name}", "shape": shape, "dist": "uniform", "lo": -1, "hi": 1}
        for name, shape in shapes.items()
    }


def _noises(count: int, *shape: int) -> dict[str, Any]:
    return _inputs(**{f"noise{i}": shape for i in range(count)})


def _unet() -> dict[str, Any]:
    frames = _inputs(x=(2, 8, 3, 4, 12), context=(2, 77 + 48, 48))
    shared = _inputs(x=(1, 8, 5, 8, 4), context=(1, 77 + 20, 48))
    maps = {"adapter0": (5, 32, 4, 2), "adapter1": (5, 96, 2, 1)}
    return {
        "frames": _case(UNET, {"out": None}, inputs=frames, scalars={"timesteps": [7, 990]}),
        "adapter": _case(
            UNET,
            {"out": "[..., 1:, -1]"},
            inputs=shared | _inputs(**maps),
            scalars={"timesteps": [500], "fs": [7.5]},
        ),
    }


def _vae() -> dict[str, Any]:
    pair = _pictures(first=(2, 3, 24, 16), last=(2, 3, 24, 16))
    taps = {"tap_mid": "[:, :3]", "tap_up1": None, "tap_ref2": "[::2]", "tap_ref4": None}
    return {
        "encode": _case(
            VAE,
            {"moments": None, "std": None, "hidden_3": None, "hidden_4": "[0]"},
            inputs=_pictures(images=(3, 3, 16, 40)),
        ),
        "decode": _case(VAE, {"frames": None, **taps}, inputs=pair | _inputs(z=(2, 4, 4, 3, 2))),
    }


def _sketch() -> dict[str, Any]:
    shapes = {"x_noisy": (2, 4, 3, 4, 4), "concat": (2, 4, 3, 4, 4), "context": (2, 125, 48)}
    hint = {"hint": {"key": "hint", "shape": (2, 1, 3, 32, 32), "dist": "uniform"}}
    scalars = {"timesteps": [9, 800], "fs": [3, 30], "hint_threshold": None}
    return {
        "grey": _case(
            {"unet": UNET, "control": CONTROL},
            {"out": None, "out_nocontrol": None, "feat_0": None, "feat_5": None},
            inputs=_inputs(**shapes) | hint,
            scalars=scalars | {"control_scale": 0.25, "control_context": "text77"},
        )
    }


def _ddim() -> dict[str, Any]:
    shape = (2, 4, 5, 4, 8)
    contexts = {k: (2, 89, 48) for k in ("context_cond", "context_uncond", "context_img_only")}
    inputs = _inputs(**contexts, concat=shape)
    outputs = {"final": None, "x_inter": None, "pred_x0": "[:, 1]"}
    three = {"S": 3, "eta": 0.5, "spacing": "uniform", "cfg_scale": 4.0, "cfg_img": 1.5}
    alone = {"context_cond": (1, 77, 48), "concat": (1, 4, 1, 4, 4)}
    return {
        "three": _case(UNET, outputs, inputs=inputs | _noises(5, *shape), scalars=three),
        "alone": _case(
            UNET, {"final": None}, inputs=_inputs(**alone) | _noises(3, 1, 4, 1, 4, 4),
            scalars={"S": 2, "eta": 0.0, "cfg_scale": 1, "fs": [12]},
        ),
    }  # fmt: skip


def _others() -> dict[str, Any]:
    constants = {"linear_start": 0.001, "linear_end": 0.02, "base_scale": 0.3}
    cases = {"model": _case(constants, {"betas": None, "scale_arr": None})}
    cases["table"] = {
        "scalars": {"S": 7, "spacing": "uniform", "eta": 0.3},
        "outputs": {name: {} for name in ("timesteps", "sigmas", "scale")},
    }
    tokens = _inputs(x=(2, 30, 64))
    return {
        "schedule.safetensors": cases,
        "resampler.safetensors": {
            "clip": _case(RESAMPLER | {"video_length": 3}, {"out": None}, inputs=tokens)
        },
        "clip.safetensors": {
            "prompt": _case(
                CLIP, {"tokens": None, "out": None}, scalars={"prompts": ["a cat", "x " * 99]}
            ),
            "wide": {
                **_case(CLIP, {"preprocessed": "[:, :, ::9]", "out": None}),
                "inputs": _pictures(image=(2, 3, 60, 500)),
            },
            "fit": {
                "scalars": {"target": [64, 128]},
                "outputs": {"out": {}},
                "inputs": _pictures(image=(2, 3, 70, 50)),
            },
        },
    }


def _e2e() -> dict[str, Any]:
    config = {"unet": UNET, "vae": VAE, "clip": CLIP}
    config["resampler"] = RESAMPLER | {"video_length": 6}
    outputs = {"context_cond": None, "concat": "[:, :, [0, -1]]", "samples": None}
    scalars = {"T": 6, "prompt": "a cat", "S": 2, "cfg_scale": 3.0, "fs": [8, 20], "eta": 1.0}
    inputs = _pictures(image1=(2, 3, 64, 32), image2=(2, 3, 64, 32)) | _noises(4, 2, 4, 6, 8, 4)
    inputs["noise0"]["shape"] = (12, 4, 8, 4)
    ends = {"frames_plain": None, "frames_final": None}
    return {"six": _case(config, outputs | ends, inputs=inputs, scalars=scalars)}


def record(folder: Path) -> None:
    """Write the directory: index.json and one safetensors file a kind."""
    index = {
        "_note": {},
        "unet.safetensors": _unet(),
        "vae.safetensors": _vae(),
        "sketch.safetensors": _sketch(),
        "ddim.safetensors": _ddim(),
        "e2e.safetensors": _e2e(),
        **_others(),
    }
    for file, cases in index.items():
        for name, entry in cases.items():
            entry["outputs"] = {f"{name}/{k}": v for k, v in entry["outputs"].items()}
        if not cases:
            continue
        (folder / "index.json").write_text(json.dumps({file: cases}), encoding="utf-8")
        save_file(_outputs(folder), folder / file)
    (folder / "index.json").write_text(json.dumps(index), encoding="utf-8")


def _outputs(folder: Path) -> dict[str, torch.Tensor]:
    models, stored = Models(), {}
    for case in read(folder, torch.float64):
        got = run(case, models, kind_of(case.file))
        for name, entry in case.outputs.items():
            array = take(got[name].numpy(), entry.get("take"))
            value = torch.from_numpy(array.copy())
            stored[f"{case.name}/{name}"] = value.float() if value.is_floating_point() else value
    return stored
