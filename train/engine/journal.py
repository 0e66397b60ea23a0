"""What a run leaves for the eye: progress bar, TensorBoard curves and sample sheets."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from accelerate.utils import gather_object
from PIL import Image
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from train.engine.files import write_whole

log = logging.getLogger("toon.train")


class Journal:
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
        with self._warning("log"):
            for name, value in numbers.items():
                if self.writer:
                    self.writer.add_scalar(name, value, step)
        self.bar.set_postfix({k: f"{v:.4g}" for k, v in numbers.items()})

    def sheet(self, step: int, picture: np.ndarray) -> None:
        path, image = self.out / "sheets" / f"step_{step:08d}.png", Image.fromarray(picture)
        with self._warning("sheets"):
            write_whole(path, lambda file: image.save(file, "PNG"))
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


def over_processes(values: dict[str, float]) -> dict[str, float]:
    """The mean of every value over the processes that have it; all must call it together."""
    numbers = gather_object([values])
    names = dict.fromkeys(name for n in numbers for name in n)
    lists = {name: [n[name] for n in numbers if name in n] for name in names}
    return {name: sum(found) / len(found) for name, found in lists.items()}
