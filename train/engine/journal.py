"""What a run leaves for the eye: progress bar, TensorBoard curves and sample sheets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from accelerate.utils import gather_object
from PIL import Image
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm


class Journal:
    """Of the first process; the others have none."""

    def __init__(self, out: Path, step: int, steps: int) -> None:
        self.out = out
        self.writer = SummaryWriter(str(out / "log"), purge_step=step)
        self.bar = tqdm(total=steps, initial=step, unit="step", dynamic_ncols=True)

    def values(self, step: int, numbers: dict[str, float]) -> None:
        for name, value in numbers.items():
            self.writer.add_scalar(name, value, step)
        self.bar.set_postfix({k: f"{v:.4g}" for k, v in numbers.items()})

    def sheet(self, step: int, picture: np.ndarray) -> None:
        folder = self.out / "sheets"
        folder.mkdir(exist_ok=True)
        Image.fromarray(picture).save(folder / f"step_{step:08d}.png")
        self.writer.add_image("sheet", picture, step, dataformats="HWC")

    def close(self) -> None:
        self.bar.close()
        self.writer.close()


def over_processes(values: dict[str, float]) -> dict[str, float]:
    """The mean of every value over the processes that have it; all must call it together."""
    numbers = gather_object([values])
    names = dict.fromkeys(name for n in numbers for name in n)
    lists = {name: [n[name] for n in numbers if name in n] for name in names}
    return {name: sum(found) / len(found) for name, found in lists.items()}
