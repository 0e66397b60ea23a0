"""How nano's measures went with the time spent on it: docs/nano/curves.png from its csv files.

    python benchmarks/nano_curves.py

progress.csv: means over 16 held-out windows (LPIPS-HED, of five frames; PSNR in dB; motion ratio)
of each state of the weights, against the hours of threads that had gone into its chain of runs;
rivals.csv: the same of other systems; denoiser_loss.csv: the training loss in twelve parts a run.
"""

from __future__ import annotations

import csv
from itertools import groupby
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # no window
from matplotlib import pyplot  # noqa: E402 (after the choice of what draws)

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "nano"
PANELS = {
    "lpips_hed": "LPIPS-HED (lower is better)",
    "psnr": "PSNR (dB)",
    "motion_ratio": "motion ratio (truth: 1)",
}
RIVALS = [("C1", ":"), ("C2", "--"), ("C3", "-.")]


def read(name: str) -> list[dict[str, str]]:
    with open(FOLDER / name, newline="") as file:
        return list(csv.DictReader(file))


def draw_progress(panel, column: str) -> None:
    stages = read("progress.csv")
    hours, values = ([float(row[key]) for row in stages] for key in ("thread_hours", column))
    panel.plot(hours, values, marker="o", ms=4, label="nano")
    for rival, (colour, line) in zip(read("rivals.csv"), RIVALS, strict=True):
        level = float(rival[column])
        panel.axhline(level, color=colour, linestyle=line, label=rival["system"])
    panel.set(xlabel="hours of threads", ylabel=PANELS[column])


def draw_loss(panel) -> None:
    for run, rows in groupby(read("denoiser_loss.csv"), key=lambda row: row["run"]):
        points = [(int(row["step"]), float(row["loss"])) for row in rows]
        panel.plot(*zip(*points, strict=True), marker="o", ms=3, label=run)
    panel.set(xlabel="step", ylabel="denoiser's loss")
    panel.legend(fontsize="small")


def main() -> None:
    figure, panels = pyplot.subplots(1, 4, figsize=(18, 4))
    *measures, last = panels
    for panel, column in zip(measures, PANELS, strict=True):
        draw_progress(panel, column)
    measures[0].legend(fontsize="small")
    draw_loss(last)
    for panel in panels:
        panel.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(FOLDER / "curves.png", dpi=80, metadata={"Software": None})


if __name__ == "__main__":
    main()
