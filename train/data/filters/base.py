"""What a filter is: a piece of a clip goes in, a verdict comes out."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from train.data.motion import Motion, measure_motion
from train.data.readers.clips import Clip
from train.data.readers.frames import over_white
from train.engine.options import option
from train.engine.stop import ModelError

INSTALL = "`pip install --no-deps {0}` (scripts/requirements-nodeps.txt)"


class NoModel(Exception):
    """A filter's model file or package is not there: the step is left out, and said to be."""


@dataclass(frozen=True, kw_only=True)
class FilterConfig:
    """Switches and limits of the filters; 0 or "none" leaves a step out.

    A model is looked for under `models`, by the name that the docs of its filter give, unless its
    own option names a file or folder.
    """

    models: str = "models"  # folder of the networks below
    # Cuts between shots: transnet is TransNetV2, content PySceneDetect, auto the first that is
    # there.
    shots: str = option("auto", choices=("auto", "transnet", "content", "none"))
    shot_model: str = ""  # a file of TransNetV2's weights; else those in its package
    shot_threshold: float = option(0.5, least=0, most=1)  # TransNetV2's probability of a cut
    content_threshold: float = option(27.0, least=0)  # PySceneDetect's change of colour, brightness
    # Frames darker than this on average, of 255, are cut out; not those of clips with alpha.
    black: float = option(12.0, least=0)
    # Clips of which no 16 frames change by more, of 255, are dropped.
    static: float = option(3.0, least=0)
    # Clips whose steepest edges are softer, as a share of the contrast a pixel, are dropped.
    sharpness: float = option(0.1, least=0)
    # Clips with a larger share of frames unlike both neighbours, which are like each other, are
    # dropped; 1: none.
    flicker: float = option(0.25, least=0, most=1)
    # Clips of which text covers a larger share are dropped (PP-OCR).
    text: float = option(0.02, least=0, most=1)
    # Score from which PP-OCR has read a text; 0: every box it finds is one.
    text_sure: float = option(0.7, least=0, most=1)
    text_model: str = ""  # an .onnx detector; else the one of rapidocr-onnxruntime
    # A clip whose thumbnails differ nowhere by more, of 255, from those of an earlier one that was
    # kept is dropped.
    duplicate: float = option(12.0, least=0)
    # A model describes clips that came without a caption. Without it, or without a model, the words
    # of the file's name stand in.
    captions: bool = True
    caption_model: str = ""  # a folder of BLIP-2 or another image-to-text model of transformers
    clip_model: str = ""  # a folder of a CLIP of transformers or OpenCLIP
    # Clips whose picture and caption (given, or a model's; not the words of a file's name) have a
    # smaller cosine in CLIP are dropped.
    agreement: float = option(0.18, least=0, most=1)
    # A sketch of every frame; auto: by the first that is there.
    sketch: str = option("auto", choices=("auto", "anime2sketch", "hed", "xdog", "none"))
    sketch_model: str = ""  # a file of Anime2Sketch's weights; else models/netG.pth
    device: str = "cpu"  # of the networks: cpu or cuda


@dataclass(kw_only=True)
class Piece(Clip):
    """A part of a clip, into which the chain writes what the filters find; its frames never
    change."""

    scores: dict[str, float] = field(default_factory=dict)
    sketches: np.ndarray | None = None
    sketch: str = ""

    def __len__(self) -> int:
        return len(self.frames)

    @cached_property
    def rgb(self) -> np.ndarray:
        """(n h w 3) uint8 over white."""
        return over_white(self.frames) if self.alpha else self.frames[..., :3]

    @cached_property
    def motion(self) -> Motion:
        """The distances between its frames."""
        return measure_motion(self.frames)

    def sample(self, count: int) -> np.ndarray:
        """`count` pictures (k h w 3) uint8, evenly from the whole."""
        picks = np.linspace(0, len(self) - 1, min(count, len(self))).round().astype(int)
        return self.rgb[np.unique(picks)]

    def part(self, first: int, stop: int) -> "Piece":
        """Frames first to stop-1 as a piece of their own."""
        return replace(self, frames=self.frames[first:stop], start=self.start + first, scores={})


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Kept as it is, dropped for a `reason`, cut before the frames `cuts`, or changed.

    With `again` the parts go through the same filter once more.
    """

    reason: str = ""
    cuts: tuple[int, ...] = ()
    scores: dict[str, float] = field(default_factory=dict)
    again: bool = False
    changes: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Filter:
    """One step. It is made in every worker; what it loads, it loads when it first judges. `model`
    says what it runs with, for the index and to know when it was done with something else."""

    model: str
    judge: Callable[[Piece], Verdict]


Builder = Callable[[FilterConfig], Filter | None]
"""None where the options leave the step out; NoModel where something is missing."""


def model_path(option: str, models: str, *names: str) -> Path | None:
    """The file or folder an option names, else the first of `names` in the models folder.

    ModelError where an option names what is not there.
    """
    if option:
        if not Path(option).exists():
            raise ModelError(f"{option}: no such model; correct the option or leave it out")
        return Path(option)
    paths = (Path(models) / name for name in names)
    return next((path for path in paths if path.exists()), None)


@contextmanager
def loading(path: Path, expected: str) -> Iterator[None]:
    """ModelError with the path and what it is not where a block fails that loads a model."""
    try:
        yield
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"{path}: {expected} ({reason})") from error


def describe_model(path: Path) -> str:
    """A model's file name and size: another file is another model."""
    files = [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file())
    return f"{path.name} ({sum(file.stat().st_size for file in files)} bytes)"
