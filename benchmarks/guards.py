"""Thresholds of the guards (toon_core/shots) and how well each works, on our own clips.

    python benchmarks/guards.py measure FILE.pt [count=8]   (clips a level; goes on where it was)
    python benchmarks/guards.py fit FILE.pt                 (prints weights and thresholds)
    python benchmarks/guards.py show FILE.pt                (tables and picture of docs/guards.md)

True clips are puppets of one seed to fit and of another to test, and the cast, which is only
tested; broken ones are made from them by guards_labels.py. A threshold is the value that 3 % of the
fitting seed's true clips exceed, not below the floor in FLOORS; the weights of `one_shot` are a
logistic regression. What the constants in toon_core/shots say is taken by hand from `fit`.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import astuple, fields
from pathlib import Path

import matplotlib
import numpy as np
import torch
from torch import Tensor

matplotlib.use("Agg")  # no window
from matplotlib import pyplot  # noqa: E402 (after the choice of what draws)

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from guards_labels import FAULTS, broken, cast, cast_pairs, pairs, puppets  # noqa: E402

from toon_core.shots import guards  # noqa: E402
from toon_core.shots.guards import Judgement, judge  # noqa: E402
from toon_core.shots.pairs import ONE_SHOT, SAME_SHOT, PairFeatures, compare, logistic  # noqa: E402

SEEDS = {"fit": 1_000_021, "test": 1_000_022}  # of puppets; training takes smaller ones
FIGURES = [field.name for field in fields(Judgement) if field.name != "warnings"]
GUARDS = ("jump", "cut", "fade", "ghost", "drift", "flicker")
MEANT = {  # guard -> the faults it is there for
    "jump": ("shift", "late", "tint"),
    "cut": ("nearest", "cut"),
    "fade": ("fade", "half fade"),
    "ghost": ("fade", "half fade"),
    "drift": ("tint",),
    "flicker": ("noise", "brightness"),
}
FLOORS = {"jump": 1.25, "cut": 0.35, "fade": 0.1, "ghost": 0.05, "drift": 2.0, "flicker": 0.006}
FALSE = 0.03
BEGIN, END = "<!-- tables -->", "<!-- /tables -->"
Row = dict[str, float]


def judged(clips: Iterator[Tensor]) -> Iterator[Row]:
    """Of each clip that changes: the figures of it and its broken versions, by "fault figure"."""
    rng = np.random.default_rng(0)
    for clip in clips:
        if (clip[0] - clip[-1]).abs().amax() < 0.1:
            continue
        row = {}
        for fault in ("true", *FAULTS):
            shown = clip if fault == "true" else broken(clip, fault, rng)
            found = judge(shown, clip[0], clip[-1])
            row |= {f"{fault} {name}": getattr(found, name) for name in FIGURES}
        yield row


def compared(keys: Iterator[tuple[Tensor, Tensor, str]]) -> Iterator[tuple[str, tuple]]:
    for first, last, kind in keys:
        yield kind, astuple(compare(first, last))


def measure(file: Path, count: int) -> None:
    """All parts that the file does not hold yet, each as a list."""
    parts: dict[str, Callable[[], Iterator]] = {"cast": lambda: judged(cast())}
    parts["cast pairs"] = lambda: compared(cast_pairs())
    for name, seed in SEEDS.items():
        parts[name] = lambda seed=seed: judged(puppets(seed, count))
        parts[f"{name} pairs"] = lambda seed=seed: compared(pairs(seed, count))
    found = torch.load(file) if file.is_file() else {}
    for name, part in parts.items():
        if name in found:
            continue
        begun = time.monotonic()
        found[name] = list(part())
        torch.save(found, file)
        print(f"{name}: {len(found[name])}, {time.monotonic() - begun:.0f} s", flush=True)


def values(rows: list[Row], fault: str, guard: str) -> np.ndarray:
    """NaN, which is above no threshold, counts as the lowest value."""
    if guard == "jump":
        both = [[row[f"{fault} jump_{key}"] for key in ("first", "last")] for row in rows]
        return np.nan_to_num(np.array(both), nan=-1.0).max(axis=1)
    return np.nan_to_num(np.array([row[f"{fault} {guard}"] for row in rows]), nan=-1.0)


def auc(good: np.ndarray, bad: np.ndarray) -> float:
    """Probability that a bad one has more than a good one, ties by half (Mann-Whitney)."""
    more, equal = bad[:, None] > good, bad[:, None] == good
    return float(more.mean() + equal.mean() / 2)


def thresholds(rows: list[Row]) -> Row:
    return {
        guard: max(FLOORS[guard], float(np.quantile(values(rows, "true", guard), 1 - FALSE)))
        for guard in GUARDS
    }


def constants() -> Row:
    """As they stand in the code."""
    return {guard: getattr(guards, guard.upper()) for guard in GUARDS}


def regression(samples: list[tuple], labels: list[float], decay: float = 1e-2) -> Tensor:
    """Weights of the features, then the constant, of a logistic regression; the labels' kinds, or
    their values in 0..1, weigh alike. `decay` holds the weights of features of spread 1."""
    x, y = torch.tensor(samples).double(), torch.tensor(labels).double()
    mean, spread = x.mean(dim=0), x.std(dim=0)
    z = torch.cat([(x - mean) / spread, torch.ones(len(x), 1)], dim=1).double()
    w = torch.zeros(z.shape[1], dtype=torch.double, requires_grad=True)
    weight = torch.where(y > 0.5, 0.5 / (y > 0.5).double().mean(), 0.5 / (y <= 0.5).double().mean())
    weight = weight if set(labels) == {0.0, 1.0} else torch.ones_like(y)
    optimiser = torch.optim.LBFGS([w], max_iter=500, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = torch.nn.functional.binary_cross_entropy_with_logits(z @ w, y, weight)
        loss = loss + decay * w[:-1].square().sum()
        loss.backward()
        return loss

    optimiser.step(closure)
    slopes = w.detach()[:-1] / spread
    return torch.cat([slopes, w.detach()[-1:] - (slopes * mean).sum()])


def fit(found: dict) -> None:
    print("thresholds", {k: round(v, 4) for k, v in thresholds(found["fit"]).items()})
    kinds, samples = zip(*found["fit pairs"], strict=True)
    weights = regression(list(samples), [float(kind == "one shot") for kind in kinds])
    print("one_shot", [field.name for field in fields(PairFeatures)], "constant")
    print([round(w, 2) for w in weights.tolist()])
    same = one_shot_scores(found["fit pairs"])["one shot"]
    print(f"probability that {FALSE:.0%} of the pairs of one shot fall below:", end=" ")
    print(round(float(np.quantile(same, FALSE)), 3))


def table(rows: list[Row]) -> list[str]:
    """A line for each guard and fault it is meant for."""
    lines = []
    for guard, limit in constants().items():
        true = values(rows, "true", guard)
        for fault in MEANT[guard]:
            bad = values(rows, fault, guard)
            lines.append(
                f"| {guard} | {fault} | {auc(true, bad):.3f} | {limit:g} | "
                f"{(bad > limit).mean():.0%} | {(true > limit).mean():.0%} |"
            )
    return lines


def pair_table(rows: list[tuple[str, tuple]]) -> list[str]:
    scores = one_shot_scores(rows)
    return [
        f"| {kind} | {auc(scores[kind], scores['one shot']):.3f} | "
        f"{(scores[kind] < SAME_SHOT).mean():.0%} | "
        f"{(scores['one shot'] < SAME_SHOT).mean():.0%} |"
        for kind in ("other clip", "other angle")
    ]


def one_shot_scores(rows: list[tuple[str, tuple]]) -> dict[str, np.ndarray]:
    by_kind: dict[str, list[float]] = {}
    for kind, features in rows:
        by_kind.setdefault(kind, []).append(logistic(ONE_SHOT, PairFeatures(**named(features))))
    return {kind: np.array(scores) for kind, scores in by_kind.items()}


def named(features: tuple) -> Row:
    return dict(zip((field.name for field in fields(PairFeatures)), features, strict=True))


def draw(found: dict) -> None:
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(10, 4.2))
    for i, (guard, faults) in enumerate(MEANT.items()):
        true = values(found["test"], "true", guard)
        for fault, line in zip(faults, ("-", "--", ":"), strict=False):
            bad = values(found["test"], fault, guard)
            curve(left, true, bad, f"{guard}: {fault}", color=f"C{i}", linestyle=line)
    for part, line in (("test pairs", "-"), ("cast pairs", ":")):
        scores = one_shot_scores(found[part])
        for kind, colour in (("other clip", "C0"), ("other angle", "C1")):
            label = f"{kind} ({'cast' if 'cast' in part else 'puppets'})"
            curve(right, -scores["one shot"], -scores[kind], label, color=colour, linestyle=line)
    left.set(title="guards, clips of the test seed", ylabel="broken clips found")
    right.set(title="one_shot", ylabel="other shots found")
    for panel, what in ((left, "true clips warned of"), (right, "pairs of one shot warned of")):
        panel.set(xlabel=what, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        panel.legend(fontsize="x-small", loc="lower right")
    figure.tight_layout()
    figure.savefig(ROOT / "docs" / "guards.png", dpi=90)


def curve(panel, good: np.ndarray, bad: np.ndarray, label: str, **style) -> None:
    limits = np.unique(np.concatenate([good, bad, [math.inf, -math.inf]]))[::-1]
    false = [(good >= limit).mean() for limit in limits]
    right = [(bad >= limit).mean() for limit in limits]
    panel.plot(false, right, label=label, **style)


def show(found: dict) -> None:
    """The picture, and the tables between their marks in docs/guards.md."""
    lines = []
    for part, what in (("test", "puppets of the test seed"), ("cast", "the cast")):
        lines += ["", f"{len(found[part])} clips, {what}:", ""]
        lines.append("| Guard | Fault | AUC | Threshold | Found | True clips warned of |")
        lines += ["|---|---|---|---|---|---|", *table(found[part])]
        rows = found[f"{part} pairs"]
        lines += ["", f"{len(rows)} pairs of keys, {what}:", ""]
        lines.append("| Two shots | AUC | Found | Pairs of one shot warned of |")
        lines += ["|---|---|---|---|", *pair_table(rows)]
    page = ROOT / "docs" / "guards.md"
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    page.write_text("\n".join([before + BEGIN, *lines, "", END + after]), encoding="utf-8")
    draw(found)


def main() -> None:
    torch.set_num_threads(1)
    task, file, *words = sys.argv[1:]
    if task == "measure":
        measure(Path(file), int(dict(word.split("=", 1) for word in words).get("count", 8)))
    else:
        {"fit": fit, "show": show}[task](torch.load(file, weights_only=True))


if __name__ == "__main__":
    main()
