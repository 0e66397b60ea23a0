"""Encode training windows once: latents, tokens of both towers, and sketches.

    python -m train.cache base=MODEL.safetensors data=CLIPS out=CACHE count=4000 \\
        [height=320 width=512 frames=16 sketch=auto tokens=true ...]

`data` is what the recipes take, shards or a folder of clips; `base` any full model file, or the
result of `train.autoencoder` for latents alone. The recipes then take data=CACHE. Item i is window
i of (data, seed). A run that was stopped goes on with the same command.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from omegaconf import MISSING
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

import toon_core
from toon_core.conditioning.preprocess import clip_pixels
from toon_core.model import ToonModel
from toon_core.presets import nano
from toon_core.vae.autoencoder import Autoencoder
from train.conditions import clip_latents
from train.data.cached import FACTS, CachedWindows, shard_name
from train.data.filters.base import ModelError
from train.data.frames import encode_frame
from train.data.shards import END, fragment, write_atomic
from train.data.source import make_windows
from train.engine.config import parse
from train.engine.draws import Draws
from train.engine.result import part_of

log = logging.getLogger("toon.cache")

Members = list[tuple[str, bytes]]


@dataclass(kw_only=True)
class CacheConfig:
    base: str = MISSING  # a model file, or a train.autoencoder result
    data: str = MISSING  # shards or a folder of clips
    out: str = MISSING
    count: int = 4000  # windows
    height: int = 128
    width: int = 128
    frames: int = 16
    seed: int = 0
    tokens: bool = True  # of both towers, where the file has them
    sketch: str = "auto"  # auto, stored, anime2sketch, hed, xdog; none
    shard_items: int = 32  # windows a shard: as many are lost at most when a run is stopped
    device: str = ""  # cuda when there is one, else cpu
    workers: int = 1
    threads: int = 0  # torch threads (0: torch's own choice)


class Encoders:
    """The frozen parts of a base that a cache is made with."""

    def __init__(self, config: CacheConfig, device: torch.device) -> None:
        self.device, self.text, self.image = device, None, None
        self.scale = nano().scale_factor
        if part_of(config.base) == "vae":
            self.vae = _load_vae(config.base)
        else:
            model = toon_core.load(config.base, dtype=torch.float32, expect="toon")
            self.vae, self.scale = model.vae, model.config.scale_factor
            if config.tokens:
                self.text, self.image = model.text, model.image
        if config.tokens and self.text is None:
            log.warning("%s has no CLIP towers: no tokens are stored", config.base)
        for part in (self.vae, self.text, self.image):
            if part is not None:
                part.to(device).eval().requires_grad_(False)
        self.hashes = encoder_hashes(self.vae, self.text, self.image)

    @torch.inference_mode()
    def __call__(self, item: dict, draws: Draws) -> dict[str, Tensor]:
        """Latents (z t h/8 w/8), and the tokens text (77 d) and image (257 d) where wanted."""
        video = item["video"][None].to(self.device)
        out = {"latents": clip_latents(self.vae, video, draws, self.scale)[0]}
        if self.text is not None:
            pixels = clip_pixels(video[:, :, 0], self.image.image_size)
            out |= {"text": self.text([item["prompt"]])[0], "image": self.image(pixels)[0]}
        return out


def _load_vae(path: str) -> Autoencoder:
    from train.vae_start import load_autoencoder

    return load_autoencoder(path)


def encoder_hashes(
    vae: Autoencoder, text: nn.Module | None, image: nn.Module | None
) -> dict[str, str]:
    """What the cached values depend on; a retrained decoder changes nothing."""
    parts = {"autoencoder": (vae.encoder, vae.quant_conv), "text": (text,), "image": (image,)}
    return {k: _hash(modules) for k, modules in parts.items() if modules[0] is not None}


def _hash(modules: Iterable[nn.Module]) -> str:
    """Of the weights as float16, which survive being saved in it."""
    digest = hashlib.sha256()
    for module in modules:
        for name, value in sorted(module.state_dict().items()):
            digest.update(name.encode() + value.detach().half().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def check_base(dataset: Dataset, model: ToonModel) -> None:
    """ValueError where a data set is a cache of another base's encoders than `model` has."""
    if isinstance(dataset, CachedWindows):
        dataset.check_encoders(encoder_hashes(model.vae, model.text, model.image))


