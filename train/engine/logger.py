"""What a run leaves for the eye: progress bar, TensorBoard curves and labelled sample sheets."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import isnan
from pathlib import Path

import numpy as np
from einops import rearrange
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn.functional import pad
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from train.engine.files import atomic_write, printable

log = logging.getLogger("toon.train")

LABEL = 14  # pixels of a line of text


class RunLogger:
    """Of the first process; the others have none. What cannot be written is a warning: it costs
    the eye something, but not the run."""

    def __init__(self, out: Path, step: int, steps: int) -> None:
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


def labelled_rows(rows: Sequence[tuple[str, Tensor]], every: int = 1, gap: int = 2) -> np.ndarray:
    """Clips (3 f h w) in [-1, 1], one below the other, each under its label and its frames under
    their numbers, of which `every` says how far they are apart -> (H W 3) uint8."""
    pictures = []
    for label, clip in rows:
        frames = pad(clip.float().cpu(), (gap, gap, gap, gap), value=1.0)
        joined = rearrange(frames, "c f h w -> h (f w) c").clamp(-1, 1)
        picture = ((joined + 1) * 127.5).round().byte().numpy()
        pictures.append(with_heading(picture, label))
        numbers = [(str(every * i), i * frames.shape[-1] + gap) for i in range(frames.shape[1])]
        pictures.append(_strip(picture.shape[1], numbers))
    return np.concatenate(pictures)


def with_heading(picture: np.ndarray, label: str) -> np.ndarray:
    """A picture (h w 3) under a line of text, cut where it is too long."""
    return np.concatenate([_strip(picture.shape[1], [(label, 2)]), picture])


def _strip(width: int, words: Sequence[tuple[str, int]]) -> np.ndarray:
    """White, with words at places from the left."""
    image = Image.new("RGB", (width, LABEL), "white")
    draw = ImageDraw.Draw(image)
    for word, x in words:
        shown = printable(word, 300).encode("ascii", "replace").decode()  # what every font has
        draw.text((x, 1), shown, fill="black")
    return np.asarray(image)
