"""`train.rectify`: what each variant trains, what changes, and that the result is a model file."""

import gzip
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

import toon_core
from toon_core import presets
from toon_core.conditioning.resampler import Resampler
from toon_core.model import ToonModel
from toon_core.unet.model import VideoUNet
from toon_core.weights.save import save
from train import rectify
from train.engine import checkpoint
from train.recipes.rectify import RectifyConfig, RectifyObjective, set_trainable, temporal_layers

MANIFEST = Path(__file__).parents[2] / "parity" / "manifests"
MANIFEST /= "manifest-official-512-interp.json.gz"
UNET, PROJECTOR = "model.diffusion_model.", "image_proj_model."
# Read from the manifest's names alone: the third entry of a block is its temporal transformer.
TEMPORAL = re.compile(
    r"init_attn\.|.*\.temopral_conv\.|(input_blocks|output_blocks)\.\d+\.2\.(norm|proj|transf)"
    r"|middle_block\.2\."
)
# 17 transformers of 26 tensors and 22 convolution stacks of 16.
TEMPORAL_AND_SPATIAL = (794, 722)
PROCESS = ["run.workers=0", "run.threads=1", "run.sheet_clips=1", "run.held_out=1"]
SHORT = ["steps=2", "batch=2", "height=64", "width=64", "frames=4", *PROCESS]
RUN = [*SHORT, "sheet.steps=1", "lr=1e-3", "optim.warmup=0", "run.sample_every=100"]


def changed(base, result) -> set[str]:
    before, after = load_file(base), load_file(result)
    assert before.keys() == after.keys()
    return {k for k, v in after.items() if not torch.equal(v, before[k])}


@pytest.mark.parametrize("variant", ["II", "III", "IV", "V"])
def test_exactly_the_variant_s_tensors_change(base, clip_folders, tmp_path, variant) -> None:
    words = [f"base={base}", f"data={clip_folders}", f"out={tmp_path}", f"variant={variant}"]
    rectify.main([*words, "optim.ema=0.5", *RUN])
    model = toon_core.load(base)
    set_trainable(model.unet, model.resampler, variant)
    parts = {"unet.": model.unet, "tokens.resampler.": model.resampler}
    check_checkpoint(
        tmp_path / "checkpoints",
        {p + k: v for p, m in parts.items() for k, v in m.named_parameters() if v.requires_grad},
    )
    wanted = {
        f"model.diffusion_model.{k}" for k, p in model.unet.named_parameters() if p.requires_grad
    }
    wanted |= {f"image_proj_model.{k}" for k, _ in model.resampler.named_parameters()}
    moved = {k for k in changed(base, tmp_path / "model.safetensors") if "." in k}
    assert moved <= wanted
    assert len(moved) > 0.95 * len(wanted), "no gradient reaches some, as text keys of one token"
    result = toon_core.load(tmp_path / "model.safetensors", dtype=torch.float32)
    assert result.config == model.config


def test_variant_one_is_the_base_as_it_is(base, clip_folders, tmp_path) -> None:
    rectify.main([f"base={base}", f"data={clip_folders}", f"out={tmp_path}", "variant=I", *RUN])
    assert not changed(base, tmp_path / "model.safetensors")
    manifest = json.loads((tmp_path / "model.json").read_text())
    assert (manifest["options"]["variant"], manifest["step"]) == ("I", 0)


def test_dropout_reaches_every_block_and_not_the_file(base) -> None:
    model = toon_core.load(base, dtype=torch.float32)
    config = RectifyConfig(data="", out="", dropout=0.3)
    RectifyObjective(model, config)
    found = [m.p for m in model.unet.modules() if isinstance(m, torch.nn.Dropout)]
    assert len(found) > 20 and set(found) == {0.3}
    assert model.config == toon_core.load(base).config


def check_checkpoint(folder, trained) -> None:
    """It holds what trains, twice for the optimizer and once as its average, and nothing else."""
    state = checkpoint.load_latest(folder)["objectives"]["denoiser"]
    assert state["weights"].keys() == state["ema"]["average"].keys() == trained.keys()
    assert len(state["optimizer"]["state"]) == len(trained) and not state["buffers"]
    numbers = sum(4 * p.numel() for p in trained.values())
    (file,) = folder.glob("*.pt")
    assert 4 * numbers < file.stat().st_size < 4 * numbers + 4000 * len(trained)


