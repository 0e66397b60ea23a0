"""The table of full-size memory: fake tensors take what real ones take."""

from types import SimpleNamespace

import pytest
import torch
from small_models import TINY, Edges

from benchmarks import recipe_memory, recipes
from benchmarks.live import LiveMemory
from benchmarks.recipe_memory import MemoryConfig, Need, main
from toon_core.metrics.networks.lpips import LPIPS
from toon_core.model import ToonModel
from train.engine.batches import SampleRNG
from train.engine.options import with_values
from train.engine.state import set_checkpointing

CLIP = (4, 64, 64)
SIZE = {"frames": 4, "height": 64, "width": 64, "disc_width": 16}


def taken(objectives, clips: int) -> int:
    """Bytes at the peak of a real step whose gradients are dropped as they come."""
    for p in (p for o in objectives for p in o.parameters()):
        if p.requires_grad:
            p.register_post_accumulate_grad_hook(recipe_memory._drop)
    batch = {"video": torch.rand(clips, 3, *CLIP), "prompt": [""] * clips, "fs": [8] * clips}
    batch["first"] = torch.rand(clips, 3, 224, 224)
    batch["sketches"] = torch.rand(clips, 1, *CLIP)
    with LiveMemory() as live:
        for objective in objectives:
            objective.train()(batch, SampleRNG(0, 10**6, range(clips)))[0].backward()
    return live.peak


def test_live_memory_counts_what_is_held_and_forgets_what_is_not():
    weight = torch.ones(256, 256)
    with LiveMemory() as live:
        kept = weight * 2
        assert live.live == kept.nbytes
        view = kept.t()[3:]
        assert live.live == kept.nbytes, "a view is no memory"
        del kept
        assert live.live == weight.nbytes, "its view still holds it"
        del view
        assert live.live == 0
        (weight + 1).sum()
    assert weight.nbytes <= live.peak < 1.1 * weight.nbytes


@pytest.mark.parametrize(
    ("name", "checkpointing"),
    [("rectify", True), ("sketch", False), ("pretrain", False), ("decoder", False)],
)
def test_fake_tensors_take_what_the_recipe_takes(name, checkpointing, monkeypatch):
    monkeypatch.setattr(recipes, "_vgg_lpips", lambda: LPIPS(Edges(), [torch.ones(8)]))
    options = MemoryConfig(samples=2, dtype="fp32", checkpointing=checkpointing)
    known = {k: v for k, v in SIZE.items() if hasattr(recipes.RECIPES[name], k)}
    config = with_values(recipes.RECIPES[name], known)
    need = recipe_memory.need(config, TINY, options)
    torch.manual_seed(0)
    model = ToonModel(TINY).requires_grad_(False)
    objectives, _ = recipes.objectives_of(config, model)
    set_checkpointing((*objectives.values(), model), checkpointing)
    parameters = [p for o in objectives.values() for p in o.parameters()]
    assert need.objective == sum(p.nbytes for p in parameters)
    assert need.trained == sum(p.nbytes for p in parameters if p.requires_grad)
    assert need.activations == pytest.approx(taken(objectives.values(), 2), rel=0.05)


def test_several_gpus_share_states_and_not_activations():
    own = {"trained": 40, "objective": 80, "beside": 7, "average": 0, "gathered": 5, "flop": 0}
    need = Need(**own, activations=990, sheet=0)
    assert need.on(1) == 80 + 3 * 40 + 7 + 990
    assert need.on(8) == 200 / 8 + 5 + 7 + 990


def test_a_sheet_counts_where_it_takes_more_than_a_step():
    own = {"trained": 40, "objective": 80, "beside": 7, "gathered": 5, "activations": 1, "flop": 0}
    need = Need(**own, average=40, sheet=50)
    assert need.on(1) == 80 + 2 * 40 + 40 + 40 + 7 + 50, "weights wait beside their average"
    assert need.on(8) == 200 / 8 + 7 + 87 + 50, "one more whole model"


def test_the_table_has_a_row_for_each_recipe(monkeypatch, capsys):
    need = Need(
        trained=2**30,
        objective=2**31,
        beside=0,
        average=0,
        gathered=0,
        activations=2**29,
        sheet=2**28,
        flop=10**15,
    )
    monkeypatch.setattr(recipe_memory, "RECIPES", {"small": SimpleNamespace(batch=32, steps=1000)})
    monkeypatch.setattr(recipe_memory, "need", lambda *_: need)
    main(["recipes=[small]", "gpus=[1,8]"])
    head, rule, row = capsys.readouterr().out.splitlines()
    assert "| 1 GPU | 8 GPUs | disk |" in head and set(rule) == {"|", "-"}
    assert (
        row == "| small | 268 M | 2.0 | 1.0 | 2.0 | 0.0 | 0.5 | 0.2 | 5.5 | 2.8 | 3.0 | 1000 | 71 |"
    )
    assert row.count("|") == head.count("|")
    with pytest.raises(ValueError, match="recipes=smal: expected some of small"):
        main(["recipes=[smal]"])
