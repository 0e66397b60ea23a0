"""The kit for a GPU: its clock and its file, and all that it measures rehearsed on a CPU."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.gpu_kit.__main__ import STAGES, main
from benchmarks.gpu_kit.results import Clock, Item, Results, perform
from benchmarks.gpu_kit.tables import tables


def test_every_stage_runs_and_is_not_run_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "gpu.json"
    words = ["--small", "--out", str(out)]
    for _ in range(4):  # a slow machine goes on with the same command
        status, said = main(words), capsys.readouterr()
        assert status == 0, said
        if "no time for" not in said.out:
            break
    kept = json.loads(out.read_text())
    assert {name.split("/")[0] for name in kept["items"]} == set(STAGES)
    items = kept["items"]
    assert items["parity/golden float32"]["worst"] < 1e-4
    assert items["parity/waits in sampling"]["waits"] == 0
    assert items["speed/clip"]["ratio"] > 0 and items["speed/unet"]["tflop"] > 0
    assert items["memory/24 GB"]["two branches"]["batched"]
    assert items["training/rectify sharded"]["tokens_s"] > 0
    assert items["compiled/unet"]["error"] <= 1.5 * items["compiled/unet"]["their_error"]
    assert main(words) == 0 and json.loads(out.read_text()) == kept
    assert not capsys.readouterr().out
    lines = list(tables(out))
    assert any(line.startswith("| unet | ") for line in lines)


def test_what_failed_is_kept_and_tried_again(tmp_path: Path) -> None:
    out, about, broken = tmp_path / "kept.json", {"device": "x"}, [True]

    def shaky() -> dict[str, float]:
        if broken:
            raise RuntimeError("CUDA error: no luck\nand more")
        return {"seconds": 1.0}

    items = [Item("a", lambda: {"seconds": 2.0}), Item("b", shaky), Item("c", dict, seconds=9999)]
    results = Results(out, about)
    assert perform("s", items, results, Clock(1)) == ["s/c"]
    kept = Results(out, about)
    assert kept.items["s/b"]["failed"] == "RuntimeError: CUDA error: no luck"
    assert kept.failed == ["s/b"] and kept.done("s/a")
    broken.clear()
    assert perform("s", items, kept, Clock(1)) == ["s/c"]
    assert not Results(out, about).failed
    with pytest.raises(ValueError, match="another device"):
        Results(out, {"device": "y"})


def test_a_stage_ends_with_the_call() -> None:
    whole = Clock(0.5)
    assert Clock(10, whole).left <= 30 and Clock(0.1, whole).left <= 6
