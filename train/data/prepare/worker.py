"""One source from its file to finished members: what a worker process does."""

import errno
import io
import logging
import os
import time
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import IO

import numpy as np
import torch
from PIL import Image

from train.data.filters import chain
from train.data.filters.base import Piece
from train.data.motion import Motion, large_windows
from train.data.prepare.config import PrepareConfig
from train.data.prepare.outcome import Outcome, Previews, work_file, write_outcome
from train.data.prepare.splits import (
    CELLS,
    MOMENTS,
    motion_signature,
    thumbnails,
)
from train.data.readers.clips import open_segments
from train.data.readers.frames import encode_frame
from train.data.shards import Places, Record, bucket_of, fragment
from train.engine.files import printable
from train.engine.stop import ModelError

log = logging.getLogger("toon.prepare")

FULL = (errno.ENOSPC, errno.EDQUOT)  # of a disk, or one's share of it
LONGEST_REASON = 400  # characters
READING = "reading and writing"  # all that is no step of the filters
STRIP = (64, 3)  # height of the pictures on the sheet, and how many of a piece
load_chain = cache(chain.build)


def start_worker() -> None:
    """Every process computes on one thread: the work is spread by source, and sums in the
    networks stay the same whatever the number of workers."""
    torch.set_num_threads(1)


def process(config: PrepareConfig, identity: str, path: Path, fingerprint: str) -> Outcome:
    """Read, judge and store one source. A bad one gives an outcome with the reason, too.

    ModelError and a full disk are no matter of this source and are raised.
    """
    out = Path(config.out)
    tar = work_file(out, identity, ".tar")
    tar.parent.mkdir(parents=True, exist_ok=True)
    work_file(out, identity, ".json").unlink(missing_ok=True)  # it speaks of another tar
    begin = time.perf_counter()
    with open(tar, "wb") as file:
        source = _Source(config, identity, path, file)
        source.read()
        file.flush()
        os.fsync(file.fileno())
    seconds = source.seconds
    seconds[READING] = time.perf_counter() - begin - seconds.total()
    outcome = Outcome(
        fingerprint=fingerprint,
        records=tuple(source.records),
        seconds={step: round(spent, 3) for step, spent in seconds.items()},
        **source.facts,
    )
    write_outcome(out, identity, outcome, source.previews())
    return outcome


class _Source:
    """A source while it is read: its pieces so far, and `facts` of its first part."""

    def __init__(self, config: PrepareConfig, identity: str, path: Path, tar: IO[bytes]) -> None:
        self.config, self.identity, self.path, self.tar = config, identity, path, tar
        self.records: list[Record] = []
        self.thumbnails: list[np.ndarray] = []
        self.strips: list[np.ndarray] = []
        self.signature: np.ndarray | None = None
        self.facts: dict = {}
        self.seconds: Counter[str] = Counter()  # by step

    def read(self) -> None:
        """Take its pieces; what ends that early is a dropped record."""
        try:
            self._take_pieces()
        except ModelError:
            raise
        except (ValueError, OSError) as error:
            if getattr(error, "errno", None) in FULL:
                raise
            self._drop_rest(f"read: {error}")
        except Exception as error:  # one file of a thousand must not end the run
            log.exception("%s", self.path)
            self._drop_rest(f"read: unexpected {type(error).__name__}: {error}")

    def _take_pieces(self) -> None:
        config = self.config
        steps = load_chain(config.filters)
        for clip in open_segments(self.path, config.size, config.max_fps, config.max_frames):
            whole = Piece(**vars(clip))
            for piece, reason in steps.run(whole, config.least_frames, self.seconds):
                only = clip.start == 0 and len(piece) == len(clip.frames) and not clip.full
                name = self.identity if only else f"{self.identity}-f{piece.start:06d}"
                self._add(name, piece, reason)
            if clip.start == 0:
                self.signature = motion_signature(clip.frames).astype(np.float32)
                self.facts = {
                    "length": len(clip.frames),
                    "caption": clip.caption,
                    "large": self._count_large(whole.motion),
                }

    def _drop_rest(self, reason: str) -> None:
        last = self.records[-1] if self.records else None
        reason = reason.replace(f"{self.path.parent}/", "")  # the index names no place of a machine
        record = Record(
            id=f"{self.identity}-rest" if last else self.identity,
            kept=False,
            reason=printable(reason, LONGEST_REASON),
            source=printable(self.path.name),
            start=last.start + last.frames if last else 0,
        )
        self.records.append(record)

    def _add(self, name: str, piece: Piece, reason: str) -> None:
        height, width = piece.frames.shape[1:3]
        scores = dict(piece.scores)
        record = Record(
            id=name,
            kept=not reason,
            reason=reason,
            source=printable(self.path.name),
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
            no_model=tuple(load_chain(self.config.filters).missing),
        )
        if not reason:
            large = self._count_large(piece.motion)
            record = replace(record, large=large, places=self._write(name, piece))
        self.records.append(record)
        self.thumbnails.append(thumbnails(piece.frames))
        self.strips.append(_draw_strip(piece))

    def _count_large(self, motion: Motion) -> int:
        split = self.config.split
        return len(large_windows(motion, split.length, split.large_change, self.config.rules))

    def _write(self, name: str, piece: Piece) -> Places:
        """Append a piece's members to the source's tar."""
        frames = [(f"{name}.{i:04d}.webp", encode_frame(f)) for i, f in enumerate(piece.frames)]
        drawn = piece.sketches if piece.sketches is not None else ()
        sketches = [(f"{name}.{i:04d}.sketch.webp", encode_frame(f)) for i, f in enumerate(drawn)]
        bands = io.BytesIO()
        change = piece.motion.change.astype(np.float16)
        np.savez_compressed(bands, change=change, gram=piece.motion.gram)
        data, places = fragment([(f"{name}.motion.npz", bands.getvalue()), *frames, *sketches])
        begin, after = self.tar.tell(), 1 + len(frames)
        self.tar.write(data)
        inside = Places(
            span=(0, len(data)),
            motion=places[0],
            frames=tuple(places[1:after]),
            sketches=tuple(places[after:]),
        )
        return inside.moved(begin)

    def previews(self) -> Previews | None:
        """What the source is compared and shown by; None where it could not be read."""
        if self.signature is None:
            return None
        side, count = STRIP
        shape = (-1, MOMENTS, CELLS, CELLS, 4)
        return Previews(
            signature=self.signature,
            thumbnails=np.array(self.thumbnails, np.uint8).reshape(shape),
            strips=np.array(self.strips, np.uint8).reshape(-1, side, side * count, 3),
        )


def _draw_strip(piece: Piece) -> np.ndarray:
    """First, middle and last picture side by side, (64 192 3) uint8, cut square."""
    side, count = STRIP
    strip = Image.new("RGB", (side * count, side), "white")
    for number, picture in enumerate(piece.sample(count)):
        image = Image.fromarray(picture)
        image.thumbnail((side, side))
        strip.paste(image, (number * side, (side - image.height) // 2))
    return np.asarray(strip)
