"""What the networks see in a clip: one pass of each, whatever number of metrics it serves."""

from dataclasses import dataclass

import torch
from torch import Tensor

from toon_core.metrics.clip_similarity import cosine
from toon_core.metrics.flicker import warping_error
from toon_core.metrics.lpips import unit_maps
from toon_core.metrics.sketch_agreement import sketch_agreement

from .clips import Clip
from .columns import Measure
from .networks import open_networks


@dataclass(frozen=True, kw_only=True)
class Look:
    """maps: LPIPS features of the chosen frames; lines: HED's of frames with a sketch, {number:
    (1 h w)}; images: vectors of the chosen frames for CLIP_img."""

    maps: list[Tensor]
    lines: dict[int, Tensor]
    images: Tensor | None


class Networks:
    """All networks that measure. Frames are (f 3 h w) in [0, 1], with both ends."""

    def __init__(self, measure: Measure, device: str) -> None:
        self.measure, self.device = measure, device
        self.nets = open_networks(measure.networks, device)

    def look(self, clip: Clip, frames: Tensor) -> Look:
        chosen = self._chosen(frames)
        drawn = sorted(clip.sketches) if self.nets.hed is not None else []
        images = self.nets.images
        placed = frames.to(self.device, memory_format=torch.channels_last)
        maps, lines = self._trunk(placed, chosen, drawn)
        return Look(
            maps=maps,
            lines=lines,
            images=None if images is None else images.image_features(placed[chosen]),
        )

    def _trunk(
        self, frames: Tensor, chosen: list[int], drawn: list[int]
    ) -> tuple[list[Tensor], dict[int, Tensor]]:
        """LPIPS maps of the chosen frames and HED's lines of the drawn ones."""
        hed, lpips = self.nets.hed, self.nets.lpips
        shared = lpips is not None and lpips.trunk is hed
        rows = sorted({*(chosen if shared else []), *drawn})
        seen = hed(frames[rows]) if rows else []
        lines = {}
        if drawn:
            places = [rows.index(i) for i in drawn]
            found = hed.lines([m[places] for m in seen], tuple(frames.shape[-2:]))
            lines = dict(zip(drawn, found.cpu(), strict=True))
        if shared:
            places = [rows.index(i) for i in chosen]
            return unit_maps([m[places] for m in seen]), lines
        return lpips.features(frames[chosen]) if lpips is not None else [], lines

    def compare(self, look: Look, truth: Look) -> dict[str, float]:
        """Scores against the truth."""
        scores = {}
        if self.nets.lpips is not None:
            distance = self.nets.lpips.compare(look.maps, truth.maps)
            scores[self.measure.perceptual] = distance.mean().item()
        if look.images is not None:
            scores["clip_img"] = cosine(look.images, truth.images).mean().item()
        return scores

    def judge(self, clip: Clip, frames: Tensor, look: Look) -> dict[str, float]:
        """Scores that need no true frame."""
        scores = {}
        if look.lines:
            found = [
                sketch_agreement(frames[i], clip.sketches[i], edges=lambda _, x=lines: x[None])
                for i, lines in look.lines.items()
            ]
            scores["sketch_f_hed"] = sum(r.f_score for r in found) / len(found)
        if self.nets.words is not None and clip.prompt:
            words = self.nets.words.text_features(clip.prompt)
            scores["clip_txt"] = cosine(look.images, words).mean().item()
        if self.nets.flow is not None:
            scores["flicker"] = self._flicker(clip, frames)
        return scores

    def _flicker(self, clip: Clip, frames: Tensor) -> float:
        whole, chosen = with_keys(clip, frames).to(self.device), self._chosen(frames)
        later = whole[[i + 1 for i in chosen]]
        return warping_error(whole[chosen], later, self.nets.flow.middle_flow).mean().item()

    def features(self, clip: Clip, frames: Tensor) -> list[float]:
        """The clip's features for FVD and KVD; empty where no video network takes it."""
        if self.nets.video is None or len(frames) < self.nets.video.fewest:
            return []
        found = self.nets.video(with_keys(clip, frames).to(self.device))
        return [float(f"{value:.7g}") for value in found.tolist()]

    def _chosen(self, frames: Tensor) -> list[int]:
        return network_frames(len(frames), self.measure.every_frame)


def network_frames(count: int, every: bool = False) -> list[int]:
    """Inner frames that networks look at: 3, 6, 9, 12 of 16 frames; all of short clips."""
    if count <= 6 or every:
        return list(range(1, count - 1))
    return [round(i * (count - 1) / 5) for i in range(1, 5)]


def with_keys(clip: Clip, frames: Tensor) -> Tensor:
    """The frames with the keys themselves as ends: a wrong end is reported apart."""
    return torch.cat([clip.first[None], frames[1:-1], clip.last[None]])
