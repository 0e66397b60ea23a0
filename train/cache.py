"""Encode training windows once: posteriors of latents, tokens of both towers, sketches.

    python -m train.cache base=MODEL.safetensors data=CLIPS out=CACHE [count=4000 height=320 \\
        width=512 frames=16 sketch=auto video=true ...]
    python -m train.cache autoencoder=RUN/autoencoder.safetensors data=CLIPS out=CACHE

`data` is what the recipes take, shards or a folder of clips; they then take data=CACHE, which
needs neither the clips nor another pass of the frozen networks. With base, `train.rectify`,
`train.sketch` and `train.pretrain` can use it; with autoencoder, `train.pretrain` alone, whose
towers train; with video=true, `train.decoder` and `train.autoencoder` too.

Window i is what (data, seed) give for item i, with its crop and mirroring; a run longer than
`count` items takes the same windows again. Of the latents mean and log variance are stored, so
that every step draws its own sample, by the key that it has without a cache: with the cache's seed
a run has the losses that it has without one (precision=fp32: to rounding of sketches and first
pictures to 8 bits). Tokens are those of the towers, before the projector.

A run that was stopped, however, goes on with the same command to the same bytes; a larger count
adds windows. The same input gives the same cache. A model with other encoders is refused later.
"""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from omegaconf import MISSING
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

import toon_core
from toon_core.conditioning.preprocess import clip_pixels
from train.conditions import clip_moments
from train.data.cached import encoder_hashes
from train.data.cachefile import (
    FACTS,
    PRECISIONS,
    members,
    read_facts,
    read_places,
    shard_name,
    spans,
    write_json,
    write_shard,
)
from train.data.shards import found_shards
from train.data.source import make_windows
from train.data.store import INDEX
from train.data.windows import ClipWindows, WindowConfig
from train.engine.claim import check_out, claimed
from train.engine.command import GO_ON, errors_told
from train.engine.config import at_least, parse
from train.engine.launch import device_of
from train.engine.stop import ignore_signals
from train.pretrain import load_autoencoder
from train.scale import shape

log = logging.getLogger("toon.cache")

OPTIONS = ("count", "held_out", "height", "width", "frames", "seed", "sketch", "precision")


@dataclass(kw_only=True)
class CacheConfig:
    base: str = ""  # a whole model file: its autoencoder and towers
    autoencoder: str = ""  # or a result of train.autoencoder, for latents alone
    data: str = MISSING  # shards or a folder of clips
    out: str = MISSING
    count: int = 4000  # windows; more can be added later
    held_out: int = 4  # windows of the test split, for sample sheets (sheet_clips at most)
    height: int = 128
    width: int = 128
    frames: int = 16
    windows: WindowConfig = field(default_factory=WindowConfig)  # how characters are staged
    seed: int = 0
    preset: str = "nano"  # shape of autoencoder=; a model file tells its own
    shape: str = ""  # or a YAML file of one
    tokens: bool = True  # of both towers, with base
    sketch: str = "stored"  # or auto, anime2sketch, hed, xdog (train.data.sketcher); none
    video: bool = False  # also every frame, lossless
    precision: str = "fp16"  # of posteriors and tokens: fp16 or fp32
    shard_items: int = 64  # windows a shard: a run that is stopped loses no more
    device: str = ""  # cuda when there is one, else cpu
    workers: int = 1  # processes that draw windows; 0: this one
    threads: int = 0  # torch threads (0: torch's own choice)


class Encoders:
    """The frozen networks that a cache is made with."""

    def __init__(self, config: CacheConfig, device: torch.device) -> None:
        self.device, self.text, self.image = device, None, None
        self.path = config.base or config.autoencoder
        if config.autoencoder:
            self.vae = load_autoencoder(config.autoencoder, shape(config))
        else:
            model = toon_core.load(config.base, dtype=torch.float32, expect="toon")
            self.vae = model.vae
            if config.tokens:
                self.text, self.image = model.text, model.image
        if config.base and config.tokens and self.text is None:
            raise ValueError(
                f"base={config.base} has no CLIP towers: give the full checkpoint instead of the "
                "pruned one, or tokens=false"
            )
        for part in (self.vae, self.text, self.image):
            if part is not None:
                part.to(device).eval().requires_grad_(False)

    def hashes(self) -> dict[str, str]:
        return encoder_hashes(self, ("autoencoder", "text", "image"))

    @torch.inference_mode()
    def __call__(self, item: dict) -> dict[str, Tensor]:
        """`moments` (2 z t h/8 w/8), and where the towers are there `text` (77 d) and `image`
        (257 d)."""
        video = item["video"][None].to(self.device)
        out = {"moments": clip_moments(self.vae, video)[0]}
        if self.text is not None:
            pixels = clip_pixels(video[:, :, 0], self.image.image_size)
            out |= {"text": self.text([item["prompt"]])[0], "image": self.image(pixels)[0]}
        return out


