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

from train.eval import run, scores
from train.eval.options import Settings, parse, read_sampling, read_spec
from train.eval.run import evaluate
from train.eval.study import Study, make
from train.eval.testset import read_testset
from train.evaluate import main

ROOT = Path(__file__).parents[3]


def test_workers_change_nothing(
    testset: Path, bare: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And do all of the work: the autoencoder's is refused to this process."""
    settings = replace(bare, sampling=read_sampling(["steps=1"], seed=1))
    apart = replace(settings, out=tmp_path / "apart")
    alone = evaluate(["nano"], testset, settings, limit=1)["systems"]["nano"]
    monkeypatch.setattr(scores, "reconstruct", lambda *_: pytest.fail("in one process"))
    shared = evaluate(["nano"], testset, apart, limit=1, workers=2)["systems"]["nano"]
    tables = [json.loads((s.out / "table_4.json").read_text()) for s in (settings, apart)]
    decoded = [table["systems"]["nano"] for table in tables]
    for one, two in ((alone, shared), decoded):
        assert set(two) == set(one)
        measured = {key: entry["mean"] for key, entry in one.items() if entry["mean"] is not None}
        assert len(measured) > 1
        for key, value in measured.items():
            assert two[key]["mean"] == pytest.approx(value, rel=1e-3, abs=1e-5)


def test_a_process_measures_its_share_of_the_clips_alone(
    testset: Path, bare: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = replace(bare, sampling=read_sampling(["steps=1"], seed=1))
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


@pytest.mark.parametrize("device", ["gpu", "cuda:99"])
def test_a_device_that_is_not_there_is_named(
    testset: Path, bare: Settings, tmp_path: Path, device: str
) -> None:
    with pytest.raises(ValueError, match=f"--device={device}"):
        evaluate(["nearest"], testset, replace(bare, device=device))
    study = Study(testset=testset, out=tmp_path, systems=("nearest", "nano"), device=device)
    with pytest.raises(ValueError, match=f"--device={device}"):
        make(study)


def test_two_processes_share_the_clips(testset: Path, tmp_path: Path) -> None:
    """Under torchrun each scores every second clip; the first writes what one process would, and
    the command as it is typed."""
    words = ["--testset", str(testset), "--system", "nearest", "--size", "64", "--workers", "1"]
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    typed = ["-m", "train.evaluate", *words, "--limit", "2", "--out", str(tmp_path / "two")]
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
    main([*words, "--limit", "2", "--out", str(tmp_path / "one")])
    one, two = (json.loads((tmp_path / n / "results.json").read_text()) for n in ("one", "two"))
    assert one == two and (tmp_path / "two" / "report.html").is_file()
    manifest = json.loads((tmp_path / "two" / "manifest.json").read_text())
    assert manifest["command"] == shlex.join(["python", *typed])
    assert manifest["processes"] == 2
