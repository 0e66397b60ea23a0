"""A denoiser's own sampling steps in training, of every clip as many as it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from toon_core.samplers.ddim import step
from toon_core.schedule import DDIMTable
from train.engine.draws import Draws

Predict = Callable[..., Tensor]


def predictor(unet: nn.Module, ends: Tensor, context: Tensor, fs: Tensor) -> Predict:
    """predict(x_t, t, chosen=all) -> v of the chosen clips, under a batch's conditions."""

    def predict(x_t: Tensor, t: Tensor, chosen: Tensor | slice = slice(None)) -> Tensor:
        joined = torch.cat([x_t, ends], dim=1)
        return unet(joined[chosen], t[chosen], context[chosen], fs[chosen])

    return predict


def stepped(
    x: Tensor,
    predict: Predict,
    table: DDIMTable,
    steps: Iterable[int],
    at_work: Callable[[int], Tensor],
    temperature: float,
    draws: Draws,
) -> Tensor:
    """x (b z f h w), changed in place, after `steps` of the table, their noise times
    `temperature`; at_work(i): which clips (b,) take step i. Noise is drawn at every step, so that
    no clip's draws hang on the others."""
    for i in steps:
        fresh, chosen = tempered(x, temperature, draws), at_work(i)
        if chosen.any():
            t = torch.full((len(x),), table.timesteps[i], device=x.device)
            v = predict(x, t, chosen)
            x[chosen] = step(x[chosen], v, table, i, fresh[chosen])[0]
    return x


def tempered(like: Tensor, temperature: float, draws: Draws) -> Tensor:
    """Normal noise of the shape of clips (b z f h w), times `temperature`."""
    return temperature * draws.normal(*like.shape[1:]).to(like)
