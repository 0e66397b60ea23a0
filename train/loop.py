"""The training loop, the same for every recipe.

A step depends on (seed, step) alone: its data are the items step * batch ..., its random draws
come from a generator seeded by both. So a run that is stopped and resumed equals one that was not.
"""

from __future__ import annotations

import logging
import math
import time
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from train import checkpoint
from train import config as options
from train.config import RunConfig
from train.ema import EMA

log = logging.getLogger("toon.train")


class Recipe(Protocol):
    """What a run trains, on what, by which loss."""

    module: nn.Module  # holds the trainable parameters
    dataset: Dataset

    def loss(self, batch: dict, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """The scalar to minimise, and named values to log."""

    def sheet(self) -> np.ndarray:
        """A picture (h w 3) uint8 of what the module does now; always on the same clips."""

    def export(self, out: Path, facts: dict[str, Any]) -> None:
        """Write the result and its manifest."""


class Run:
    """One run of a recipe in the folder `config.out`."""

    def __init__(self, recipe: Recipe, config: RunConfig) -> None:
        self.recipe, self.config = recipe, config
        self.out = Path(config.out)
        self.out.mkdir(parents=True, exist_ok=True)
        options.write(config, self.out / "config.yaml")
        self.parameters = [p for p in recipe.module.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.parameters, lr=config.lr, weight_decay=config.weight_decay, betas=(0.9, 0.99)
        )
        self.ema = EMA(recipe.module, config.ema)
        self.step, self.seconds = 0, 0.0
        self._resume()

    def _resume(self) -> None:
        state = checkpoint.load_latest(self.out / "checkpoints")
        if state is None:
            return
        self.step, self.seconds = state["step"], state["seconds"]
        self.recipe.module.load_state_dict(state["module"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.ema.load_state_dict(state["ema"])

    def save(self) -> None:
        state = {
            "seconds": self.seconds,
            "module": self.recipe.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "ema": self.ema.state_dict(),
        }
        checkpoint.save(self.out / "checkpoints", self.step, state, self.config.keep)

    def train(self) -> None:
        """Run to `steps` or until `minutes` are over; the result is exported either way."""
        c = self.config
        writer = SummaryWriter(str(self.out / "log"), purge_step=self.step)
        bar = tqdm(total=c.steps, initial=self.step, unit="step", dynamic_ncols=True)
        begin = last = time.monotonic()
        if self.step == 0:
            self._sheet(writer)
        for batch in self._batches():
            values = self._step(batch)
            self.step += 1
            self.seconds += time.monotonic() - last
            last = time.monotonic()
            bar.update()
            if self.step % c.log_every == 0:
                self._log(writer, bar, values)
            if self.step % c.sample_every == 0:
                self._sheet(writer)
            if self.step % c.save_every == 0:
                self.save()
            if c.minutes and time.monotonic() - begin > c.minutes * 60:
                break
        bar.close()
        self.save()
        self._sheet(writer)
        writer.close()
        with self.ema.applied():
            self.recipe.export(self.out, self._facts())

    def _batches(self) -> DataLoader:
        c = self.config
        items = range(self.step * c.batch, c.steps * c.batch)
        return DataLoader(
            self.recipe.dataset,
            batch_size=c.batch,
            sampler=items,
            num_workers=c.workers,
            collate_fn=collate,
            persistent_workers=False,
        )

    def _step(self, batch: dict) -> dict[str, Tensor]:
        c = self.config
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(c, self.step)
        torch.manual_seed(_seed(c.seed, self.step))  # dropout
        generator = torch.Generator().manual_seed(_seed(c.seed, self.step))
        device = self.parameters[0].device
        with torch.autocast(device.type, torch.bfloat16, enabled=c.dtype == "bf16"):
            loss, values = self.recipe.loss(batch, generator)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.parameters, c.clip_norm, error_if_nonfinite=False)
        if not torch.isfinite(norm):
            kept = checkpoint.found(self.out / "checkpoints")
            last = kept[-1] if kept else "none yet"
            raise ValueError(
                f"loss is not finite at step {self.step}; last good checkpoint: {last}"
            )
        self.optimizer.step()
        self.ema.update()
        named = {"loss": loss, "grad_norm": norm, **values}
        return {k: v.detach() for k, v in named.items()}

    def _log(self, writer: SummaryWriter, bar: tqdm, values: dict[str, Tensor]) -> None:
        numbers = {k: float(v) for k, v in values.items()}
        for name, value in numbers.items():
            writer.add_scalar(name, value, self.step)
        bar.set_postfix({k: f"{v:.4g}" for k, v in numbers.items()})

    def _sheet(self, writer: SummaryWriter) -> None:
        with self.ema.applied(), torch.inference_mode():
            picture = self.recipe.sheet()
        folder = self.out / "sheets"
        folder.mkdir(exist_ok=True)
        Image.fromarray(picture).save(folder / f"step_{self.step:08d}.png")
        writer.add_image("sheet", picture, self.step, dataformats="HWC")

    def _facts(self) -> dict[str, Any]:
        return {"step": self.step, "seconds": round(self.seconds), "batch": self.config.batch}


def learning_rate(config: RunConfig, step: int) -> float:
    grown = min(1.0, (step + 1) / max(config.warmup, 1))
    if not config.cosine:
        return config.lr * grown
    fall = 0.5 * (1 + math.cos(math.pi * step / max(config.steps, 1)))
    return config.lr * grown * max(fall, 0.05)


def collate(items: list[dict]) -> dict:
    """Tensors are stacked, everything else is listed."""
    first = items[0]
    return {
        k: torch.stack([i[k] for i in items]) if isinstance(v, Tensor) else [i[k] for i in items]
        for k, v in first.items()
    }


def start(config: RunConfig) -> torch.device:
    """Logging, threads and the device of a run."""
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    if config.dtype not in ("fp32", "bf16"):
        raise ValueError(f"dtype={config.dtype}: expected fp32 or bf16")
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    return torch.device(config.device or ("cuda" if torch.cuda.is_available() else "cpu"))


def _seed(seed: int, step: int) -> int:
    return (seed * 1_000_003 + step) % 2**63
