"""Training windows encoded once: posteriors of latents, tokens of both towers, sketches."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from omegaconf import MISSING
from torch import Tensor
from tqdm import tqdm

import toon_core
from toon_core.conditioning.preprocess import clip_pixels
from train.data.shards import INDEX, find_shards, shard_name
from train.data.source import windows_to_show
from train.data.windows.cache_format import (
    PRECISIONS,
    is_cache,
    members,
    read_facts,
    read_places,
    spans,
    write_facts,
    write_shard,
)
from train.data.windows.cached import encoder_hashes
from train.data.windows.dataset import BucketWindows, ClipWindows, WindowConfig
from train.engine.batches import loaded
from train.engine.files import OutFolder
from train.engine.launch import device_of
from train.engine.options import option
from train.recipes.autoencoder import load_autoencoder
from train.recipes.conditioning import clip_moments
from train.recipes.defaults import ShapeConfig

OPTIONS = ("count", "held_out", "height", "width", "frames", "seed", "sketch", "precision")


@dataclass(kw_only=True)
class CacheConfig(ShapeConfig):
    """What is encoded, by which networks, and where it goes."""

    base: str = ""  # a whole model file, whose autoencoder and towers run, of its own shape
    # Or a result of train.autoencoder, of that shape, for latents alone: for train.pretrain.
    autoencoder: str = ""
    data: str = MISSING  # shards of train.prepare or a folder of clips
    out: str = MISSING  # folder of the cache
    # Windows. With a larger number the same command adds the rest, for new runs: one that was
    # begun before goes on with the old number only.
    count: int = option(4000, least=1)
    # Windows of the test split, for sample sheets and the held-out loss.
    held_out: int = option(4, least=0)
    height: int = option(128, least=1)  # pixels, a multiple of 8, as the recipe will have
    width: int = option(128, least=1)  # pixels, a multiple of 8
    frames: int = option(16, least=1)  # of a window
    # As in the runs that it is for: windows in aspect buckets, each `batch` of them in one.
    buckets: bool = False
    batch: int = option(0, least=0)  # with buckets: that of the runs, of which count is a multiple
    # How characters with alpha are staged, as in the recipes.
    windows: WindowConfig = field(default_factory=WindowConfig)
    seed: int = option(0, least=0)  # of the windows
    tokens: bool = True  # those of both towers, with base
    # Sketches as in train.sketch; none: no sketches.
    sketch: str = option(
        "stored", choices=("stored", "auto", "anime2sketch", "hed", "xdog", "none")
    )
    video: bool = False  # also every frame, lossless, for train.decoder and train.autoencoder
    precision: str = option("fp16", choices=tuple(PRECISIONS))  # of latents and tokens
    shard_items: int = option(64, least=1)  # windows of a shard: a stop loses no more
    device: str = ""  # where: cpu or cuda; none: a GPU where there is one
    workers: int = option(1, least=0)  # processes that draw windows; 0: this one
    threads: int = option(0, least=0)  # of torch on the CPU; 0: torch's own choice


class Encoders:
    """The frozen networks that a cache is made with."""

    def __init__(self, config: CacheConfig, device: torch.device) -> None:
        self.device, self.text, self.image = device, None, None
        self.path = config.base or config.autoencoder
        if config.autoencoder:
            self.vae = load_autoencoder(config.autoencoder, config.model_shape())
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


def build_cache(config: CacheConfig) -> dict[str, Any]:
    """Fill the cache; its facts. ValueError on bad options, or where `out` holds another one."""
    _check(config)
    if config.threads:
        torch.set_num_threads(config.threads)
    sketch = "" if config.sketch == "none" else config.sketch
    windows = ClipWindows(config, "train", config.count, sketch)
    sources: dict[str, ClipWindows | BucketWindows] = {"train": windows}
    if config.buckets:
        sources["train"] = BucketWindows(windows, config.batch)
    stands_in = False
    if config.held_out:
        sources["test"], stands_in = windows_to_show(config, config.held_out, sketch)
    encoders = Encoders(config, device_of(config.device))
    facts = _facts(config, encoders, sources["train"])
    facts["held_out_from"] = "train" if stands_in else "test"
    with OutFolder(Path(config.out), config.data).locked():
        _begin(Path(config.out), facts)
        for split, windows in sources.items():
            _fill(config, split, windows, encoders)
        write_facts(Path(config.out), {**facts, "complete": True})
        return read_facts(Path(config.out))


def _check(config: CacheConfig) -> None:
    if bool(config.base) == bool(config.autoencoder):
        raise ValueError("give base=MODEL.safetensors, or autoencoder= a train.autoencoder result")
    for name in ("height", "width"):
        if getattr(config, name) % 8:  # pixels of a latent
            raise ValueError(f"{name}={getattr(config, name)}: expected a multiple of 8")
    if config.buckets != bool(config.batch):
        raise ValueError("buckets=true and batch= go together: give the batch of the runs")
    if config.buckets and config.count % config.batch:
        raise ValueError(f"count={config.count}: expected a multiple of batch={config.batch}")
    if is_cache(config.data):
        raise ValueError(f"data={config.data} is a cache itself; give the clips it was made of")
    out = OutFolder(Path(config.out), config.data).path
    clips = [*find_shards(out), *out.glob(INDEX)]
    if clips and not is_cache(out):
        # Shards of a cache have the names of train.prepare's.
        raise ValueError(
            f"out={out} holds {clips[0].name}, which train.cache did not write: choose another "
            "out folder"
        )


def _facts(
    config: CacheConfig, encoders: Encoders, windows: ClipWindows | BucketWindows
) -> dict[str, Any]:
    """What every byte of the cache depends on."""
    wanted = {
        "first": True,
        "text": encoders.text is not None,
        "image": encoders.image is not None,
        "sketches": config.sketch != "none",
        "video": config.video,
    }
    facts = {
        "base": Path(encoders.path).name,
        "encoders": encoders.hashes(),
        "data": Path(config.data).name,
        "clips": windows.stamp(),
        "parts": ["moments", *(name for name, there in wanted.items() if there)],
        "licences": windows.licences(),
        **{name: getattr(config, name) for name in (*OPTIONS, "shard_items")},
        "complete": False,
    }
    if isinstance(windows, BucketWindows):
        shapes = [windows.shape_of(i) for i in range(0, len(windows), windows.batch)]
        facts |= {"batch": windows.batch, "shapes": shapes}
    return facts


def _begin(out: Path, facts: dict[str, Any]) -> None:
    """ValueError where another cache is there; one of fewer windows may grow."""
    if is_cache(out):
        old = read_facts(out)
        free = ("base", "data", "licences", "count", "shapes", "complete", "held_out_from")
        names = [k for k in (*facts, "batch") if k not in free]
        other = [k for k in dict.fromkeys(names) if old.get(k) != facts.get(k)]
        if other:
            now = ", ".join(f"{k} {old.get(k)} (now {facts.get(k)})" for k in other)
            raise ValueError(f"out={out} was made with another {now}; choose another folder")
        if old["count"] > facts["count"]:
            raise ValueError(f"out={out} has count={old['count']} already; give as many or more")
    write_facts(out, facts)


def _fill(
    config: CacheConfig, split: str, windows: ClipWindows | BucketWindows, encoders: Encoders
) -> None:
    """Write the shards of a split that are not there whole."""
    out, train = Path(config.out), split == "train"
    parts = spans(len(windows), config.shard_items)
    missing = [n for n, part in enumerate(parts) if not _done(out, shard_name(split, n), part)]
    todo = [i for n in missing for i in parts[n]]
    done = len(windows) - len(todo)
    read = loaded(windows.__getitem__, todo, config.workers)
    items = iter(tqdm(read, split, total=len(windows), initial=done, unit="window"))
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
