"""Answers of a user study to the paper's Table 2."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import krippendorff
import numpy as np

from .store import write_json
from .study_page import CRITERIA
from .tables import as_text

RESAMPLES = 2000

# rater -> clip -> number of the chosen system
Choices = dict[str, dict[str, int]]


def tally(out: Path, files: Sequence[Path]) -> str:
    """Write out/table2.json and out/table2.md -> the latter's text.

    ValueError names a file that is no answer to this study, or two of one rater.
    """
    key = _json(out / "key.json")
    if not isinstance(key, dict) or "media" not in key:
        raise ValueError(f"{out / 'key.json'} is no study's key; give the folder train.study made")
    choices = read(key, files)
    systems = key["systems"]
    table = {name: row(choices[name], len(systems)) for name in CRITERIA}
    result = {"systems": systems, "raters": len(files), "criteria": table}
    write_json(out / "table2.json", result)
    text = markdown(systems, len(files), len(key["clips"]), table)
    (out / "table2.md").write_text(text, encoding="utf-8")
    return text


def read(key: Mapping, files: Sequence[Path]) -> dict[str, Choices]:
    """{criterion: {rater: {clip: number of the chosen system}}}."""
    choices: dict[str, Choices] = {name: {} for name in CRITERIA}
    seen: dict[str, Path] = {}
    for file in files:
        rater, answers = _saved(key, file)
        if rater in seen:
            raise ValueError(f"{file} and {seen[rater]} are both of rater {rater}; give one")
        seen[rater] = file
        for answer in answers:
            name, clip, system = _answer(key, answer, file)
            choices[name].setdefault(rater, {})[clip] = key["systems"].index(system)
    return choices


def _saved(key: Mapping, file: Path) -> tuple[str, list[dict]]:
    """Who the rater of a file is, and the answers; ValueError where the page did not save it."""
    saved = _json(file)
    if not isinstance(saved, dict) or saved.get("study") != key["study"]:
        raise ValueError(f"{file} holds no answers to the study {key['study']}")
    rater, answers = saved.get("rater"), saved.get("answers")
    listed = isinstance(answers, list) and all(isinstance(a, dict) for a in answers)
    if not isinstance(rater, str) or not listed:
        raise ValueError(
            f"{file} lacks a rater or a list of answers; give it as the study's page saved it"
        )
    return rater, answers


def _answer(key: Mapping, answer: Mapping, file: Path) -> tuple[str, str, str]:
    behind = key["media"].get(str(answer.get("chosen")))
    if behind is None or behind["clip"] != answer.get("clip"):
        raise ValueError(f"{file}: {answer.get('chosen')!r} is nothing that this study showed")
    if str(answer.get("criterion")) not in CRITERIA:
        raise ValueError(f"{file}: no criterion {answer.get('criterion')!r}")
    return answer["criterion"], behind["clip"], behind["system"]


def row(choices: Choices, systems: int) -> dict:
    """Preference in percent with 95 % intervals, and the agreement between the raters.

    The intervals resample whole raters, or the clips where there is one rater (bootstrap, Efron,
    1979). Agreement is Krippendorff's alpha, nominal: 1 is perfect, 0 is chance; None where it
    says nothing, with one rater or one system chosen throughout.
    """
    shares = _units(choices)
    counts = np.array([np.bincount(unit, minlength=systems) for unit in shares])
    if not len(counts):
        return {"preference": [None] * systems, "votes": 0, "alpha": None}
    draws = np.random.default_rng(0).integers(len(counts), size=(RESAMPLES, len(counts)))
    drawn = counts[draws].sum(axis=1)
    drawn = 100 * drawn / drawn.sum(axis=1, keepdims=True)
    lo, hi = np.percentile(drawn, [2.5, 97.5], axis=0)
    mean = 100 * counts.sum(axis=0) / counts.sum()
    preference = [
        {"mean": float(m), "lo": float(a), "hi": float(b)}
        for m, a, b in zip(mean, lo, hi, strict=True)
    ]
    return {"preference": preference, "votes": int(counts.sum()), "alpha": agreement(choices)}


def _units(choices: Choices) -> list[list[int]]:
    """The chosen numbers by what is resampled."""
    if len(choices) > 1:
        return [list(clips.values()) for clips in choices.values()]
    return [[number] for clips in choices.values() for number in clips.values()]


def agreement(choices: Choices) -> float | None:
    clips = sorted({clip for given in choices.values() for clip in given})
    table = np.array([[given.get(clip, np.nan) for clip in clips] for given in choices.values()])
    shared = (~np.isnan(table)).sum(axis=0) > 1 if len(choices) > 1 else np.zeros(0, bool)
    if not shared.any() or len(np.unique(table[:, shared][~np.isnan(table[:, shared])])) < 2:
        return None
    return float(krippendorff.alpha(reliability_data=table, level_of_measurement="nominal"))


def markdown(systems: Sequence[str], raters: int, clips: int, table: Mapping[str, dict]) -> str:
    lines = [
        "# User study",
        "",
        f"{raters} raters, {clips} clips; preference in percent with 95 % bootstrap intervals in "
        "brackets. Agreement is Krippendorff's alpha: 1 is perfect, 0 is chance.",
        "",
        f"| criterion | {' | '.join(map(as_text, systems))} | agreement | votes |",
        "| --- |" + " ---: |" * (len(systems) + 2),
    ]
    for name, values in table.items():
        alpha = "-" if values["alpha"] is None else f"{values['alpha']:.2f}"
        cells = [_cell(entry, values["preference"]) for entry in values["preference"]]
        lines.append(f"| {CRITERIA[name][0]} | {' | '.join(cells)} | {alpha} | {values['votes']} |")
    return "\n".join(lines) + "\n"


def _cell(entry: dict | None, row: Sequence[dict | None]) -> str:
    if entry is None:
        return "-"
    mean = f"{entry['mean']:.2f}"
    if entry["mean"] == max(e["mean"] for e in row):
        mean = f"**{mean}**"
    return f"{mean} [{entry['lo']:.1f}, {entry['hi']:.1f}]"


def _json(file: Path) -> object:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{file} cannot be read as JSON: {error}") from error
