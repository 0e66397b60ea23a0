"""The denoiser's loss on its own samples, for a model that samples in few steps."""

from __future__ import annotations

import torch
from torch import Tensor

from toon_core.model import ToonModel
from toon_core.presets import RELEASED
from train.denoising import DenoiserObjective, DenoisingConfig, batch_latents
from train.engine.draws import Draws
from train.engine.objective import Batch
from train.losses.decoded import DecodedDistance
from train.losses.diffusion import ends_only
from train.stepping import Predict, stepped, tempered


class UnrolledObjective(DenoiserObjective):
    """Squared error of the estimate of x0 where a DDIM run of `steps` steps has come to, begun at
    noise and stopped at a step that each clip draws, all noise times `temperature`.

    Eq. 2 of the paper noises the truth; a sampler meets the model's own earlier estimates instead
    (exposure bias, Ning et al. 2023), more so with few steps and little noise. The steps before
    the drawn one give no gradients. In place of v's error, whose weight on that of x0 has no bound
    towards the clean end.
    """

    def __init__(
        self,
        model: ToonModel,
        config: DenoisingConfig,
        train_towers: bool,
        decoded: DecodedDistance | None,
        steps: int,
        temperature: float,
    ) -> None:
        super().__init__(model, config, train_towers, decoded)
        self.table = model.schedule.ddim(steps, RELEASED.spacing, RELEASED.eta)
        self.temperature = temperature

    def forward(self, batch: Batch, draws: Draws) -> tuple[Tensor, dict[str, Tensor]]:
        model, _ = self._others
        latents = batch_latents(model, batch, draws)
        predict = self.predictor(batch, ends_only(latents), draws)
        last = draws.integers(len(self.table)).to(latents.device)
        x_t = self._come_to(last, latents, predict, draws)
        t = torch.tensor(self.table.timesteps, device=latents.device)[last]
        estimate = model.schedule.x0(x_t, predict(x_t, t), t)
        error = (estimate - latents).square().mean(dim=(1, 2, 3, 4))
        late = last >= len(self.table) // 2
        halves = {"noisy": error[late], "clean": error[~late]}
        values = {k: e.detach().mean() for k, e in halves.items() if len(e)}
        return self.with_distance(error.mean(), values, estimate, latents, draws)

    @torch.no_grad()
    def _come_to(self, last: Tensor, latents: Tensor, predict: Predict, draws: Draws) -> Tensor:
        """x at step `last` (b,) of the run of every clip; the table's steps run downwards."""
        return stepped(
            tempered(latents, self.temperature, draws),
            predict,
            self.table,
            reversed(range(1, len(self.table))),
            lambda i: last < i,
            self.temperature,
            draws,
        )
