"""A blind user study: its page, the key that tells its names apart, Table 2 from the answers."""

import argparse
import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import krippendorff
import numpy as np
from torch import Tensor
from tqdm import tqdm

from train.engine.files import OutFolder, atomic_write, write_text
from train.engine.launch import device_of

from .cache import read_json, write_json
from .options import add_shared, opened, read_spec
from .output import COLUMNS, filled, strip
from .systems import Sampling, System, run_system
from .tables import as_text, bootstrap, markdown
from .testset import Clip, read_clip, read_testset

CRITERIA = {
    "motion_quality": ("Motion quality", "Which clip moves best?"),
    "temporal_coherence": ("Temporal coherence", "Which clip holds together best over time?"),
    "frame_fidelity": ("Frame fidelity", "Which clip's single pictures look best?"),
}
TIE = "tie"  # what a rater chose who saw no difference

# rater -> clip -> number of the chosen system, or of what follows the last one: no difference
Choices = dict[str, dict[str, int]]


@dataclass(frozen=True, kw_only=True)
class Study:
    """What to show. `size` is the clips' shorter side in pixels."""

    testset: Path
    out: Path
    systems: tuple[str, ...]
    clips: int = 12
    seed: int = 123
    size: int = 256
    sampling: Sampling = Sampling()
    device: str = "cpu"


def make(study: Study) -> Path:
    """Write out/page and out/key.json -> the page; ValueError before long work.

    What is made already is kept, so an interrupted run goes on.
    """
    device_of(study.device, "--device")
    specs = [read_spec(system) for system in study.systems]
    names = [spec.name for spec in specs]
    if not 2 <= len(specs) <= 9 or len(set(names)) < len(names):
        raise ValueError(f"systems {names}: a study compares 2 to 9 of different names")
    if study.clips < 1 or study.size < 16:
        raise ValueError(f"clips {study.clips}, size {study.size}: at least 1 clip of size 16")
    folders = read_testset(study.testset)
    chosen = sorted(random.Random(study.seed).sample(folders, min(study.clips, len(folders))))
    for spec in specs:
        spec.check(chosen)
    page = study.out / "page"
    questions, clips, media = [], {}, {}
    out = OutFolder(study.out, study.testset)
    with out.locked(), opened(specs, study.out, study.device) as specs:
        systems = [spec.open(study.device) for spec in specs]
        for number, folder in enumerate(tqdm(chosen, "clips", unit="clip")):
            clip, id_ = read_clip(folder, study.size), f"c{number:02d}"
            keys, shown = _show(clip, systems, study, page / "media")
            clips[id_] = clip.name
            media |= {name: {"clip": id_, "system": s} for s, name in shown.items()}
            height, width = clip.size
            questions.append(
                {
                    "id": id_,
                    "prompt": clip.prompt,
                    "keys": keys,
                    "media": sorted(shown.values()),
                    "frames": len(clip.frames),
                    "height": height,
                    "width": width,
                }
            )
    facts = {"clips": questions, "criteria": CRITERIA, "columns": COLUMNS}
    facts["study"] = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]
    key = {"study": facts["study"], "systems": names, "clips": clips, "media": media}
    write_json(study.out / "key.json", key | {"seed": study.seed, "size": study.size})
    write_text(page / "index.html", filled("study.html", facts))
    return page / "index.html"


def _show(
    clip: Clip, systems: Sequence[System], study: Study, media: Path
) -> tuple[str, dict[str, str]]:
    """Blind names of the clip's pictures, which are made where they are missing: of its keys, and
    {system: name}."""
    keys = _blind(study, clip.digest())
    _picture(clip.frames[[0, -1]], media / f"{keys}.webp")
    shown = {}
    for system in systems:
        made = f"{system.name} {clip.digest()} {system.fingerprint(clip, study.sampling)}"
        shown[system.name] = _blind(study, made)
        file = media / f"{shown[system.name]}.webp"
        if not file.is_file():
            _picture(run_system(system, clip, study.sampling), file)
    return keys, shown


