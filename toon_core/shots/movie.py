"""Frames to an MP4 as they come, with sound that begins when it should."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from .takes import part_of

if TYPE_CHECKING:
    from typing import Self

RATE = 48_000  # samples a second of the sound that is written
LONGEST = 3600  # seconds


class Movie:
    """H.264 in an MP4 of even width and height; the file is whole when the block has ended, and
    removed where it ends with an error.

    sound (2 n): stereo samples in [-1, 1] at 48 kHz.
    """

    def __init__(
        self, path: Path, size: tuple[int, int], fps: float, sound: np.ndarray | None = None
    ) -> None:
        import av  # not needed by those who only want frames

        self._path, self._part, self._sound = path, part_of(path), sound
        self._frame: Any = av.VideoFrame
        self._samples: Any = av.AudioFrame
        self._file = av.open(str(self._part), "w", format="mp4")
        rate = Fraction(fps).limit_denominator(1001)
        self._video: Any = self._file.add_stream("libx264", rate=rate)
        self._video.height, self._video.width = size
        self._video.pix_fmt = "yuv420p"
        self._video.options = {"crf": "16", "preset": "fast"}
        self._audio: Any = None if sound is None else self._file.add_stream("aac", rate=RATE)

    def __enter__(self) -> Self:
        return self

    def add(self, frame: Tensor) -> None:
        """(h w 3) uint8."""
        picture = self._frame.from_ndarray(frame.numpy(), format="rgb24")
        self._file.mux(self._video.encode(picture))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        whole = False
        try:
            if kind is None:
                self._file.mux(self._video.encode())
                self._write_sound()
                self._file.close()
                os.replace(self._part, self._path)
                whole = True
        finally:
            if not whole:
                with contextlib.suppress(Exception):  # of a full disk again; the first one counts
                    self._file.close()
                for path in (self._part, self._path):
                    path.unlink(missing_ok=True)

    def _write_sound(self) -> None:
        if self._sound is None:
            return
        for begin in range(0, self._sound.shape[1], 1024):
            piece = np.ascontiguousarray(self._sound[:, begin : begin + 1024], dtype=np.float32)
            frame = self._samples.from_ndarray(piece, format="fltp", layout="stereo")
            frame.sample_rate, frame.pts = RATE, begin
            self._file.mux(self._audio.encode(frame))
        self._file.mux(self._audio.encode())


def read_sound(path: Path, offset: float, seconds: float) -> np.ndarray:
    """The sound of a shot of so many seconds, (2 n) at 48 kHz, silent where the file has none; it
    begins `offset` seconds into the shot, or before it. ValueError for a file without sound."""
    import av

    try:
        with av.open(str(path)) as file:
            if not file.streams.audio:
                raise ValueError(f"{path} has no sound")
            return _placed(file.decode(audio=0), offset, seconds)
    except (av.FFmpegError, OSError) as error:
        raise ValueError(f"{path} cannot be read as sound ({error})") from error


def made_sound(samples: Tensor, rate: int, seconds: float) -> np.ndarray:
    """Sound from memory, (channels n) in [-1, 1] with so many samples a second, for a shot."""
    import av

    if not samples.numel():
        return _placed([], 0.0, seconds)
    both = samples.float().cpu()[:2].expand(2, -1).contiguous().numpy()
    frame = av.AudioFrame.from_ndarray(both, format="fltp", layout="stereo")
    frame.sample_rate = rate
    return _placed([frame], 0.0, seconds)


def _placed(frames: Iterable[Any], offset: float, seconds: float) -> np.ndarray:
    import av

    if seconds > LONGEST:
        raise ValueError(f"a shot of {seconds:.0f} s: sound goes with {LONGEST} s at most")
    sound = np.zeros((2, round(seconds * RATE)), np.float32)
    at = round(offset * RATE)
    resampler = av.AudioResampler(format="fltp", layout="stereo", rate=RATE)
    for frame in frames:
        for piece in resampler.resample(frame):
            samples = piece.to_ndarray()
            begin, end = max(at, 0), min(at + samples.shape[1], sound.shape[1])
            if begin < end:
                sound[:, begin:end] = samples[:, begin - at : end - at]
            at += samples.shape[1]
        if at >= sound.shape[1]:
            break
    return sound
