"""Encode training windows once: latents of `count` windows, as the denoiser sees them.

    python -m train.cache data=CACHE autoencoder=RUN/autoencoder.safetensors out=LATENTS count=4000

Item i of the result is window i of `ClipWindows(data, seed=...)`, so that its pixels, prompt and
frame rate are drawn again when needed and are not stored. Interrupted runs go on.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from omegaconf import MISSING
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from toon_core import presets
from toon_core.vae.autoencoder import Autoencoder
from train.autoencoder import encode_clip
from train.data.windows import ClipWindows
from train.engine.config import parse
from train.engine.draws import Draws
from train.engine.result import load_part

SCALE = 0.18215


@dataclass(kw_only=True)
class CacheConfig:
    data: str = MISSING  # frame cache made by `train.prepare`
    autoencoder: str = MISSING  # result of `train.autoencoder`
    out: str = MISSING
    count: int = 4000
    split: str = "train"
    seed: int = 0
    workers: int = 1
    threads: int = 0


class Latents:
    """The file: scaled latents (count z f h w) float16, and how many of them are done."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        try:
            self.facts = json.loads((self.folder / "latents.json").read_text())
        except FileNotFoundError as error:
            raise ValueError(f"{folder}: no latents.json; make it with train.cache") from error
        self.values = np.load(self.folder / "latents.npy", mmap_mode="r+")

    def __len__(self) -> int:
        return self.facts["done"]

    @classmethod
    def create(cls, folder: Path, shape: tuple[int, ...], facts: dict) -> Latents:
        folder.mkdir(parents=True, exist_ok=True)
        np.lib.format.open_memmap(folder / "latents.npy", "w+", np.float16, shape)
        (folder / "latents.json").write_text(json.dumps({**facts, "done": 0}))
        return cls(folder)

    def store(self, index: int, latents: torch.Tensor) -> None:
        self.values[index] = latents.half().numpy()
        self.facts["done"] = index + 1
        (self.folder / "latents.json").write_text(json.dumps(self.facts))


def load_autoencoder(path: str) -> Autoencoder:
    """A result of either stage; the decoder's kind shows in its keys."""
    state = load_part(path, "vae")
    config = (
        presets.nano()
        if "decoder.attn_refinement.0.conv.weight" in state
        else (presets.plain(presets.nano()))
    )
    vae = Autoencoder(config.vae)
    vae.load_state_dict(state)
    return vae.eval()


def encoder_hash(path: str) -> str:
    """Of the encoder only: latents stay valid when another decoder is trained on it."""
    digest = hashlib.sha256()
    for name, value in sorted(load_part(path, "vae").items()):
        if name.startswith(("encoder.", "quant_conv.")):
            digest.update(name.encode() + value.numpy().tobytes())
    return digest.hexdigest()[:16]


@torch.inference_mode()
def build(config: CacheConfig) -> Latents:
    vae = load_autoencoder(config.autoencoder)
    windows = ClipWindows(config.data, config.split, seed=config.seed, items=config.count)
    facts = {"seed": config.seed, "encoder": encoder_hash(config.autoencoder)}
    latents = _open(config, vae, windows, facts)
    todo = range(len(latents), config.count)
    loader = DataLoader(windows, None, sampler=todo, num_workers=config.workers)
    for index, item in zip(todo, tqdm(loader, total=len(todo), unit="window"), strict=True):
        z, _ = encode_clip(vae, item["video"][None], Draws(config.seed, 0, [index]))
        latents.store(index, SCALE * z[0])
    return latents


def _open(config: CacheConfig, vae: Autoencoder, windows: Dataset, facts: dict) -> Latents:
    out = Path(config.out)
    if not (out / "latents.json").is_file():
        side = windows.size // vae.config.downsample
        shape = (config.count, vae.config.z_channels, windows.frames, side, side)
        return Latents.create(out, shape, facts)
    latents = Latents(out)
    different = {k for k, v in facts.items() if latents.facts.get(k) != v}
    if different or len(latents.values) != config.count:
        raise ValueError(
            f"{out} was made with another {', '.join(different) or 'count'}; "
            "choose another out folder"
        )
    return latents


def main(arguments: list[str]) -> None:
    config = parse(CacheConfig, arguments, __doc__)
    if config.threads:
        torch.set_num_threads(config.threads)
    build(config)


if __name__ == "__main__":
    main(sys.argv[1:])
