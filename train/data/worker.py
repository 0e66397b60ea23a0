"""One source from its file to finished members: what a worker process does."""

import errno
import io
import logging
import os
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import IO

import numpy as np
import torch
from PIL import Image

from train.data.buckets import bucket_of
from train.data.clips import Clip, open_segments
from train.data.filters import chain
from train.data.filters.base import FilterConfig, ModelError, Piece
from train.data.frames import encode_frame
from train.data.lookalikes import motion_signature, thumbnails
from train.data.motion import Motion
from train.data.names import printable
from train.data.options import PrepareConfig
from train.data.outcome import Looks, Outcome, work_file, write_outcome
from train.data.shards import fragment
from train.data.splits import large_windows
from train.data.store import Places, Record

log = logging.getLogger("toon.prepare")

FULL = (errno.ENOSPC, errno.EDQUOT)  # of a disk, or one's share of it
LONGEST_REASON = 400  # characters
STRIP = (64, 3)  # height of the pictures on the sheet, and how many of a piece
load_chain = cache(chain.build)


def start_worker() -> None:
    """Every process computes on one thread: the work is spread by source, and sums in the
    networks stay the same whatever the number of workers."""
    torch.set_num_threads(1)


@dataclass
class _Source:
    """What is gathered while a source is read."""

    config: PrepareConfig
    identity: str
    path: Path
    tar: IO[bytes]
    records: list[Record] = field(default_factory=list)
    looks: list[np.ndarray] = field(default_factory=list)
    strips: list[np.ndarray] = field(default_factory=list)
    signature: np.ndarray | None = None
    length: int = 0
    large: int = 0
    caption: str = ""


def process(config: PrepareConfig, identity: str, path: Path, fingerprint: str) -> Outcome:
    """Read, judge and store one source. A bad one gives an outcome with the reason, too.

    ModelError and a full disk are no matter of this source and are raised.
    """
    out = Path(config.out)
    tar = work_file(out, identity, ".tar")
    tar.parent.mkdir(parents=True, exist_ok=True)
    work_file(out, identity, ".json").unlink(missing_ok=True)  # it speaks of another tar
    with open(tar, "wb") as file:
        source = _Source(config, identity, path, file)
        _guarded(source)
        file.flush()
        os.fsync(file.fileno())
    outcome = Outcome(
        fingerprint=fingerprint,
        records=tuple(source.records),
        length=source.length,
        large=source.large,
        caption=source.caption,
    )
    write_outcome(out, identity, outcome, _looks(source))
    return outcome


def _guarded(source: _Source) -> None:
    try:
        _read(source)
    except ModelError:
        raise
    except ValueError as error:
        _unreadable(source, f"read: {error}")
    except OSError as error:
        if error.errno in FULL:
            raise
        _unreadable(source, f"read: {error}")
    except Exception as error:  # one file of a thousand must not end the run
        log.exception("%s", source.path)
        _unreadable(source, f"read: unexpected {type(error).__name__}: {error}")


def _unreadable(source: _Source, reason: str) -> None:
    reason = reason.replace(f"{source.path.parent}/", "")  # the index names no place of a machine
    start = source.records[-1].start + source.records[-1].frames if source.records else 0
    name = f"{source.identity}-rest" if source.records else source.identity
    record = Record(
        id=name,
        kept=False,
        reason=printable(reason, LONGEST_REASON),
        source=printable(source.path.name),
        start=start,
    )
    source.records.append(record)


def _read(source: _Source) -> None:
    config = source.config
    steps = load_chain(config.filters)
    clips = open_segments(source.path, config.size, config.max_fps, config.max_frames)
    for clip in clips:
        whole = _piece(clip)
        for piece, reason in steps.run(whole, config.least_frames):
            only = clip.start == 0 and len(piece) == len(clip.frames) and not clip.full
            name = source.identity if only else f"{source.identity}-f{piece.start:06d}"
            _add(source, name, piece, reason)
        if clip.start == 0:
            source.signature = motion_signature(clip.frames)
            source.length, source.caption = len(clip.frames), clip.prompt
            source.large = _large(whole.motion, config)


def _piece(clip: Clip) -> Piece:
    by = ("given" if clip.given else "name") if clip.prompt else ""
    return Piece(clip.frames, clip.fps, clip.alpha, clip.start, clip.prompt, by)


def _large(motion: Motion, config: PrepareConfig) -> int:
    return len(large_windows(motion, config.split, config.rules))


def _add(source: _Source, name: str, piece: Piece, reason: str) -> None:
    record = _record(source, name, piece, reason)
    if not reason:
        record = replace(
            record, large=_large(piece.motion, source.config), places=_write(source, name, piece)
        )
    source.records.append(record)
    source.looks.append(thumbnails(piece.frames))
    source.strips.append(_strip(piece))


def _record(source: _Source, name: str, piece: Piece, reason: str) -> Record:
    height, width = piece.frames.shape[1:3]
    scores = dict(piece.scores)
    return Record(
        id=name,
        kept=not reason,
        reason=reason,
        source=printable(source.path.name),
        start=piece.start,
        caption=piece.caption,
        caption_by=piece.caption_by,
        fps=round(piece.fps, 4),
        frames=len(piece),
        height=height,
        width=width,
        bucket=bucket_of(height, width),
        alpha=piece.alpha,
        motion=scores.pop("motion", 0.0),
        sketch=piece.sketch,
        scores=scores,
        no_model=tuple(load_chain(source.config.filters).missing),
    )


def _write(source: _Source, name: str, piece: Piece) -> Places:
    """Append a piece's members to the source's tar."""
    frames = [(f"{name}.{i:04d}.webp", encode_frame(f)) for i, f in enumerate(piece.frames)]
    drawn = piece.sketches if piece.sketches is not None else ()
    sketches = [(f"{name}.{i:04d}.sketch.webp", encode_frame(f)) for i, f in enumerate(drawn)]
    motion = [(f"{name}.motion.npz", _packed(piece.motion))]
    data, places = fragment([*motion, *frames, *sketches])
    begin = source.tar.tell()
    source.tar.write(data)
    moved = [(begin + start, size) for start, size in places]
    return Places(
        span=(begin, len(data)),
        motion=moved[0],
        frames=tuple(moved[1 : 1 + len(frames)]),
        sketches=tuple(moved[1 + len(frames) :]),
    )


def _packed(motion: Motion) -> bytes:
    out = io.BytesIO()
    np.savez_compressed(out, change=motion.change.astype(np.float16), gram=motion.gram)
    return out.getvalue()


def _strip(piece: Piece) -> np.ndarray:
    """First, middle and last picture side by side, (64 192 3) uint8, cut square."""
    side, count = STRIP
    pictures = piece.sample(count)
    strip = Image.new("RGB", (side * count, side), "white")
    for number, picture in enumerate(pictures):
        image = Image.fromarray(picture)
        image.thumbnail((side, side))
        strip.paste(image, (number * side, (side - image.height) // 2))
    return np.asarray(strip)


def _looks(source: _Source) -> Looks | None:
    if source.signature is None:
        return None
    pictures = len(source.looks)
    return Looks(
        signature=source.signature.astype(np.float32),
        thumbnails=np.stack(source.looks) if pictures else np.zeros((0, 8, 8, 8, 4), np.uint8),
        strips=np.stack(source.strips) if pictures else np.zeros((0, 64, 192, 3), np.uint8),
    )


def filter_models(config: FilterConfig) -> dict[str, str]:
    """What every step runs with, and "no model" for those left out."""
    return load_chain(config).models()