def test_the_result_carries_its_options_and_provenance(base, clip_folders, tmp_path) -> None:
    rectify.main([f"base={base}", f"data={clip_folders}", f"out={tmp_path}", "variant=V", *RUN])
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        written = json.loads(file.metadata()["toontween.run"])
    assert written == json.loads((tmp_path / "model.json").read_text())
    assert written["options"]["variant"] == "V" and written["step"] == 2
    assert "/" not in written["options"]["data"], "a manifest names no place of this machine"


def test_a_step_in_bf16_moves_weights_that_stay_in_fp32(base, clip_folders, tmp_path) -> None:
    short = ["batch=1", "steps=1", "frames=4", "dtype=bf16"]
    rectify.main([f"base={base}", f"data={clip_folders}", f"out={tmp_path}", *RUN, *short])
    result = load_file(tmp_path / "model.safetensors")
    assert {v.dtype for v in result.values()} == {torch.float32}
    assert changed(base, tmp_path / "model.safetensors")


def test_lora_is_a_small_file_of_adapters(base, clip_folders, tmp_path) -> None:
    rectify.main([f"base={base}", f"data={clip_folders}", f"out={tmp_path}", "lora=2", *RUN])
    tensors = load_file(tmp_path / "lora.safetensors")
    ups = [k for k in tensors if k.endswith(".lora_B.weight")]
    assert all(k.startswith(("diffusion_model.", "image_proj_model.")) for k in ups)
    assert not [k for k in ups if ".2.transformer_blocks" in k or "init_attn" in k]
    assert sum(bool(tensors[k].any()) for k in ups) > 0.9 * len(ups), "adapters have learned"
    assert not (tmp_path / "model.safetensors").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["variant=VI"], "variant=VI: expected I or II"),
        (["dropout=1.5"], "dropout=1.5: expected 0 or more, below 1"),
        (["drop=0.5"], "drop=0.5: expected 0 or more, 0.33 at most"),
    ],
)
def test_bad_options_are_named(base, clip_folders, tmp_path, words, message) -> None:
    with pytest.raises(ValueError, match=message):
        rectify.main([f"base={base}", f"data={clip_folders}", f"out={tmp_path}", *words, *RUN])


def test_a_pruned_base_is_refused(base, clip_folders, tmp_path) -> None:
    pruned = ToonModel(replace(presets.nano(), clip=None))
    path = save(pruned, tmp_path / "pruned.safetensors")
    with pytest.raises(ValueError, match="without CLIP towers"):
        rectify.main([f"base={path}", f"data={clip_folders}", f"out={tmp_path}/run", *RUN])


@pytest.fixture(scope="module")
def released() -> tuple[VideoUNet, Resampler]:
    config = presets.official_512()
    return (
        VideoUNet(config.unet, device="meta"),
        Resampler(config.resampler, device="meta"),
    )


def listed(prefix: str) -> set[str]:
    """Names in the released file below a prefix."""
    names = json.loads(gzip.decompress(MANIFEST.read_bytes()))
    return {name.removeprefix(prefix) for name in names if name.startswith(prefix)}


def trained(module: nn.Module) -> set[str]:
    return {name for name, p in module.named_parameters() if p.requires_grad}


def test_variants_train_what_the_paper_says(released) -> None:
    unet, projector = released
    names, everything = listed(UNET), listed(PROJECTOR)
    assert len(names) == 1516
    temporal = {name for name in names if TEMPORAL.match(name)}
    spatial = names - temporal
    assert (len(temporal), len(spatial)) == TEMPORAL_AND_SPATIAL
    expected = {"I": set(), "II": names, "III": spatial, "IV": spatial, "V": set()}
    for variant, wanted in expected.items():
        set_trainable(unet, projector, variant)
        assert trained(unet) == wanted, variant
        assert trained(projector) == (set() if variant == "I" else everything), variant


def test_bypass_makes_frames_independent_and_can_be_undone() -> None:
    torch.manual_seed(0)
    unet = VideoUNet(presets.nano().unet).eval()
    for parameter in unet.parameters():
        nn.init.normal_(parameter, std=0.05)
    assert len(list(temporal_layers(unet))) > 10
    x = torch.randn(1, 8, 4, 8, 8)
    other = x.clone()
    other[:, :, 3] += 1
    context, t = torch.randn(1, 77 + 64, 48), torch.tensor([500])

    @torch.no_grad()
    def seen() -> torch.Tensor:
        """How much frame 0 feels a change of frame 3."""
        return (unet(x, t, context) - unet(other, t, context))[:, :, 0].abs().max()

    before = seen()
    for on, expected in ((True, 0), (False, before)):
        for _, layer in temporal_layers(unet):
            layer.bypass = on
        assert seen() == expected
    assert before > 0