def build(config: CacheConfig) -> CachedWindows:
    """Fill the cache; ValueError where `out` holds another one."""
    device = torch.device(config.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    sketch = "" if config.sketch == "none" else config.sketch
    windows = make_windows(config, config.data, "train", config.seed, config.count, sketch)
    encoders = Encoders(config, device)
    facts = _facts(config, encoders, windows)
    _begin(Path(config.out), facts)
    missing = [n for n in range(-(-config.count // config.shard_items)) if not _done(config, n)]
    todo = [i for n in missing for i in _items(config, n)]
    loader = DataLoader(windows, None, sampler=todo, num_workers=config.workers)
    items = iter(tqdm(loader, total=config.count, initial=config.count - len(todo), unit="window"))
    for number in missing:
        encoded = (_members(config, encoders, i, next(items)) for i in _items(config, number))
        _write_shard(config, number, encoded)
    _write_facts(Path(config.out), {**facts, "complete": True})
    return CachedWindows(config.out, config.count)


def _facts(config: CacheConfig, encoders: Encoders, windows: Dataset) -> dict:
    clips = json.dumps([[r.id, r.frames, r.caption] for r in windows.records])
    names = ("data", "count", "height", "width", "frames", "seed", "sketch", "shard_items")
    facts = {name: getattr(config, name) for name in names}
    return {
        **facts,
        "sketch": "" if config.sketch == "none" else config.sketch,
        "clips": hashlib.sha256(clips.encode()).hexdigest()[:16],
        "encoders": encoders.hashes,
        "complete": False,
    }


def _begin(out: Path, facts: dict) -> None:
    if not (out / FACTS).is_file():
        return _write_facts(out, facts)
    old = json.loads((out / FACTS).read_text())
    different = [k for k, v in facts.items() if k not in ("complete", "data") and old.get(k) != v]
    if different:
        raise ValueError(
            f"out={out} was made with another {', '.join(different)}; choose another folder"
        )
    return None


def _write_facts(out: Path, facts: dict) -> None:
    text = json.dumps(facts, indent=1)
    write_atomic(out / FACTS, lambda file: file.write(text.encode()))


def _items(config: CacheConfig, number: int) -> range:
    first = number * config.shard_items
    return range(first, min(first + config.shard_items, config.count))


def _done(config: CacheConfig, number: int) -> bool:
    return (Path(config.out) / shard_name(number)).is_file()


def _members(config: CacheConfig, encoders: Encoders, index: int, item: dict) -> Members:
    """The files of one window, without its key."""
    values = encoders(item, Draws(config.seed, 0, [index]))
    facts = {name: item[name] for name in ("prompt", "fs", "name", "start", "stride")}
    first = _pixels((item["video"][:, 0].movedim(0, -1) + 1) / 2)
    opaque = np.concatenate([first, np.full_like(first[..., :1], 255)], -1)
    members = [("json", json.dumps(facts, ensure_ascii=False).encode())]
    members += [(f"{name}.npy", _array(value)) for name, value in values.items()]
    members.append(("first.webp", encode_frame(opaque)))
    for number, lines in enumerate(item["sketches"][0] if "sketches" in item else ()):
        members.append((f"{number:04d}.sketch.webp", encode_frame(_pixels(lines))))
    return members


def _pixels(values: Tensor) -> np.ndarray:
    return (values.clamp(0, 1) * 255).round().to(torch.uint8).numpy()


def _array(value: Tensor) -> bytes:
    out = io.BytesIO()
    np.save(out, value.half().cpu().numpy())
    return out.getvalue()


def _write_shard(config: CacheConfig, number: int, windows: Iterator[Members]) -> None:
    """The places first: where the tar is, all is."""
    named, keys = [], []
    for index, members in zip(_items(config, number), windows, strict=True):
        named += [(f"{index:08d}.{name}", data) for name, data in members]
        keys.append([name for name, _ in members])
    data, places = fragment(named)
    listed = iter(places)
    index = [{name: next(listed) for name in names} for names in keys]
    tar = Path(config.out) / shard_name(number)
    text = json.dumps(index)
    write_atomic(tar.with_suffix(".json"), lambda file: file.write(text.encode()))
    write_atomic(tar, lambda file: file.write(data + END))


def main(arguments: list[str]) -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    config = parse(CacheConfig, arguments, __doc__)
    if config.threads:
        torch.set_num_threads(config.threads)
    try:
        build(config)
    except (ValueError, ModelError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
