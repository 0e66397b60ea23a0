"""The comparison passes on the recorded outputs, on other shapes, and fails when it should."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compare import check, relative_error
from parity_index import kind_of
from safetensors.numpy import load_file, save_file
from take import parse
from variants import record

HERE = Path(__file__).resolve().parent
GOLDEN = HERE / "golden"
SMALL = "resampler.safetensors"


def test_agrees_with_the_release(capsys: pytest.CaptureFixture[str]) -> None:
    assert check(GOLDEN) == 0, capsys.readouterr().out
    index = json.loads((GOLDEN / "index.json").read_text(encoding="utf-8"))
    names = [
        f"{file}/{output}"
        for file, cases in index.items()
        if not file.startswith("_")
        for case in cases.values()
        for output in case["outputs"]
    ]
    *lines, last = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == names
    assert last.startswith(f"{len(names)} outputs, worst ")


def test_other_shapes_agree_with_float64(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path)
    assert check(tmp_path) == 0, capsys.readouterr().out


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A copy of one quick golden file with its index."""
    index = json.loads((GOLDEN / "index.json").read_text(encoding="utf-8"))
    (tmp_path / "index.json").write_text(json.dumps({SMALL: index[SMALL]}), encoding="utf-8")
    (tmp_path / SMALL).write_bytes((GOLDEN / SMALL).read_bytes())
    return tmp_path


def test_as_a_program(small: Path) -> None:
    command = [sys.executable, str(HERE / "compare.py"), str(small)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=small, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("2 outputs, worst ")


def _nudge(value: float) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        tensors = load_file(folder / SMALL)
        tensors["single/out"].flat[5] += value
        save_file(tensors, folder / SMALL)

    return change


def _index(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        index = json.loads((folder / "index.json").read_text(encoding="utf-8"))
        change(index)
        (folder / "index.json").write_text(json.dumps(index), encoding="utf-8")

    return edit


def _single(index: dict[str, Any]) -> dict[str, Any]:
    return index[SMALL]["single"]


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (_nudge(1e-3), "TOO LARGE"),
        (_nudge(float("nan")), "TOO LARGE"),
        (_index(lambda i: _single(i)["outputs"].update({"single/extra": {}})), "'extra'"),
        (_index(lambda i: _single(i)["weights"].update(salt="x")), "TOO LARGE"),
        (_index(lambda i: _single(i)["config"].update(gated=True)), "gated"),
        (_index(lambda i: _single(i)["config"].update(heads=4)), "not as the manifest"),
        (_index(lambda i: _single(i)["inputs"]["x"].update(head=[0.0])), "head says"),
        (_index(lambda i: _single(i)["inputs"]["x"].update(dist="cauchy")), "cauchy"),
        (_index(lambda i: _single(i).pop("outputs")), "single: has no outputs"),
        (_index(lambda i: _single(i).update(outputs={})), "single: has no outputs"),
        (_index(lambda i: _single(i).update(scalars={"ffs": 3})), "unknown ffs"),
        (_index(lambda i: _single(i)["inputs"].update(y={}, control=[])), "unknown y, control"),
        (_index(lambda i: _single(i)["inputs"].clear()), "needs an input 'x'"),
        (_index(lambda i: i.update({"flow.safetensors": {"a": _single(i)}})), "unknown kind"),
        (_index(lambda i: i.update({"vae.safetensors": {"a": _single(i)}})), "FAILED"),
    ],
)
def test_exits_1(
    small: Path, capsys: pytest.CaptureFixture[str], damage: Callable, says: str
) -> None:
    if "manifest" in says:
        manifests = GOLDEN.glob("manifest-resampler*.json")
        for manifest in manifests:
            (small / manifest.name).write_bytes(manifest.read_bytes())
    damage(small)
    assert check(small) == 1
    captured = capsys.readouterr()
    assert says in captured.out + captured.err
    assert re.match(r"\d+ outputs, worst ", captured.out.splitlines()[-1])


def test_take_is_a_numpy_index() -> None:
    assert parse("[:, ::8]") == (slice(None), slice(None, None, 8))
    assert parse("[..., [0, -1], None, 2]") == (Ellipsis, [0, -1], None, 2)
    array = np.arange(60).reshape(3, 4, 5)
    assert np.array_equal(array[parse("[:, [0, -1], 1:-1]")], array[:, [0, -1], 1:-1])


@pytest.mark.parametrize(
    "text", ["[f()]", "[x]", "[1.5]", "[True]", ".shape", "(1)", "[0", "[:][0]"]
)
def test_take_refuses_all_else(text: str) -> None:
    with pytest.raises(ValueError, match="take ="):
        parse(text)


def test_integers_must_be_equal() -> None:
    assert relative_error(np.array([1, 2]), np.array([1, 2])) == 0
    assert relative_error(np.array([1, 3]), np.array([1, 2])) == float("inf")
    assert relative_error(np.array([1.0, 2.2]), np.array([1.0, 2.0])) == pytest.approx(0.1)


def test_kinds_follow_the_file_name() -> None:
    assert kind_of("unet.safetensors") == kind_of("unet_wide.safetensors") == "unet"
    with pytest.raises(ValueError, match="unknown kind"):
        kind_of("unetwork.safetensors")
