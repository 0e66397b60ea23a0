"""A shot to frames, a movie and a report; what was made before is kept, the rest is made."""

from __future__ import annotations

import io
import json
import math
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..metrics.plain.jump import largest_step
from .drawings import find
from .guards import judge
from .making import Maker
from .movie import Movie, read_sound
from .plan import SegmentPlan
from .sheet import Key, SheetError
from .shot import KeyPicture, Progress, Shot, make_missing
from .showing import Shown
from .takes import Take, Takes, write_whole

REPORT, MOVIE = "report.json", "shot.mp4"
FIGURES = (
    *("jump", "jump_first", "jump_last", "cut", "fade", "ghost", "drift", "flicker"),
    *("one_shot", "hardness"),
)
MAKING = 0.95  # part of the progress; the rest is writing
FRAME = re.compile(r"frame_(\d{4,})\.png")


def render(
    shot: Shot,
    maker: Maker,
    takes: Takes,
    out: Path,
    progress: Progress = lambda part, key, x0: None,
    best: bool = False,
    sound: np.ndarray | None = None,
) -> dict[str, Any]:
    """Make the takes that are missing, then write frame_0000.png ..., shot.mp4 and report.json;
    the report. A run that was stopped, called again, goes on after its last take and ends with the
    same files. SheetError or TakeError before any work, also for an `out` with other pictures
    where frames would be written.

    Of several takes of a segment that has none locked the first is shown; with `best` the one whose
    largest step is the smallest share of its change (docs/guards.md: what that gains). sound (2 n)
    at 48 kHz: for a sheet that names none.
    """
    for segment in shot.plan.segments:
        if segment.drawn and segment.lock:
            takes.load(segment.lock)  # that it can be, before any work; all of them would be much
    sound = _sound(shot, sound)
    _check_out(out, shot, takes)
    takes.folder.mkdir(parents=True, exist_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    (out / REPORT).unlink(missing_ok=True)
    sampled = make_missing(
        shot, maker, takes, lambda part, key, x0: progress(MAKING * part, key, x0)
    )
    told = []
    number = 0
    with Movie(out / MOVIE, shot.size, shot.sheet.fps, sound) as movie:
        for segment in shot.plan.segments:
            shown = _shown(shot, segment, takes, best)
            for picture, count in shown.pictures():
                written = number / shot.sheet.length
                progress(MAKING + (1 - MAKING) * written, segment.key, None)
                data = _png(picture)
                for _ in range(count):
                    write_whole(out / frame_name(number), data)
                    movie.add(picture)
                    number += 1
            told.append(_told(shot, shown))
    _remove_later(out, number)
    report = {
        "frames": number,
        "fps": shot.sheet.fps,
        "sampled": sampled,
        "keys": [_checked_key(shot, key, out) for key in shot.sheet.keys],
        "segments": told,
        "notes": _of_shot(shot),
    }
    text = json.dumps(report, indent=1, ensure_ascii=False)
    write_whole(out / REPORT, text.encode())
    return report


def frame_name(number: int) -> str:
    return f"frame_{number:04d}.png"


def _check_out(out: Path, shot: Shot, takes: Takes) -> None:
    """SheetError where a frame would take the place of a drawing, or of another program's frame."""
    frames = {path for path in out.glob("*.png") if FRAME.fullmatch(path.name)}
    named = [*(k.image for k in shot.sheet.keys), *(s.image for s in shot.sheet.sketches)]
    files = [find(image, shot.drawings.folders, "") for image in named if isinstance(image, str)]
    drawings = {file.resolve() for file in files}
    if taken := sorted(path for path in frames if path.resolve() in drawings):
        raise SheetError(
            f"{taken[0]} is a drawing of the sheet, and a rendered frame would take its place: "
            "give another folder for what is rendered"
        )
    if frames and not takes.folder.is_dir() and not (out / REPORT).is_file():
        raise SheetError(
            f"{out} has frames, such as {min(frames).name}, that were not rendered there: give "
            "another folder, or move them away"
        )


def _sound(shot: Shot, given: np.ndarray | None) -> np.ndarray | None:
    audio = shot.sheet.audio
    if audio is None or given is not None:
        if audio is not None:
            raise SheetError(f"audio: the sheet names {audio.file!r}, and sound is given, too")
        return given
    path = find(audio.file, shot.drawings.folders, "audio")
    return read_sound(path, audio.offset, shot.sheet.length / shot.sheet.fps)


def _shown(shot: Shot, segment: SegmentPlan, takes: Takes, best: bool) -> Shown:
    first = shot.picture(segment.key)
    if not segment.drawn:
        return Shown(segment, first)
    assert segment.next is not None
    last = shot.picture(segment.next)
    if segment.lock:
        return Shown(segment, first, last, takes.load(segment.lock))
    names = shot.takes[segment.key.id][: None if best else 1]
    found = (takes.load(name) for name in names)
    return Shown(segment, first, last, next(found) if len(names) == 1 else min(found, key=_cut))


def _cut(take: Take) -> float:
    """Of all its frames, so that another timing does not choose another take. NaN, where there is
    nothing to compare, is no fault."""
    cut = largest_step(take.frames.permute(0, 3, 1, 2).float() / 255)
    return 0.0 if math.isnan(cut) else cut


def _told(shot: Shot, shown: Shown) -> dict[str, Any]:
    """A segment's part of the report; numbers are None where there is nothing to measure."""
    segment = shown.segment
    told: dict[str, Any] = {"from": segment.key.id, "take": None, "takes": [], "frames": []}
    if segment.next is None or shown.take is None:
        return told | dict.fromkeys(FIGURES) | {"warnings": []}
    frames, pair = shown.small(), shot.pair(segment)
    judged = judge(frames, frames[0], frames[-1])
    figures = {k: v for k, v in asdict(judged).items() if k in FIGURES}
    figures |= {"one_shot": pair.one_shot, "hardness": pair.hardness}
    jumps = [j for j in (judged.jump_first, judged.jump_last) if not math.isnan(j)]
    figures["jump"] = max(jumps, default=math.nan)
    warnings = [*shot.before(segment), *judged.warnings]
    if shown.repeats:
        warnings.append(
            f"{len(shown.frames)} drawings were wanted and {len(shown.take.frames) - 2} made, so "
            "some are held: use a longer exposure, or put a breakdown between the keys."
        )
    if segment.lock:
        keys = shot.key_picture(segment.key), shot.key_picture(segment.next)
        warnings += _of_lock(shown.take, *keys)
    return told | {
        "take": shown.take.name,
        "takes": [] if segment.lock else list(shot.takes[segment.key.id]),
        "frames": shown.frames,
        "made": len(shown.take.frames),
        **{k: None if math.isnan(v) else round(v, 4) for k, v in figures.items()},
        "warnings": warnings,
    }


def _of_lock(take: Take, key: KeyPicture, after: KeyPicture) -> list[str]:
    """Where a locked take was made from other pictures."""
    changed = [
        k.key.id for name, k in (("first", key), ("last", after)) if take.made.get(name) != k.digest
    ]
    if not changed:
        return []
    keys = " and ".join(map(repr, changed))
    return [
        f"The locked take was made from another picture of {keys}, and is shown nevertheless; "
        "remove the lock to make it anew."
    ]


def _of_shot(shot: Shot) -> list[str]:
    """What is said of the shot as a whole."""
    first, last = shot.keys[0], shot.keys[-1]
    told = []
    if first.digest == last.digest and not shot.sheet.loop:
        told.append(
            f"The first and the last key are the same picture. In a loop the frame {last.key.frame}"
            f" would be shown twice: remove the last key, and set loop and length = "
            f"{last.key.frame}."
        )
    for key in shot.sheet.keys:
        if key.motion == "through" and shot.plan.motions[key.id] != "through":
            told.append(
                f"Key {key.id!r} (frame {key.frame}): nothing was found to move on both sides of "
                "it, so its motion is not through."
            )
    sizes = shot.size, (shot.fit.target[0], shot.fit.target[1])
    if sizes[0] != sizes[1]:
        (h, w), (th, tw) = sizes
        told.append(
            f"Between the keys, frames of {tw}x{th} pixels are brought to {w}x{h}"
            + ("." if shot.fit.mode == "stretch" else ", of which bars are cut off.")
        )
    return told


def _checked_key(shot: Shot, key: Key, out: Path) -> dict[str, Any]:
    """Of the file that was written, read again."""
    with Image.open(out / frame_name(key.frame)) as image:
        written = torch.from_numpy(np.array(image)).int()
    difference = (written - shot.picture(key).int()).abs().max()
    motion = shot.plan.motions[key.id]
    return {"id": key.id, "frame": key.frame, "difference": int(difference), "motion": motion}


def _png(picture: Tensor) -> bytes:
    out = io.BytesIO()
    Image.fromarray(picture.numpy()).save(out, "PNG", compress_level=4)
    return out.getvalue()


def _remove_later(out: Path, count: int) -> None:
    """Frames of a longer shot that was written here before."""
    for path in out.iterdir():
        found = FRAME.fullmatch(path.name)
        if found and int(found[1]) >= count:
            path.unlink()
