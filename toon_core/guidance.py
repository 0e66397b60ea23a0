"""Classifier-free guidance with two or three branches, and its rescale (architecture.md 8.3)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Guidance:
    """cfg_scale 1 runs the conditional branch alone; cfg_image adds the image-only branch, and then
    every one runs, whatever cfg_scale. start and end: parts of the run, 0 first step to 1 last,
    between which it acts; before and after the conditional branch runs alone (Kynkäänniemi et al.
    2024)."""

    cfg_scale: float = 7.5
    cfg_image: float | None = None
    rescale: float = 0.7
    start: float = 0.0
    end: float = 1.0
    total: int = 1000

    @property
    def always(self) -> bool:
        return (self.start, self.end) == (0, 1)

    def active(self, t: int) -> bool:
        """Whether it acts at step t, 0..999."""
        last = self.total - 1
        return (1 - self.end) * last <= t <= (1 - self.start) * last


@dataclass(frozen=True)
class Branches:
    """Context tokens (b L d) of each guidance branch; architecture.md 8.3 and 8.4."""

    cond: Tensor
    uncond: Tensor | None = None
    image: Tensor | None = None

    def used(self, guidance: Guidance) -> list[Tensor]:
        if self.uncond is None:
            return [self.cond]
        if guidance.cfg_image is not None and self.image is not None:
            return [self.cond, self.uncond, self.image]
        return [self.cond] if guidance.cfg_scale == 1 else [self.cond, self.uncond]


def guide(
    cond: Tensor,
    uncond: Tensor,
    cfg_scale: float,
    image: Tensor | None = None,
    cfg_image: float | None = None,
) -> Tensor:
    """v_u + g (v_c - v_u) (Ho and Salimans 2022); with an image-only branch
    v_u + g_img (v_i - v_u) + g (v_c - v_i) (Brooks et al. 2023, eq. 3)."""
    if image is None:
        return uncond + cfg_scale * (cond - uncond)
    cfg_image = cfg_scale if cfg_image is None else cfg_image
    return uncond + cfg_image * (image - uncond) + cfg_scale * (cond - image)


def rescale(guided: Tensor, cond: Tensor, amount: float) -> Tensor:
    """Bring the guided prediction's std back towards the conditional one's, per clip over all
    other axes (Lin et al. 2024, eq. 15 and 16). amount 0..1."""
    if amount == 0:
        return guided
    axes = tuple(range(1, cond.dim()))
    spread = guided.std(dim=axes, keepdim=True).clamp(min=1e-6)  # an untrained model says 0
    ratio = cond.std(dim=axes, keepdim=True) / spread
    return amount * guided * ratio + (1 - amount) * guided
