"""docs/patches.md: every patch of this ComfyUI is in it, and what it says still holds."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from place import ROOT

sys.path.insert(0, str(ROOT / "benchmarks"))

from patch_bench import Bench, version  # noqa: E402
from patch_page import page  # noqa: E402
from patch_trials import patch_rows, sampled  # noqa: E402

if TYPE_CHECKING:
    from inprocess import Comfy

FOLDER = ROOT / "docs" / "patches"
TABLES = {p.stem: json.loads(p.read_text(encoding="utf-8")) for p in FOLDER.glob("*.json")}


@pytest.fixture(scope="module")
def bench(toon: Comfy) -> Bench:
    """The tiny model, on which a run takes a moment."""
    return Bench(toon, "tiny.safetensors", width=64, height=64, length=4)


def newest() -> str:
    return max(TABLES, key=lambda v: [int(n) for n in v.split(".")])


def measured(table: str = "patches") -> dict[str, Any]:
    """Rows of this ComfyUI, or of the newest that was measured."""
    return {row["name"]: row for row in TABLES.get(version(), TABLES[newest()])[table]}


def node_of(name: str) -> str:
    """ "EasyCache (with fresh noise)" is a row of EasyCache."""
    return name.split(" (")[0]


def test_every_patch_is_in_the_table(bench: Bench) -> None:
    there = set(bench.patches())
    assert len(there) > 50
    known = {node_of(row["name"]) for found in TABLES.values() for row in found["patches"]}
    assert there - known == set(), "run benchmarks/patches.py in this ComfyUI"
    if version() in TABLES:
        assert there == {node_of(name) for name in measured()}
        assert set(bench.sampler_names) == set(measured("samplers"))
        assert set(bench.scheduler_names) == set(measured("schedulers"))


def test_the_page_is_that_of_the_figures() -> None:
    assert (ROOT / "docs" / "patches.md").read_text(encoding="utf-8") == page(FOLDER)


def test_no_row_is_broken_without_a_reason() -> None:
    """What comes over this pack is works, no effect, or a refusal in its own words."""
    for found in TABLES.values():
        for row in found["patches"]:
            assert row["verdict"] != "not finite", row
            if row["verdict"] != "works":
                assert row["note"], row


@pytest.mark.parametrize(
    "node",
    [
        *("APG", "TCFG", "FreeU", "PerturbedAttentionGuidance"),
        *("ModelSamplingSD3", "LoraLoaderModelOnly"),
    ],
)
def test_verdicts_hold(bench: Bench, node: str) -> None:
    [row] = patch_rows(bench, node, lambda **settings: bench.sample(**settings))
    wanted = measured()[row["name"]]
    assert (row["verdict"], row.get("axes")) == (wanted["verdict"], wanted.get("axes"))


@pytest.mark.parametrize("name", ["euler", "dpmpp_2m", "heun", "dpmpp_2m_sde"])
def test_samplers_hold(bench: Bench, name: str) -> None:
    base = bench.sample()
    row = sampled(bench, base, base, sampler_name=name)
    refused = measured("samplers")[name]["verdict"] == "refused"
    assert (row["verdict"] == "refused") == refused and row["verdict"] != "not finite"