def _blind(study: Study, content: str) -> str:
    return hashlib.sha256(f"{study.seed} {content}".encode()).hexdigest()[:12]


def _picture(frames: Tensor, file: Path) -> None:
    """Frames (f 3 h w) in [0, 1] as a lossless strip, whole or not at all."""
    atomic_write(file, lambda stream: strip(frames).save(stream, "WEBP", lossless=True))


def tally(out: Path, files: Sequence[Path]) -> str:
    """Write out/table2.json and out/table2.md -> the latter's text.

    ValueError names a file that is no answer to this study, or two of one rater.
    """
    key = read_json(out / "key.json")
    if not isinstance(key, dict) or "media" not in key:
        raise ValueError(f"{out / 'key.json'} is no study's key; give the folder train.study made")
    choices, times = read_answers(key, files)
    systems = key["systems"]
    table = {
        name: row(choices[name], len(systems))
        | {"seconds": median(times[name]) / 1000 if times[name] else None}
        for name in CRITERIA
    }
    write_json(out / "table2.json", {"systems": systems, "raters": len(files), "criteria": table})
    text = table_2(systems, len(files), len(key["clips"]), table)
    write_text(out / "table2.md", text)
    return text


def read_answers(
    key: Mapping, files: Sequence[Path]
) -> tuple[dict[str, Choices], dict[str, list[float]]]:
    """By criterion: what was chosen, and how many milliseconds each answer took."""
    choices: dict[str, Choices] = {name: {} for name in CRITERIA}
    times: dict[str, list[float]] = {name: [] for name in CRITERIA}
    known: dict[str, Path] = {}
    for file in files:
        rater, answers = _saved(key, file)
        if rater in known:
            raise ValueError(f"{file} and {known[rater]} are both of rater {rater}; give one")
        known[rater] = file
        for answer in answers:
            name, clip, number = _answer(key, answer, file)
            choices[name].setdefault(rater, {})[clip] = number
            if isinstance(ms := answer.get("ms"), int | float) and 0 <= ms < 1e9:
                times[name].append(ms)
    return choices, times


def _saved(key: Mapping, file: Path) -> tuple[str, list[dict]]:
    """Who the rater of a file is, and the answers; ValueError where the page did not save it."""
    saved = read_json(file)
    if not isinstance(saved, dict) or saved.get("study") != key["study"]:
        raise ValueError(f"{file} holds no answers to the study {key['study']}")
    rater, answers = saved.get("rater"), saved.get("answers")
    listed = isinstance(answers, list) and all(isinstance(a, dict) for a in answers)
    if not isinstance(rater, str) or not listed:
        raise ValueError(
            f"{file} lacks a rater or a list of answers; give it as the study's page saved it"
        )
    return rater, answers


def _answer(key: Mapping, answer: Mapping, file: Path) -> tuple[str, str, int]:
    """Criterion, clip, and the number of the chosen system."""
    chosen, clip = str(answer.get("chosen")), str(answer.get("clip"))
    behind = key["media"].get(chosen)
    if chosen == TIE and clip in key["clips"]:
        number = len(key["systems"])
    elif behind is not None and behind["clip"] == clip:
        number = key["systems"].index(behind["system"])
    else:
        raise ValueError(f"{file}: {answer.get('chosen')!r} is nothing that this study showed")
    if str(answer.get("criterion")) not in CRITERIA:
        raise ValueError(f"{file}: no criterion {answer.get('criterion')!r}")
    return answer["criterion"], clip, number


