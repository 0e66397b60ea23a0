"""The table of full-size memory: fake tensors take what real ones take."""

from dataclasses import replace

import pytest
import torch

from toon_core.model import ToonModel
from toon_core.presets import nano
from train import memory, workloads
from train.engine.blocks import recompute
from train.engine.draws import Draws
from train.engine.live import LiveMemory
from train.memory import MemoryConfig
from train.rectify import RectifyConfig, RectifyObjective
from train.sketch import SketchObjective, SketchTrainConfig, start_from
from train.trainable import select

CLIP = (4, 64, 64)
NANO = nano()
TINY = replace(
    NANO,
    unet=replace(NANO.unet, channel_mult=(1, 2), attention_resolutions=(2,)),
    clip=replace(NANO.clip, text_layers=2, vision_layers=2),
)
FILES = {"data": "", "out": "", "base": ""}


def rectifying(model):
    select(model.unet, model.resampler, "IV")
    return RectifyObjective(model, RectifyConfig(**FILES))


def sketching(model):
    encoder = workloads.SketchEncoder(workloads.sketch_for(model.config.unet))
    encoder = start_from(model.unet, encoder)
    return SketchObjective(model, encoder, SketchTrainConfig(**FILES))


def taken(objective, clips: int) -> int:
    """Bytes at the peak of a real step whose gradients are dropped as they come."""
    for p in objective.parameters():
        if p.requires_grad:
            p.register_post_accumulate_grad_hook(memory._drop)
    batch = {"video": torch.rand(clips, 3, *CLIP), "prompt": ["a"] * clips, "fs": [8] * clips}
    batch["sketches"] = torch.rand(clips, 1, *CLIP)
    with LiveMemory() as live:
        objective.train()(batch, Draws(0, 0, range(clips)))[0].backward()
    return live.peak


@pytest.mark.parametrize(
    ("make", "real", "checkpointing"),
    [
        (workloads.rectify, rectifying, True),
        (workloads.sketch, sketching, False),
    ],
)
def test_fake_tensors_take_what_the_recipe_takes(make, real, checkpointing):
    config = MemoryConfig(samples=2, dtype="fp32", checkpointing=checkpointing)
    need = memory.needs(lambda: make(shape=TINY, clip=CLIP), config)
    objective = real(ToonModel(TINY).requires_grad_(False))
    if checkpointing:
        recompute(objective)
    parameters = list(objective.parameters())
    assert need.objective == sum(p.nbytes for p in parameters)
    assert need.trained == sum(p.nbytes for p in parameters if p.requires_grad)
    assert need.activations == pytest.approx(taken(objective, 2), rel=0.05)


def test_several_gpus_share_states_and_not_activations():
    own = {"trained": 40, "objective": 80, "beside": 7, "average": 0, "gathered": 5}
    need = memory.Need(**own, activations=990, sheet=0)
    assert need.on(1) == 80 + 3 * 40 + 7 + 990
    assert need.on(8) == 200 / 8 + 5 + 7 + 990


def test_a_sheet_counts_where_it_takes_more_than_a_step():
    own = {"trained": 40, "objective": 80, "beside": 7, "gathered": 5, "activations": 1}
    need = memory.Need(**own, average=40, sheet=50)
    assert need.on(1) == 80 + 2 * 40 + 40 + 40 + 7 + 50, "weights wait beside their average"
    assert need.on(8) == 200 / 8 + 7 + 87 + 50, "one more whole model"


def test_the_table_has_a_row_for_each_recipe(monkeypatch, capsys):
    need = memory.Need(
        trained=2**30,
        objective=2**31,
        beside=0,
        average=0,
        gathered=0,
        activations=2**29,
        sheet=2**28,
    )
    monkeypatch.setattr(memory, "WORKLOADS", {"small": None})
    monkeypatch.setattr(memory, "needs", lambda make, config: need)
    memory.main(["recipes=[small]", "gpus=[1,8]"])
    head, rule, row = capsys.readouterr().out.splitlines()
    assert head.endswith("| 1 GPU | 8 GPUs |") and set(rule) == {"|", "-"}
    assert row == "| small | 268 M | 2.0 | 1.0 | 2.0 | 0.0 | 0.5 | 0.2 | 5.5 | 2.8 |"
    assert row.count("|") == head.count("|")
    with pytest.raises(SystemExit, match="smal: expected recipes among small"):
        memory.main(["recipes=[smal]"])
