"""A step of every training recipe with random weights and clips: seconds, clips and latent places
(tokens) a second, and memory. One process that shards by FSDP runs as torchrun starts it:

    torchrun --standalone --nproc-per-node 1 -m benchmarks.gpu_kit.training cuda full OUT.json
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

from benchmarks.baseline import wake
from benchmarks.gpu_kit.parity import waits
from benchmarks.gpu_kit.results import Figures, Item
from benchmarks.gpu_kit.scale import Scale, peak
from benchmarks.recipes import RECIPES, blank_batch, objectives_of
from toon_core.model import ToonModel
from toon_core.weights.load import make_tower_buffers
from train.engine.batches import MicroBatch
from train.engine.launch import start
from train.engine.options import with_values
from train.engine.state import TrainState, set_checkpointing
from train.recipes.defaults import ScaledConfig

ROOT = Path(__file__).resolve().parents[2]
# Recipe, clips at once, and whether blocks are computed again in the backward pass.
RUNS = (
    ("rectify", 1, True),
    ("decoder", 1, True),
    ("sketch", 1, True),
    ("pretrain", 1, True),
    ("rectify", 4, True),
    ("rectify", 1, False),
    ("rectify-II", 1, True),
    ("rectify-V", 1, True),
    ("rectify-lora16", 1, True),
)
STEPS = 3  # timed, after one that is not
SHARDED = "rectify"


def items(scale: Scale) -> Iterator[Item]:
    for recipe, clips, again in RUNS[:2] if scale.small else RUNS:
        name = f"{recipe} x{clips}{'' if again else ' kept'}"
        yield Item(name, lambda r=recipe, n=clips, a=again: measured(scale, r, n, a), 25)
    yield Item(f"{SHARDED} sharded", lambda: in_a_process(scale), 60)


def config_of(scale: Scale, recipe: str, clips: int, again: bool, sharded: bool) -> ScaledConfig:
    """The recipe's defaults for its size, bf16 on a GPU."""
    config, small = RECIPES[recipe], scale.small
    values = {
        **(config.SMALL if small else config.FULL),
        "batch": clips,
        "dtype": "fp32" if scale.device == "cpu" else "bf16",
        "run.device": scale.device,
        "run.accumulate": 1,
        "run.checkpointing": again,
        "run.fsdp": sharded,
    }
    if small:
        values |= {"height": 64, "width": 64, "frames": 4}
    return with_values(config, values)


def measured(scale: Scale, recipe: str, clips: int, again: bool, sharded: bool = False) -> Figures:
    """The run's own step: loss, gradients, clipping, optimizer, average."""
    config = config_of(scale, recipe, clips, again, sharded)
    accelerator = start(config)
    with torch.device(scale.device):
        model = ToonModel(scale.config).requires_grad_(False)
        wake(model)
        make_tower_buffers(model, torch.device(scale.device))
        networks, beside = objectives_of(config, model)
    set_checkpointing((*networks.values(), model), again)
    for network in beside:
        network.to(scale.device).eval()
    states = [TrainState(network, config, accelerator) for network in networks.values()]
    batch = blank_batch(config, clips)
    batch["video"].uniform_(-1, 1)
    parts = [MicroBatch(batch, range(clips))]

    def step(number: int) -> None:
        for state in states:
            state.step(parts, number)

    with peak(scale.device) as most:
        step(config.steps - 2)
    with waits(scale.device) as waited:
        step(config.steps - 1)
    taken = _seconds(step, scale, config.steps - 1)
    places = clips * config.frames * config.height * config.width / 64
    return {
        "seconds": taken,
        "clips_s": clips / taken,
        "tokens_s": places / taken,
        "waits": len(waited),
        "trained_m": sum(p.numel() for s in states for p in s.parameters) / 1e6,
        **most.figures,
    }


def _seconds(step: Callable[[int], None], scale: Scale, number: int) -> float:
    """Of the wall, since the device waits for the optimizer's launches as well."""
    count = 1 if scale.small else STEPS
    if scale.device == "cuda":
        torch.cuda.synchronize()
    begin = time.perf_counter()
    for _ in range(count):
        step(number)
    if scale.device == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - begin) / count


def in_a_process(scale: Scale) -> Figures:
    """Started by torchrun: what shards wants a group, be it of one."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "figures.json"
        size = "small" if scale.small else "full"
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        command += ["--nproc-per-node", "1", "-m", "benchmarks.gpu_kit.training"]
        done = subprocess.run(
            [*command, scale.device, size, str(out)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
        )
        if done.returncode:
            raise RuntimeError(f"torchrun: {done.stderr.strip().splitlines()[-1:]}")
        return json.loads(out.read_text(encoding="utf-8"))


def main(words: Sequence[str]) -> None:
    device, size, out = words
    scale = Scale(device, small=size == "small")
    found = measured(scale, SHARDED, 1, again=True, sharded=True)
    Path(out).write_text(json.dumps(found), encoding="utf-8")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(sys.argv[1:])