def row(choices: Choices, systems: int) -> dict[str, Any]:
    """Preference in percent of all answers with 95 % intervals, how many saw no difference, and
    the agreement between the raters.

    The intervals resample whole raters, or the clips where there is one rater. Agreement is
    Krippendorff's alpha, nominal: 1 is perfect, 0 is chance; None where it says nothing, with one
    rater or one system chosen throughout.
    """
    if len(choices) > 1:
        units = [list(clips.values()) for clips in choices.values()]
    else:
        units = [[number] for clips in choices.values() for number in clips.values()]
    counts = np.array([np.bincount(unit, minlength=systems + 1) for unit in units])
    if not len(counts):
        return {"preference": [None] * systems, "tie": None, "votes": 0, "alpha": None}

    def percent(draws: np.ndarray) -> np.ndarray:
        drawn = counts[draws].sum(axis=-2)
        return np.moveaxis(100 * drawn / drawn.sum(axis=-1, keepdims=True), -1, 0)

    means = 100 * counts.sum(axis=0) / counts.sum()
    ends = zip(means, *bootstrap(percent, len(counts)), strict=True)
    *shares, tie = ({"mean": float(m), "lo": float(a), "hi": float(b)} for m, a, b in ends)
    alpha = agreement(choices)
    return {"preference": shares, "tie": tie, "votes": int(counts.sum()), "alpha": alpha}


def agreement(choices: Choices) -> float | None:
    clips = sorted({clip for given in choices.values() for clip in given})
    table = np.array([[given.get(clip, np.nan) for clip in clips] for given in choices.values()])
    shared = (~np.isnan(table)).sum(axis=0) > 1 if len(choices) > 1 else np.zeros(0, bool)
    if not shared.any() or len(np.unique(table[:, shared][~np.isnan(table[:, shared])])) < 2:
        return None
    return float(krippendorff.alpha(reliability_data=table, level_of_measurement="nominal"))


def table_2(systems: Sequence[str], raters: int, clips: int, table: Mapping[str, dict]) -> str:
    """The paper's Table 2 as Markdown."""
    header = [*map(as_text, systems), "no difference", "agreement", "answers", "seconds each"]
    rows = []
    for name, values in table.items():
        shares = [entry for entry in (*values["preference"], values["tie"]) if entry]
        cells = []
        for entry in (*values["preference"], values["tie"]):
            if entry is None:
                cells.append("-")
                continue
            apart = all(entry["lo"] > other["hi"] for other in shares if other is not entry)
            mean = f"**{entry['mean']:.2f}**" if apart else f"{entry['mean']:.2f}"
            cells.append(f"{mean} [{entry['lo']:.1f}, {entry['hi']:.1f}]")
        more = [values["alpha"], values["votes"], values["seconds"]]
        forms = ("{:.2f}", "{}", "{:.1f}")
        facts = ["-" if v is None else form.format(v) for v, form in zip(more, forms, strict=True)]
        rows.append([CRITERIA[name][0], *cells, *facts])
    return (
        f"# User study\n\n{raters} raters, {clips} clips; preference in percent of all answers "
        "with 95 % bootstrap intervals in brackets, bold where the interval lies above all others. "
        "Agreement is Krippendorff's alpha: 1 is perfect, 0 is chance. Seconds are the median of "
        "an answer's.\n\n" + markdown(["criterion", *header], rows)
    )


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The flags of `train.study`; ends the program at a wrong one."""
    parser = argparse.ArgumentParser(
        prog="python -m train.study", description="A blind user study of interpolation systems."
    )
    add_shared(parser, "as train.evaluate leaves in OUT/frames/NAME; 2 to 9", needed=False)
    add = parser.add_argument
    add("--clips", type=int, default=12, help="how many clips to show (default: %(default)s)")
    add("--seed", type=int, default=123, help="which clips, their order and their names")
    add("--size", type=int, default=256, help="shorter side of the clips (default: %(default)s)")
    add("--tally", type=Path, metavar="OUT", help="the study to count the answers of")
    add("--answers", type=Path, nargs="+", default=[], help="files that raters saved")
    options = parser.parse_args(arguments)
    if options.tally and not options.answers:
        parser.error("--tally needs --answers FILE ...")
    if not options.tally and not (options.testset and options.out):
        parser.error("give --testset and --out to make a study, or --tally and --answers")
    return options
