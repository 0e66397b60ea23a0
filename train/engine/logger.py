"""What a run leaves for the eye: progress bar, TensorBoard curves and labelled sample sheets."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from math import isnan
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from einops import rearrange
from PIL import Image, ImageDraw, ImageFont, ImageOps
from torch import Tensor
from tqdm import tqdm

from train.engine.files import atomic_write, printable

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

log = logging.getLogger("toon.train")

# Of sheets, in pixels.
GAP = 2  # around each frame
LABEL, FONT = 17, 13  # a line of text, its letters
KEY = (214, 60, 40)


class RunLogger:
    """Of the first process; the others have none. What cannot be written is a warning: it costs
    the eye something, but not the run."""

    def __init__(self, out: Path, step: int, steps: int) -> None:
        # Here, because those who only draw sheets need no TensorBoard.
        from torch.utils.tensorboard import SummaryWriter

        self.out = out
        self.writer: SummaryWriter | None = None
        first = step + 1 if step else 0  # the point of the step that is gone on from stays
        with self._warning("log"):
            self.writer = SummaryWriter(str(out / "log"), purge_step=first)
        self.bar = tqdm(total=steps, initial=step, unit="step", dynamic_ncols=True)

    def values(self, step: int, numbers: dict[str, float]) -> None:
        """Points of the curves; a value that is no number has none."""
        known = {k: v for k, v in numbers.items() if not isnan(v)}
        with self._warning("log"):
            for name, value in known.items():
                if self.writer:
                    self.writer.add_scalar(name, value, step)
        shown = {k: v for k, v in known.items() if not k.startswith(("run/", "held_out/"))}
        if shown:
            self.bar.set_postfix({k: f"{v:.4g}" for k, v in shown.items()})

    def sheet(self, step: int, picture: np.ndarray) -> None:
        picture = with_heading(picture, f"step {step}")
        path, image = self.out / "sheets" / f"step_{step:08d}.png", Image.fromarray(picture)
        with self._warning("sheets"):
            atomic_write(path, lambda file: image.save(file, "PNG"))
        with self._warning("log"):
            if self.writer:
                self.writer.add_image("sheet", picture, step, dataformats="HWC")

    def close(self) -> None:
        self.bar.close()
        with self._warning("log"):
            if self.writer:
                self.writer.close()

    @contextmanager
    def _warning(self, what: str) -> Iterator[None]:
        """A log that has failed once is not written any more."""
        try:
            yield
        except OSError as error:
            if what == "log":
                self.writer = None
            log.warning("%s: %s; training goes on without", self.out / what, error)


def caption(what: str, item: dict) -> str:
    """A row's label with the clip, where its window begins and its prompt."""
    place = f" from frame {item['start']}" if "start" in item else ""
    stride = f", every {item['stride']}" if item.get("stride", 1) > 1 else ""
    return f'{what}: {item.get("name", "")}{place}{stride} "{item.get("prompt", "")}"'


def labelled_rows(
    rows: Iterable[tuple[str, Tensor]], every: int = 1, height: int = 0, keys: bool = False
) -> np.ndarray:
    """Clips (3 f h w) in [-1, 1], one below the other, each under its label and its frames over
    their numbers, of which `every` says how far they are apart -> (H W 3) uint8.

    Frames become `height` pixels high where it is given; `keys` marks the first and the last one.
    """
    parts = []
    for label, clip in rows:
        levels = ((clip.float().cpu().clamp(-1, 1) + 1) * 127.5).round().byte()
        framed, numbers, x = [], [], GAP
        for i, frame in enumerate(rearrange(levels, "c f h w -> f h w c").numpy()):
            image, key = Image.fromarray(frame), keys and i in (0, len(levels[0]) - 1)
            if height:
                image = ImageOps.scale(image, height / image.height, Image.Resampling.LANCZOS)
            framed.append(np.asarray(ImageOps.expand(image, GAP, KEY if key else "white")))
            numbers.append((f"{every * i}{' key' if key else ''}", x))
            x += image.width + 2 * GAP
        picture = np.concatenate(framed, axis=1)
        parts += [with_heading(picture, label), _strip(picture.shape[1], numbers)]
    width = max(part.shape[1] for part in parts)
    return np.concatenate(
        [np.pad(p, ((0, 0), (0, width - p.shape[1]), (0, 0)), constant_values=255) for p in parts]
    )


def with_heading(picture: np.ndarray, label: str) -> np.ndarray:
    """A picture (h w 3) under a line of text on grey, cut where it is too long."""
    return np.concatenate([_strip(picture.shape[1], [(label, GAP)], "#dddddd"), picture])


def _strip(width: int, words: Sequence[tuple[str, int]], ground: str = "white") -> np.ndarray:
    """A line with words at places from the left."""
    image = Image.new("RGB", (width, LABEL), ground)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(FONT)
    for word, x in words:
        shown = printable(word, 300).encode("ascii", "replace").decode()  # what every font has
        draw.text((x, 0), shown, "black", font)
    return np.asarray(image)
