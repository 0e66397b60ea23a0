"""An evaluation by several processes finds what one finds, and each does its share."""

import json
import os
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from discs import make_testset

from train.eval import run, scores
from train.eval.options import Settings, parse, read_sampling, read_spec
from train.eval.testset import read_testset
from train.evaluate import main

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What is evaluated, for the command line."""
    testset = make_testset(tmp_path_factory.mktemp("set") / "held_out")
    systems = ["--system", "nano", "--system", "nearest", "--recipe", "steps=1"]
    return ["--testset", str(testset), *systems, "--size", "64", "--limit", "2"]


@pytest.fixture(scope="module")
def alone(words: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one process finds."""
    out = tmp_path_factory.mktemp("alone")
    main([*words, "--workers", "1", "--out", str(out)])
    return out


def same(alone: Path, out: Path) -> None:
    """Both found the same, but for the rounding of other numbers of threads."""
    for name in ("results.json", "table_4.json"):
        one, two = (json.loads((folder / name).read_text())["systems"] for folder in (alone, out))
        for system, row in one.items():
            assert set(two[system]) == set(row)
            measured = {k: entry["mean"] for k, entry in row.items() if entry["mean"] is not None}
            assert len(measured) > 2
            for key, value in measured.items():
                assert two[system][key]["mean"] == pytest.approx(value, rel=1e-3, abs=1e-5)


def test_workers_change_nothing(
    words: list[str], alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And do all of the work: the autoencoder's is refused to this process."""
    monkeypatch.setattr(scores, "reconstruct", lambda *_: pytest.fail("in one process"))
    main([*words, "--workers", "2", "--out", str(tmp_path)])
    same(alone, tmp_path)


@pytest.mark.usefixtures("no_networks")
def test_a_process_measures_its_share_of_the_clips_alone(
    testset: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(settings, sampling=read_sampling(["steps=1"], seed=1))
    given: list[scores.ClipScores] = []
    monkeypatch.setattr(run, "gather_object", given.extend)
    second = SimpleNamespace(process_index=1, num_processes=2, is_main_process=False, device="cpu")
    folders = read_testset(testset)
    assert run.score_share([read_spec("nano")], settings, folders, second) is None
    [clip] = given
    assert clip.name == "middle" and set(clip.systems) == {"nano"}
    assert set(clip.decoded["nano"].values) == {"psnr", "ssim"}
    assert len(list((settings.out / "reconstruction").iterdir())) == 1


@pytest.mark.parametrize(
    ("words", "workers"), [("cuda", 1), ("cuda:1", 1), ("cuda --workers 2", 2)]
)
def test_a_gpu_has_one_process_unless_more_are_asked_for(words: str, workers: int) -> None:
    given = ["--testset", "x", "--out", "y", "--device", *words.split()]
    assert parse(given).workers == workers
    assert parse(given[:4]).workers == min(2, os.cpu_count())


def test_two_processes_share_the_clips(words: list[str], alone: Path, tmp_path: Path) -> None:
    """Under torchrun each scores every second clip; the first writes what one process would, and
    the command as it is typed."""
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    typed = ["-m", "train.evaluate", *words, "--out", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, *launch, *typed],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("results, tables, sheets and page") == 1
    same(alone, tmp_path)
    one, two = (json.loads((f / "results.json").read_text()) for f in (alone, tmp_path))
    assert one["systems"]["nearest"] == two["systems"]["nearest"]
    assert (tmp_path / "report.html").is_file()
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["processes"] == 2
    assert manifest["command"] == shlex.join(["python", *typed])
