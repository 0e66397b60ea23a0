"""What each recipe needs of a GPU at full size, counted on the real modules without their memory.

    python -m train.memory [recipes=[rectify,sketch]] [samples=1] [dtype=bf16] \\
        [checkpointing=true] [gpus=[1,8,64]]

Prints a Markdown table in GiB. Networks and batches are fake tensors, which have a shape and no
storage; a step runs on them, forward and backward, and what would be alive at its peak is counted.
Each GPU takes `samples` clips at a time; more of a batch are accumulated. Several GPUs share by
fsdp=true what the recipe trains; the networks it only uses are on each. A sample sheet counts
where it takes more than a step: the first GPU draws it, with the weights beside their average, and
where they are shared with one more copy of the model. Not counted: CUDA itself and what its
allocator loses to fragments, together often 1 to 3 GiB.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from train.engine.blocks import blocks, recompute
from train.engine.config import parse
from train.engine.live import LiveMemory
from train.workloads import WORKLOADS, Workload

GIB = 2**30
HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(kw_only=True)
class MemoryConfig:
    recipes: list[str] = field(default_factory=lambda: list(WORKLOADS))
    samples: int = 1
    dtype: str = "bf16"  # or fp16, fp32
    checkpointing: bool = True
    gpus: list[int] = field(default_factory=lambda: [1, 8, 64])


@dataclass(frozen=True, kw_only=True)
class Need:
    """Bytes of a recipe at full size, before they are sharded."""

    trained: int  # weights that train; their gradients are as many
    objective: int  # weights of the trained modules, frozen ones among them: what is sharded
    beside: int  # weights of networks that are only used, on every GPU
    average: int
    gathered: int  # sharded weights that a GPU has whole at one time
    activations: int
    sheet: int  # activations of a sample sheet

    def on(self, gpus: int) -> int:
        """Of the first of so many GPUs, in training or while it draws a sheet. Networks are built
        whole and then sharded, so it is never less than all weights."""
        return max(self.training(gpus), self.drawing(gpus), self.objective + self.beside)

    def training(self, gpus: int) -> int:
        """Weights, gradients, Adam's two moments, average, activations."""
        states = (self.objective + 3 * self.trained + self.average) / gpus
        whole = self.gathered if gpus > 1 else 0
        return round(states) + whole + self.beside + self.activations

    def drawing(self, gpus: int) -> int:
        """Without gradients; the weights wait while their average is in their place, or a whole
        model is built beside the shares."""
        states = (self.objective + 2 * self.trained + self.average) / gpus
        more = self.objective + self.beside if gpus > 1 else self.average
        return round(states) + more + self.beside + self.sheet


def needs(make: Callable[[], Workload], config: MemoryConfig) -> Need:
    """Build a workload without its memory and count it."""
    with torch.device("meta"):
        work = make()
    if config.checkpointing:
        work.checkpoint()
    with FakeTensorMode():
        for module in (*work.trained, *work.beside):
            _fake(module)
            if config.checkpointing:
                recompute(module)
        own = [p for m in work.trained for p in m.parameters()]
        trained = sum(p.nbytes for p in own if p.requires_grad)
        return Need(
            trained=trained,
            objective=sum(p.nbytes for p in own),
            beside=sum(p.nbytes for m in work.beside for p in m.parameters()),
            average=trained if work.average else 0,
            gathered=sum(_gathered(m) for m in work.trained),
            sheet=sheet(work, config),
            activations=activations(work, config),
        )


def _fake(module: nn.Module) -> None:
    """Meta tensors become fake ones of the CPU, for which torch picks kernels as for real ones."""
    for part in module.modules():
        if isinstance(part, nn.GroupNorm | nn.LayerNorm):
            part.register_forward_pre_hook(_in_float32)
        for name, p in part._parameters.items():
            if p is not None and p.is_meta:
                fake = torch.empty(p.shape, dtype=p.dtype, device="cpu")
                part._parameters[name] = nn.Parameter(fake, p.requires_grad)
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = torch.empty(buffer.shape, dtype=buffer.dtype, device="cpu")


def _in_float32(_: nn.Module, inputs: tuple[Tensor]) -> tuple[Tensor]:
    """As a GPU's autocast does for norms; a CPU's leaves them in half precision."""
    return tuple(x.float() for x in inputs)


def _gathered(module: nn.Module) -> int:
    """Two blocks, the one at work and the one fetched ahead, and what belongs to none."""
    sizes = sorted(sum(p.nbytes for p in b.parameters()) for b in blocks(module))
    return sum(p.nbytes for p in module.parameters()) - sum(sizes) + sum(sizes[-2:])


def activations(work: Workload, config: MemoryConfig) -> int:
    """The peak of a step whose gradients are dropped as they come."""
    for module in work.trained:
        for p in module.parameters():
            if p.requires_grad:
                p.register_post_accumulate_grad_hook(_drop)
    with LiveMemory() as live:
        for loss in work.losses(config.samples):
            with _precision(config):
                value = loss()
            value.backward()
    return live.peak


def sheet(work: Workload, config: MemoryConfig) -> int:
    """The peak of one clip of a sheet."""
    with LiveMemory() as live, torch.no_grad(), _precision(config):
        work.sheet()
    return live.peak


def _precision(config: MemoryConfig) -> torch.autocast:
    half = HALVES.get(config.dtype)
    return torch.autocast("cpu", half, enabled=half is not None, cache_enabled=False)


def _drop(parameter: Tensor) -> None:
    parameter.grad = None


def table(config: MemoryConfig) -> Iterator[str]:
    """Its lines. Weights, gradients, Adam and average are whole, before they are shared."""
    heads = ["recipe", "trains", "weights", "gradients", "Adam", "average", "activations", "sheet"]
    heads += [f"{n} GPU{'s' * (n > 1)}" for n in config.gpus]
    yield f"| {' | '.join(heads)} |"
    yield "|" + "---|" * len(heads)
    for name in config.recipes:
        need = needs(WORKLOADS[name], config)
        sizes = [need.objective + need.beside, need.trained, 2 * need.trained, need.average]
        sizes += [need.activations, need.sheet, *(need.on(n) for n in config.gpus)]
        cells = [name, f"{need.trained / 4e6:.0f} M", *(f"{s / GIB:.1f}" for s in sizes)]
        yield f"| {' | '.join(cells)} |"


def main(arguments: list[str]) -> None:
    config = parse(MemoryConfig, arguments, __doc__)
    unknown = set(config.recipes) - set(WORKLOADS)
    if unknown or config.dtype not in (*HALVES, "fp32"):
        known = f"recipes among {', '.join(WORKLOADS)}, dtype among fp32, bf16, fp16"
        sys.exit(f"error: {', '.join(sorted(unknown)) or config.dtype}: expected {known}")
    for line in table(config):
        print(line, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
