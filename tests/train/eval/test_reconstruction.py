"""True clips encoded and decoded: the paper's Table 4 and Figure 10."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from discs import disc
from report_page import facts_of

from toon_core.metrics.metric import NO_MODEL
from toon_core.metrics.plain.psnr import psnr
from train.eval import reconstruction
from train.eval.clips import Clip, read_clip
from train.eval.options import Settings
from train.eval.run import evaluate
from train.eval.systems import NANO, load_autoencoder, read_sampling


@pytest.mark.usefixtures("no_networks")
def test_a_checkpoint_has_table_4_and_figure_10(testset: Path, settings: Settings) -> None:
    settings = replace(settings, sampling=read_sampling(["steps=1"], seed=1))
    evaluate(["nano", "nearest"], testset, settings, limit=1)
    out = settings.out
    table = json.loads((out / "table_4.json").read_text())["systems"]
    assert list(table) == ["nano"] and list(table["nano"]) == ["psnr", "ssim", "lpips"]
    assert table["nano"]["lpips"]["model"] == NO_MODEL
    clip = read_clip(testset / "fast", 64)
    with torch.inference_mode():
        vae = load_autoencoder(NANO)
        expected = psnr(reconstruction.reconstruct(vae, clip), clip.frames)
    curve = json.loads((out / "figure_10.json").read_text())
    assert set(curve) == {"psnr", "ssim"}
    assert curve["psnr"]["nano"] == pytest.approx(expected.tolist())
    assert table["nano"]["psnr"]["mean"] == pytest.approx(expected.mean().item())
    assert "Table 4" in (out / "table_4.md").read_text()
    titles = [curve["title"] for curve in facts_of(out)["curves"]]
    assert titles[0] == "Figure 10: PSNR (dB) of true clips encoded and decoded"
    [kept] = (out / "reconstruction").iterdir()
    made = kept.stat().st_mtime_ns
    evaluate(["nano"], testset, settings, limit=1)
    assert kept.stat().st_mtime_ns == made


@pytest.mark.usefixtures("no_networks")
def test_a_clip_of_any_size_is_given_back_in_it() -> None:
    vae = load_autoencoder(NANO)
    clip = Clip(name="odd", frames=disc(5, 4.0, height=72, width=90))
    found = reconstruction.reconstruct(vae, clip)
    assert found.shape == clip.frames.shape
    assert psnr(found, clip.frames).min() > 15
