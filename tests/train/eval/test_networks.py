"""Which networks train.evaluate measures with, and its FVD and KVD."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from discs import disc
from PIL import Image
from tiny_networks import save_alexnet, save_clip, save_i3d

from toon_core.metrics.metric import SetMetric
from toon_core.metrics.registry import columns, networks_in
from train.eval.scores import Scored, Scorer
from train.eval.tables import set_entry, table_markdown, tabulate
from train.eval.testset import Clip, read_clip
from train.evaluate import main


@pytest.fixture
def testset(tmp_path: Path) -> Path:
    """Two clips of ten frames, a box that moves over grey; one has a prompt."""
    for name, step in (("slow", 2), ("fast", 4)):
        folder = tmp_path / "clips" / name
        folder.mkdir(parents=True)
        for i in range(10):
            image = np.full((64, 64, 3), 128, np.uint8)
            image[20:40, i * step : i * step + 20] = (250, 40, 0)
            Image.fromarray(image).save(folder / f"frame_{i:03d}.png")
    (folder / "prompt.txt").write_text("a red box")
    return tmp_path / "clips"


def test_files_of_the_published_networks_come_first(testset: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    for save in (save_alexnet, save_i3d, save_clip):
        save(models)
    options = ["--models", str(models), "--kvd-kernel", "gaussian", "--size", "64"]
    out = ["--testset", str(testset), "--out", str(tmp_path / "out"), "--workers", "1"]
    main([*out, *options, "--system", "crossfade", "--system", f"same={testset}"])
    rows = json.loads((tmp_path / "out" / "results.json").read_text())["systems"]
    fade, same = rows["crossfade"], rows["same"]
    assert {"fvd", "kvd_gaussian", "lpips_alex", "clip_img", "clip_txt"} <= set(fade)
    assert not {"kvd_transnet", "fvd_transnet", "lpips_hed"} & set(fade)
    assert "too few clips: 2 of 401 needed" in fade["fvd"]["model"]
    assert fade["kvd_gaussian"]["mean"] > same["kvd_gaussian"]["mean"]
    assert fade["lpips_alex"]["mean"] > same["lpips_alex"]["mean"] == 0
    assert same["clip_img"]["mean"] == pytest.approx(1) and fade["clip_img"]["mean"] < 1
    assert (fade["clip_txt"]["n"], fade["clip_img"]["n"]) == (1, 2)
    files = {"lpips_alex": "alexnet-owt", "kvd_gaussian": "i3d_torchscript.pt", "clip_txt": "CLIP"}
    for key, name in files.items():
        assert name in fade[key]["model"] and "sha256 " in fade[key]["model"]
    paired = same["kvd_gaussian_paired"]["mean"]
    assert paired == pytest.approx(0, abs=1e-9) and same["kvd_gaussian"]["mean"] < -0.01
    table = (tmp_path / "out" / "table.md").read_text()
    assert "| KVD (Gaussian) | KVD (Gaussian, paired) |" in table
    assert "KVD (Gaussian) |" in (tmp_path / "out" / "table_1.md").read_text()


def test_clips_too_short_for_i3d_have_no_features(testset: Path, tmp_path: Path) -> None:
    """One of two clips, and then both: the run goes on and says so."""
    save_i3d(tmp_path)
    networks = networks_in(tmp_path, only=("i3d",))
    shown = columns(networks.labels)
    scorer, clips = Scorer(shown, networks), [read_clip(testset / n) for n in ("fast", "slow")]
    short = [replace(clip, frames=clip.frames[:9]) for clip in clips]
    for given, said in (
        ([clips[0], short[1]], "too few clips: 1 of 2 needed"),
        (short, "too few frames in every clip"),
    ):
        found = {clip.name: scorer.score_truth(clip) for clip in given}
        table = tabulate("", {"truth": found}, found, shown)
        entry = table.summary["truth"]["kvd"]
        assert entry["mean"] is None and entry["model"].endswith(said)
        assert f"| {said} |" in table_markdown(table)


def test_each_clip_goes_through_hed_once(tmp_path: Path) -> None:
    """For LPIPS-HED and edges together, the truth once for two systems."""
    networks = networks_in(tmp_path, only=("hed", "vgg_heads"))
    scorer = Scorer(columns(networks.labels), networks)
    passes: list[int] = []
    networks["hed"].register_forward_hook(lambda net, given, out: passes.append(len(given[0])))
    frames = disc(16, 2.0)
    clip = Clip(name="a", frames=frames, sketches={7: frames[7]})
    scorer.score_truth(clip)
    for made in (frames.flip(0), frames.roll(1, 0)):
        assert {"lpips_hed", "sketch_f_hed"} <= set(scorer.score(clip, made).values)
    assert passes == [5, 5, 5], "frames 3, 6, 9 and 12, and 7, which has a sketch"


def test_without_packages_and_files_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toon_core.metrics.networks.packages.find_spec", lambda name: None)
    assert networks_in(Path("none")).labels == {}


def test_intervals_of_fvd_and_kvd() -> None:
    """Features of eight numbers for 60 clips: enough for both."""
    generator = torch.Generator().manual_seed(0)
    truth, near = (torch.randn(60, 8, generator=generator) for _ in range(2))
    made = {"near": near, "far": near + 0.7}
    fvd, kvd = (m for m in columns({"transnet": "x"}) if isinstance(m, SetMetric))
    assert kvd.title == "KVD-TransNet (polynomial, paired)" and kvd.key == "kvd_transnet"

    def entry(metric: SetMetric, system: str, clips: int = 60) -> dict:
        sets = (
            {
                str(i): Scored(values={}, features={"transnet": row.tolist()})
                for i, row in enumerate(x[:clips])
            }
            for x in (made[system], truth)
        )
        return set_entry(metric, *sets)

    assert entry(kvd, "near")["lo"] < 0 < entry(kvd, "near")["hi"] < entry(kvd, "far")["lo"]
    assert entry(fvd, "near")["hi"] < entry(fvd, "far")["lo"] < entry(fvd, "far")["mean"]
    assert entry(fvd, "far")["mean"] < entry(fvd, "far")["hi"]
    assert entry(fvd, "far")["n"] == 60
    assert entry(fvd, "far", clips=9)["mean"] is not None
    assert "too few clips: 8 of 9 needed" in entry(fvd, "far", clips=8)["model"]
    assert entry(kvd, "far", clips=1)["mean"] is None
    assert "too few clips: 1 of 2 needed" in entry(kvd, "far", clips=1)["model"]
