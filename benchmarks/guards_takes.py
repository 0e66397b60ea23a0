"""Whether the guards pick nano's better takes, and whether `hardness` foretells its failures.

    python benchmarks/guards_takes.py TAKES.pt SCORES.pt

TAKES.pt is of guards_windows.py; SCORES.pt keeps what was measured. The distance is LPIPS-HED, the
mean over five inner frames, from the true ones; PSNR is over all inner frames. Printed are the
weights of `hardness` in toon_core/shots/pairs.py, its rank correlation with the distance, and for
each rule the mean gain of the picked take over the mean take, with its standard error over windows.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from guards import FIGURES, named, regression  # noqa: E402
from guards_windows import Window, windows  # noqa: E402

from toon_core.metrics.networks.hed import load_lpips_hed  # noqa: E402
from toon_core.metrics.plain.psnr import psnr  # noqa: E402
from toon_core.shots import guards  # noqa: E402
from toon_core.shots.guards import judge  # noqa: E402
from toon_core.shots.pairs import HARD, HARDNESS, PairFeatures, compare, logistic  # noqa: E402

SEEN = (2, 5, 8, 10, 13)  # frames whose distance is taken
Row = dict[str, float]
# A lower value is better.
RULES: dict[str, Callable[[Row], float]] = {
    "fade": lambda row: row["fade"],
    "ghost": lambda row: row["ghost"],
    "flicker": lambda row: row["flicker"],
    "drift": lambda row: row["drift"],
    "jump": lambda row: max(row["jump_first"], row["jump_last"]),
    "cut": lambda row: row["cut"],
    "fade + ghost": lambda row: row["fade"] + row["ghost"],
    "best possible": lambda row: row["distance"],
}


def measure(window: Window, takes: list[Tensor], lpips) -> dict:
    clip, truth = window.clip, lpips.features(window.clip.frames[list(SEEN)])
    rows = []
    for take in takes:
        # The keys stand exactly at the ends, as in a shot.
        shown = torch.cat([clip.frames[:1], take[1:-1], clip.frames[-1:]])
        with torch.no_grad():
            distance = lpips.compare(lpips.features(shown[list(SEEN)]), truth).mean().item()
        found = judge(shown, clip.first, clip.last)
        row = {name: getattr(found, name) for name in FIGURES} | {"distance": distance}
        rows.append(row | {"psnr": psnr(shown[1:-1], clip.frames[1:-1]).mean().item()})
    return {"takes": rows, "features": astuple(compare(clip.first, clip.last))}


def all_scores(takes: Path, kept: Path) -> dict[str, dict]:
    found = torch.load(kept, weights_only=True) if kept.is_file() else {}
    made = torch.load(takes, weights_only=True)
    lpips, end = load_lpips_hed(), time.monotonic() + 270
    for window in windows():
        name = window.clip.name
        if name in found or time.monotonic() > end:
            continue
        found[name] = measure(window, window.takes(made), lpips)
        torch.save(found, kept)
    return found


def ranks(x: np.ndarray) -> np.ndarray:
    return np.array([(x < v).sum() + ((x == v).sum() - 1) / 2 for v in x])


def spearman(x, y) -> float:
    return float(np.corrcoef(ranks(np.array(x)), ranks(np.array(y)))[0, 1])


def hardness(scores: dict[str, dict], tested: set[str]) -> None:
    """Weights from puppets; how they do on each of these is told by weights from the others."""
    puppets = [s for name, s in scores.items() if "puppet" in name and name not in tested]
    samples = [s["features"] for s in puppets]
    outcome = [s["takes"][0]["distance"] for s in puppets]
    weights = regression(samples, outcome)
    print("hardness weights", [round(w, 2) for w in weights.tolist()])
    guess = []
    for i in range(len(samples)):
        others = regression(samples[:i] + samples[i + 1 :], outcome[:i] + outcome[i + 1 :])
        guess.append(logistic(tuple(others.tolist()), PairFeatures(**named(samples[i]))))
    print(f"{len(puppets)} puppets, each left out: rank correlation {spearman(guess, outcome):.2f}")
    for i, name in enumerate(named(samples[0])):
        print(f"  {name} alone: {spearman([s[i] for s in samples], outcome):.2f}")
    print("their distance, quartiles", np.round(np.quantile(outcome, [0.25, 0.5, 0.75]), 3))
    others = [s for name, s in scores.items() if "puppet" not in name or name in tested]
    told = [logistic(HARDNESS, PairFeatures(**named(s["features"]))) for s in others]
    got = [float(np.mean([take["distance"] for take in s["takes"]])) for s in others]
    print(f"the cast and other puppets ({len(others)}), weights of the code: ", end="")
    print(f"{spearman(told, got):.2f}; warned of {np.mean(np.array(told) > HARD):.0%}")
    print("  foretold", np.round(told, 2), "got", np.round(got, 2))


def picks(scores: dict[str, dict], title: str) -> None:
    many = [s["takes"] for s in scores.values() if len(s["takes"]) > 1]
    print(f"\n{title}: {len(many)} windows, {len(many[0])} takes each")
    print("| Picked by least | LPIPS-HED gained | PSNR gained (dB) |\n|---|---|---|")
    for rule, value in RULES.items():
        gain = np.array([gained(rows, value) for rows in many])
        error = gain.std(axis=0, ddof=1) / len(gain) ** 0.5
        (distance, decibels), (off, decibels_off) = gain.mean(axis=0), error
        cells = f"{distance:+.4f} +- {off:.4f} | {decibels:+.2f} +- {decibels_off:.2f}"
        print(f"| {rule} | {cells} |")
    spread = np.mean([np.std([row["distance"] for row in rows], ddof=1) for rows in many])
    print(f"spread of a window's takes, LPIPS-HED: {spread:.4f}")


def gained(rows: list[Row], value: Callable[[Row], float]) -> tuple[float, float]:
    """By the take of the least value over the mean take: LPIPS-HED and PSNR."""
    # NaN cannot be told from the others' and is never the least, unless all are.
    best = rows[int(np.argmin([np.nan_to_num(value(row), nan=np.inf) for row in rows]))]
    distance, decibels = (np.mean([row[name] for row in rows]) for name in ("distance", "psnr"))
    return float(distance - best["distance"]), float(best["psnr"] - decibels)


def judged(scores: dict[str, dict]) -> None:
    """What the guards say of nano's clips."""
    rows = [take for s in scores.values() for take in s["takes"]]
    print(f"\n{len(rows)} takes")
    for name in FIGURES:
        got = np.array([row[name] for row in rows])
        middle = np.round(np.nanquantile(got, [0.25, 0.5, 0.75]), 3)
        limit = getattr(guards, name.split("_")[0].upper())
        print(f"{name}: quartiles {middle}, warned of {(got > limit).mean():.0%}")
    for name in ("fade", "ghost", "flicker", "drift", "cut"):
        kept = [row for row in rows if not np.isnan(row[name])]
        told = spearman([r[name] for r in kept], [r["distance"] for r in kept])
        print(f"rank correlation of {name} with the distance over all takes {told:.2f}")


def main() -> None:
    torch.set_num_threads(1)
    scores = all_scores(Path(sys.argv[1]), Path(sys.argv[2]))
    again = {window.clip.name for window in windows() if window.again}
    hardness(scores, again)
    picks({name: s for name, s in scores.items() if name not in again}, "first")
    if tried := {name: s for name, s in scores.items() if name in again}:
        picks(tried, "again, other windows")
        picks(scores, "both")
    judged(scores)


if __name__ == "__main__":
    main()
