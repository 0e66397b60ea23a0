"""What `train.cache` stores, as a data set: read, and checked against the options of a run."""

from __future__ import annotations

import hashlib
import io
import json
import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from toon_core.pictures import UNREADABLE
from train.data.readers.frames import decode_frame, decode_grey
from train.data.shards import read_place, shard_name
from train.data.windows.cache_format import numbered, read_facts, read_places, spans
from train.data.windows.dataset import TrainingConfig

log = logging.getLogger("toon.data")

SIZE = ("height", "width", "frames")
ENCODERS = {"moments": "autoencoder", "text": "text", "image": "image"}  # of every stored part
MADE_BY = {
    "text": "with base=MODEL, a whole model file, and tokens=true",
    "image": "with base=MODEL, a whole model file, and tokens=true",
    "sketches": "with sketch=stored",
    "video": "with video=true",
}
ATTEMPTS = 8  # shards tried for one item before unreadable windows stop the run
Read = Callable[[str], bytes]


class CachedWindows(Dataset):
    """Items of a finished cache; item i is the stored one i modulo their count, or where that
    cannot be read one of the next shard.

    An item has `prompt`, `fs`, `name`, `start`, `stride`, and of these, all float32, the `parts`
    asked for: `moments` (2 z t h/8 w/8), mean and log variance of the latents before scaling,
    `text` (77 d) and `image` (257 d) tokens of the towers, `first` (3 h w) and `video` (3 t h w)
    in [-1, 1], and `sketches` (1 t h w) in [0, 1]. Held-out windows have
    `video`, and `sketches` where the cache has.
    ValueError where the cache is not finished.
    """

    def __init__(self, root: str | Path, split: str, items: int, parts: Iterable[str]) -> None:
        self.root, self.split, self.items, self.parts = Path(root), split, items, tuple(parts)
        self.facts: dict[str, Any] = {"batch": 0} | read_facts(self.root)
        self.facts["buckets"] = bool(self.facts["batch"])  # windows that share a shape
        if not self.facts["complete"]:
            raise ValueError(f"data={root}: not finished; run the same train.cache again")
        windows = self.facts["count" if split == "train" else "held_out"]
        self._spans = spans(windows, self.facts["shard_items"])
        self._places = [
            places
            for number in range(len(self._spans))
            for places in read_places(self.root, shard_name(split, number))
        ]
        self._encoders = sorted({ENCODERS[part] for part in self.parts if part in ENCODERS})
        self._warned: set[str] = set()  # what was warned of

    @classmethod
    def open_checked(
        cls,
        options: TrainingConfig,
        items: int,
        parts: tuple[str, ...],
        model: nn.Module | None,
        sketch: str,
        made_by: str,
    ) -> CachedWindows:
        """Windows of training, checked against the options of a run, the extractor `sketch` and the
        model it trains, which the option `made_by` names."""
        cache = cls(options.data, "train", items, parts)
        for name in (*SIZE, "buckets"):
            cache._check_same(name, getattr(options, name))
        together = cache.facts["batch"]
        if together and together % options.batch:
            raise ValueError(
                f"batch={options.batch}, but of data={options.data} {together} windows share a "
                f"bucket: give batch={together} or a part of it, or make another cache"
            )
        for part in parts:
            if part in MADE_BY and part not in cache.facts["parts"]:
                raise ValueError(
                    f"data={options.data} was made without {part}: make another cache with "
                    f"`python -m train.cache` {MADE_BY[part]}"
                )
        if "sketches" in parts and sketch != "stored":
            cache._check_same("sketch", sketch)
        if model is not None:
            cache._check_encoders(model, f"{made_by}={getattr(options, made_by, '')}")
        if items > cache.facts["count"]:
            times = items / cache.facts["count"]
            log.info("%s: each of its windows is used about %.1f times", options.data, times)
        return cache

    @classmethod
    def open_held_out(
        cls, options: TrainingConfig, items: int, parts: tuple[str, ...]
    ) -> CachedWindows:
        """Held-out windows, which have `video`, and `sketches` where those of training do."""
        cache = cls(options.data, "test", items, parts)
        for name in SIZE:
            cache._check_same(name, getattr(options, name))
        if items > cache.facts["held_out"]:
            raise ValueError(
                f"data={options.data} has {cache.facts['held_out']} held-out windows, {items} are "
                f"wanted: give run.sheet_clips={cache.facts['held_out']}, or run train.cache again "
                f"with held_out={items} into another folder"
            )
        return cache

    def _check_same(self, name: str, given: Any) -> None:
        if given != (made := self.facts[name]):
            raise ValueError(
                f"{name}={str(given).lower()}, but data={self.root} was made with "
                f"{name}={str(made).lower()}: give the same, or make another cache"
            )

    def _check_encoders(self, model: nn.Module, given: str) -> None:
        for name, value in encoder_hashes(model, self._encoders).items():
            stored = self.facts["encoders"][name]
            if value != stored:
                raise ValueError(
                    f"data={self.root} was made by {self.facts['base']}, whose {name} encoder is "
                    f"{stored}, but that of {given} is {value}: make another cache with "
                    f"`python -m train.cache {given} ...`, or give the model it was made by"
                )

    def stamp(self) -> str:
        """That of the clips, and after it one of all else that decides the items."""
        decisive = [*SIZE, "count", "seed", "precision"]
        decisive += ["sketch"] if "sketches" in self.parts else []
        decisive += ["batch"] if self.facts["batch"] else []
        encoders = [self.facts["encoders"].get(name) for name in self._encoders]
        text = json.dumps([[self.facts[name] for name in decisive], self._encoders, encoders])
        return f"{self.facts['clips']}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    def licences(self) -> list[str]:
        """What is said of whose the clips are; nothing by caches of before."""
        return self.facts.get("licences", [])

    def __len__(self) -> int:
        return self.items

    def __getitem__(self, index: int) -> dict:
        if not 0 <= index < self.items:
            raise IndexError(f"item {index} of {self.items}")
        for stored in self._tries(index % len(self._places)):
            try:
                return self._window(stored)
            except ValueError as error:
                if str(error) not in self._warned:
                    log.warning("%s; another one takes its place", error)
                self._warned.add(str(error))
        raise ValueError(
            f"data={self.root}, item {index}: neither its window nor others in its place can be "
            "read: delete the shards that the log names, and run the same train.cache again, "
            "which makes them anew"
        )

    def _tries(self, stored: int) -> Iterator[int]:
        """A window, then one of each shard that follows, since a shard may be lost whole, of the
        same shape."""
        yield stored
        shard, place = divmod(stored, self.facts["shard_items"])
        shape = self._shape_of(stored)
        for further in range(1, ATTEMPTS):
            span = self._spans[(shard + further) % len(self._spans)]
            if part := [other for other in span if self._shape_of(other) == shape]:
                yield part[(place + further) % len(part)]

    def _shape_of(self, stored: int) -> list[int] | None:
        """Height and width of a window in buckets; None where all have the same."""
        together = self.facts["batch"] if self.split == "train" else 0
        return self.facts["shapes"][stored // together] if together else None

    def _window(self, stored: int) -> dict:
        """A stored one; ValueError naming it where it cannot be read."""
        shard = self.root / shard_name(self.split, stored // self.facts["shard_items"])
        places = self._places[stored]
        try:
            return self._item(lambda name: read_place(shard, places[name]), places)
        except UNREADABLE as error:
            raise ValueError(f"{shard}, window {stored}: cannot be read ({error})") from error

    def _item(self, read: Read, places: Iterable[str]) -> dict:
        item = json.loads(read("json"))
        for name in self.parts:
            if name in ENCODERS:
                array = np.load(io.BytesIO(read(f"{name}.npy")), allow_pickle=False)
                item[name] = torch.from_numpy(array.astype(np.float32))
        if "first" in self.parts:
            item["first"] = _picture(read("first.webp"))
        if "video" in self.parts:
            names = numbered(places, ".webp")
            item["video"] = torch.stack([_picture(read(n)) for n in names], 1)
        if "sketches" in self.parts:
            lines = [decode_grey(read(n)) for n in numbered(places, ".sketch.webp")]
            item["sketches"] = torch.from_numpy(np.stack(lines)).float()[None] / 255
        return item


def _picture(data: bytes) -> Tensor:
    pixels = torch.from_numpy(np.array(decode_frame(data)[..., :3]))
    return (pixels.float() / 127.5 - 1).movedim(-1, 0)


def encoder_hashes(model: Any, names: Iterable[str]) -> dict[str, str]:
    """Hashes by name of a model's encoders, as far as `names` has them and the model too."""
    parts = {
        "autoencoder": (model.vae.encoder, model.vae.quant_conv),
        "text": (model.text,),
        "image": (model.image,),
    }
    return {k: _hash(m) for k, m in parts.items() if k in names and m[0] is not None}


def _hash(modules: Iterable[nn.Module]) -> str:
    """A hash of the weights in float16, in which files are shipped."""
    digest = hashlib.sha256()
    for module in modules:
        for name, value in sorted(module.state_dict().items()):
            weights = value.detach().half().cpu().contiguous().numpy()
            digest.update(name.encode() + weights.tobytes())
    return digest.hexdigest()[:16]