def build(config: CacheConfig) -> dict[str, Any]:
    """Fill the cache; its facts. ValueError on bad options, or where `out` holds another one."""
    _check(config)
    sources = {"train": make_windows(config, "train", config.count, config.sketch != "none")}
    if config.held_out:
        sources["test"] = make_windows(config, "test", config.held_out)
    encoders = Encoders(config, device_of(config.device))
    facts = _facts(config, encoders, sources["train"])
    with claimed(Path(config.out), config.data):
        _begin(Path(config.out), facts)
        for split, windows in sources.items():
            _fill(config, split, windows, encoders)
        write_json(Path(config.out) / FACTS, {**facts, "complete": True})
        return read_facts(Path(config.out))


def _check(config: CacheConfig) -> None:
    if bool(config.base) == bool(config.autoencoder):
        raise ValueError("give base=MODEL.safetensors, or autoencoder= a train.autoencoder result")
    if config.precision not in PRECISIONS:
        raise ValueError(f"precision={config.precision}: expected {' or '.join(PRECISIONS)}")
    at_least(config, 1, "count", "shard_items", "height", "width", "frames")
    at_least(config, 0, "held_out", "seed", "workers", "threads")
    for name in ("height", "width"):
        if getattr(config, name) % 8:  # pixels of a latent
            raise ValueError(f"{name}={getattr(config, name)}: expected a multiple of 8")
    if (Path(config.data) / FACTS).is_file():
        raise ValueError(f"data={config.data} is a cache itself; give the clips it was made of")
    _check_out(Path(config.data), Path(config.out))


def _check_out(data: Path, out: Path) -> None:
    """Shards of a cache have the names of train.prepare's: ValueError where these would go."""
    check_out(out, data)
    clips = [*found_shards(out), *out.glob(INDEX)]
    if clips and not (out / FACTS).is_file():
        raise ValueError(
            f"out={out} holds {clips[0].name}, which train.cache did not write: choose another "
            "out folder"
        )


def _facts(config: CacheConfig, encoders: Encoders, windows: ClipWindows) -> dict[str, Any]:
    """What every byte of the cache depends on."""
    wanted = {
        "first": True,
        "text": encoders.text is not None,
        "image": encoders.image is not None,
        "sketches": config.sketch != "none",
        "video": config.video,
    }
    return {
        "base": Path(encoders.path).name,
        "encoders": encoders.hashes(),
        "data": Path(config.data).name,
        "clips": windows.stamp(),
        "parts": ["moments", *(name for name, there in wanted.items() if there)],
        **{name: getattr(config, name) for name in (*OPTIONS, "shard_items")},
        "complete": False,
    }


def _begin(out: Path, facts: dict[str, Any]) -> None:
    """ValueError where another cache is there; one of fewer windows may grow."""
    if (out / FACTS).is_file():
        old = read_facts(out)
        free = ("base", "data", "count", "complete")
        other = [k for k, v in facts.items() if k not in free and old.get(k) != v]
        if other:
            now = ", ".join(f"{k} {old.get(k)} (now {facts[k]})" for k in other)
            raise ValueError(f"out={out} was made with another {now}; choose another folder")
        if old["count"] > facts["count"]:
            raise ValueError(f"out={out} has count={old['count']} already; give as many or more")
    write_json(out / FACTS, facts)


def _fill(config: CacheConfig, split: str, windows: ClipWindows, encoders: Encoders) -> None:
    """Write the shards of a split that are not there whole."""
    out, train = Path(config.out), split == "train"
    parts = spans(len(windows), config.shard_items)
    missing = [n for n, part in enumerate(parts) if not _done(out, shard_name(split, n), part)]
    todo = [i for n in missing for i in parts[n]]
    loader = DataLoader(
        windows, None, sampler=todo, num_workers=config.workers, worker_init_fn=ignore_signals
    )
    done = len(windows) - len(todo)
    items = iter(tqdm(loader, split, total=len(windows), initial=done, unit="window"))
    for number in missing:
        files = []
        for index in parts[number]:
            item = next(items)
            values = encoders(item) if train else {}
            video = config.video or not train
            files.append((index, members(item, values, config.precision, video)))
        write_shard(out / shard_name(split, number), files)


def _done(out: Path, shard: str, part: range) -> bool:
    try:
        return len(read_places(out, shard)) == len(part)
    except ValueError:
        return False


def main(arguments: list[str]) -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    config = parse(CacheConfig, arguments, __doc__)
    if config.threads:
        torch.set_num_threads(config.threads)
    with errors_told(GO_ON):
        facts = build(config)
    log.info("%s: %d windows with %s", config.out, facts["count"], ", ".join(facts["parts"]))


if __name__ == "__main__":
    main(sys.argv[1:])
