"""`ResidentWindows`: batches of windows composed on the device, from layers that lie there."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import grid_sample, interpolate
from torch.utils.data import Dataset

from toon_core.devices import moved
from train.data.filters.sketches import xdog
from train.data.resident import drawing
from train.data.resident.drawing import Draws, Figure
from train.data.resident.folder import arrays, read_facts, read_words

SLAB = 2**28  # bytes that are moved to the device at a time
AT_ONCE = 2**27  # elements of a layer's floats that are alive at a time

Batch = dict[str, Any]


class ResidentWindows(Dataset):
    """Windows of `frames` frames of one split; item i depends on (seed, i) only. A batch has
    `video` (b 3 f h w) float32 in [-1, 1] on the device, `prompt` and `fs`, and where `sketches`
    are asked for these (b 1 f h w) in [0, 1], XDoG's.

    The prompt is empty where colours, place or company are not the clip's own. ValueError where
    the clips are shorter or smaller than the windows.
    """

    def __init__(
        self,
        folder: str | Path,
        split: str,
        frames: int,
        side: int,
        seed: int,
        items: int,
        device: torch.device,
        sketches: bool = False,
    ) -> None:
        self.facts = facts = read_facts(Path(folder))
        if frames > facts.frames or side > facts.side or facts.side % side:
            raise ValueError(
                f"data={folder}: its clips have {facts.frames} frames of {facts.side} pixels; "
                f"frames={frames} may not be more, and height=width={side} must divide them"
            )
        self.frames, self.side, self.seed, self.items = frames, side, seed, items
        self.device, self.sketches = device, sketches
        cut = facts.count - facts.held_out
        own = slice(0, cut) if split == "train" else slice(cut, facts.count)
        self.words = read_words(Path(folder), facts.count)[own]
        place = (str(Path(folder).resolve()), self.stamp(), own.start, own.stop, device)
        self.figures, self.behind, self.places = _kept(*place)

    def stamp(self) -> str:
        """A short hash of what windows are drawn from."""
        return hashlib.sha256(json.dumps(self.facts.told()).encode()).hexdigest()[:16]

    def licences(self) -> list[str]:
        """What is said of whose the clips are."""
        return list(self.facts.licences)

    def __len__(self) -> int:
        return self.items

    def __getitem__(self, index: int) -> Batch:
        """One item, on the CPU."""
        if not 0 <= index < self.items:
            raise IndexError(f"item {index} of {self.items}")
        batch = self.batch_of(range(index, index + 1))
        return {k: v[0].cpu() if isinstance(v, Tensor) else v[0] for k, v in batch.items()}

    def batch_of(self, indices: range) -> Batch:
        """The items of these indices together, on the device."""
        n, length = len(self.words), self.facts.frames
        draws = drawing.draw(self.seed, indices, n, length, self.frames)
        video = self._composed(draws)
        words = [self.words[clip] for clip in draws.first.clip]
        batch: Batch = {
            "video": video,
            "prompt": [p if own else "" for (p, _), own in zip(words, draws.told, strict=True)],
            "fs": [max(1, fps // int(s)) for (_, fps), s in zip(words, draws.strides, strict=True)],
            "name": [f"clip {clip}" for clip in draws.first.clip],
            "start": [int(frames[0]) for frames in draws.first.frames],
        }
        if self.sketches:
            lines = xdog(video.movedim(1, 2).flatten(0, 1))
            batch["sketches"] = lines.unflatten(0, (len(indices), -1)).movedim(2, 1)
        return batch

    def _composed(self, draws: Draws) -> Tensor:
        """All layers one over the other, at the clips' own size and then at the windows'."""
        each = self.frames * self.facts.side**2 * 4
        some = max(1, AT_ONCE // each)
        parts = [self._some(draws, slice(i, i + some)) for i in range(0, len(draws.behind), some)]
        return torch.cat(parts)

    def _some(self, draws: Draws, part: slice) -> Tensor:
        video = self._behind(draws, part)
        second = draws.second[part]
        for side in (-1, 0, 1):
            if side == 0:
                video = _over(self._layer(draws.first, part), video)
            elif (second == side).any():
                chosen = np.arange(len(draws.second))[part][second == side]
                rows = moved(torch.from_numpy(np.flatnonzero(second == side)), self.device)
                layer = self._layer(draws.other, chosen)
                video = video.index_copy(0, rows, _over(layer, video.index_select(0, rows)))
        if self.side < self.facts.side:
            flat = interpolate(video.flatten(0, 1), (self.side, self.side), mode="area")
            video = flat.unflatten(0, video.shape[:2])
        return video.mul_(2).sub_(1).clamp_(-1, 1).movedim(1, 2)

    def _layer(self, figure: Figure, part: Any) -> Tensor:
        """(b f 4 h w) in [0, 1], premultiplied."""
        clip, frames = (self._sent(x[part]) for x in (figure.clip, figure.frames))
        pixels = self.figures[clip[:, None], frames]  # (b f h w 4)
        order = np.concatenate([figure.order, np.full((len(figure.order), 1), 3)], 1)[part]
        flat = pixels.flatten(0, 1).movedim(-1, 1).to(torch.float32).mul_(1 / 255)
        grid = _grid(self._sent(figure.maps[part]).flatten(0, 1), self.facts.side)
        layer = grid_sample(flat, grid, align_corners=False).unflatten(0, pixels.shape[:2])
        if (figure.order[part] == (0, 1, 2)).all():
            return layer
        index = self._sent(order)[:, None, :, None, None].expand_as(layer)
        return layer.gather(2, index)

    def _behind(self, draws: Draws, part: slice) -> Tensor:
        """The pictures behind under their clips' cameras (b f 3 h w): all frames of a window are
        read from one picture, as a tall one."""
        clip, frames, whose = (
            self._sent(x[part]) for x in (draws.first.clip, draws.first.frames, draws.behind)
        )
        maps = self.places[clip[:, None], frames]
        mirrored = draws.mirrored[part]
        turn = np.where(mirrored, -1.0, 1.0).astype(np.float32)
        maps = torch.cat([maps[..., :1] * self._sent(turn)[:, None, None, None], maps[..., 1:]], -1)
        side = self.facts.side
        grid = _grid(maps.flatten(0, 1), side).unflatten(0, maps.shape[:2]).flatten(1, 2)
        pictures = self.behind[whose].movedim(-1, 1).to(torch.float32).mul_(1 / 255)
        tall = grid_sample(pictures, grid, padding_mode="reflection", align_corners=False)
        return tall.unflatten(2, (-1, side)).movedim(2, 1)

    def _sent(self, array: np.ndarray) -> Tensor:
        return moved(torch.from_numpy(np.ascontiguousarray(array)), self.device)


def _over(layer: Tensor, below: Tensor) -> Tensor:
    return torch.addcmul(layer[:, :, :3], 1 - layer[:, :, 3:], below)


def _grid(maps: Tensor, side: int) -> Tensor:
    """(n 2 3) -> the places (n side side 2) that `grid_sample` reads."""
    line = (torch.arange(side, device=maps.device, dtype=maps.dtype) + 0.5) * 2 / side - 1
    x, y = maps[:, :, 0, None] * line, maps[:, :, 1, None] * line  # (n 2 side)
    both = x[:, :, None, :] + y[:, :, :, None] + maps[:, :, 2, None, None]
    return both.movedim(1, -1)


@lru_cache(maxsize=2)
def _kept(folder: str, stamp: str, begin: int, end: int, device: torch.device) -> list[Tensor]:
    """figures, behind and places of some clips, for all runs of a process that use them."""
    found = arrays(Path(folder), read_facts(Path(folder)))
    names = ("figures", "behind", "places")
    return [_on_device(found[name][begin:end], device) for name in names]


def _on_device(array: np.ndarray, device: torch.device) -> Tensor:
    """Slab by slab, so that a file larger than the CPU's memory can be moved."""
    out = torch.empty(array.shape, dtype=getattr(torch, array.dtype.name), device=device)
    step = max(1, SLAB // max(array[0].nbytes, 1))
    for begin in range(0, len(array), step):
        some = np.array(array[begin : begin + step])
        out[begin : begin + step] = torch.from_numpy(some)
    return out
