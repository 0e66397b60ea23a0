"""What each recipe needs of a GPU at full size, counted on the real modules without their memory.

    python -m benchmarks.recipe_memory [recipes=[rectify,sketch]] [samples=1] [dtype=bf16] \\
        [checkpointing=true] [gpus=[1,8,64]]

Prints a Markdown table in GiB. Networks and batches are fake tensors, which have a shape and no
storage; a step runs on them, forward and backward, and what would be alive at its peak is counted.
Each GPU takes `samples` clips at a time; more of a batch are accumulated. Several GPUs share by
fsdp=true what the recipe trains; the networks it only uses are on each. A sample sheet counts
where it takes more than a step: the first GPU draws it, with the weights beside their average, and
where they are shared with one more copy of the model. Beside it stand the size of a checkpoint, the
operations of a clip, and hours that the recipe's own steps would take at `tflops`, which is an
estimate. Not counted: CUDA itself and what its allocator loses to fragments, together often 1 to 3
GiB.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import flop_registry, sdpa_backward_flop_count, sdpa_flop_count

from benchmarks.live import LiveMemory
from benchmarks.recipes import RECIPES, RealNumbers, blank_batch, objectives_of
from toon_core.config import ToonConfig
from toon_core.model import ToonModel
from toon_core.pipeline import interpolate
from toon_core.presets import official_512
from toon_core.sketch.control import SketchControl
from train.engine.config import parse
from train.engine.options import option, with_values
from train.engine.sharding import blocks
from train.engine.state import set_checkpointing
from train.engine.stop import exit_on_user_error
from train.recipes import decoder, sketch
from train.recipes.defaults import ScaledConfig
from train.recipes.denoiser import sheet_recipe
from train.recipes.reconstruction import encode_clip, fixed_rng

GIB = 2**30
HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(kw_only=True)
class MemoryConfig:
    """Which recipes are counted, and how they run."""

    recipes: list[str] = field(default_factory=lambda: list(RECIPES))  # rows of the table
    samples: int = option(1, least=1)  # clips that a GPU takes at a time
    dtype: str = option("bf16", choices=("fp32", "bf16", "fp16"))  # of autocast
    checkpointing: bool = True  # as run.checkpointing
    gpus: list[int] = field(default_factory=lambda: [1, 8, 64])  # columns of the table
    # TFLOP/s that a GPU keeps up, for the estimate of hours: 40 % of an A100's 312 in bf16.
    tflops: float = option(125.0, above=0)


@dataclass(frozen=True, kw_only=True)
class Need:
    """Bytes of a recipe, before they are sharded."""

    trained: int  # weights that train; their gradients are as many
    objective: int  # weights of the trained modules, frozen ones among them: what is sharded
    beside: int  # weights of networks that are only used, on every GPU
    average: int
    gathered: int  # sharded weights that a GPU has whole at one time
    activations: int
    sheet: int  # activations of a sample sheet
    flop: int  # operations of a step, forward and backward, of the clips it takes at a time

    @property
    def checkpoint(self) -> int:
        """Bytes of a checkpoint on the disk: weights that train, Adam's two moments, average."""
        return 3 * self.trained + self.average

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


def need(config: ScaledConfig, shape: ToonConfig, options: MemoryConfig) -> Need:
    """Count a recipe's objectives on a model of a shape, and one clip of its sheet."""
    with torch.device("meta"):
        model = ToonModel(shape).requires_grad_(False)
        objectives, beside = objectives_of(config, model)
    with FakeTensorMode(allow_non_fake_inputs=True):
        for module in {id(m): m for m in (*objectives.values(), *beside)}.values():
            _make_fake(module)
        set_checkpointing((*objectives.values(), model), options.checkpointing)
        own = {id(p): p for m in objectives.values() for p in m.parameters()}
        others = {id(p): p for m in beside for p in m.parameters() if id(p) not in own}
        trained = sum(p.nbytes for p in own.values() if p.requires_grad)
        return Need(
            trained=trained,
            objective=sum(p.nbytes for p in own.values()),
            beside=sum(p.nbytes for p in others.values()),
            average=trained if config.optim.ema else 0,
            gathered=sum(_gathered(m) for m in objectives.values()),
            sheet=_sheet(config, model, objectives, options),
            **_step(config, objectives, options),
        )


def _make_fake(module: nn.Module) -> None:
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


def _step(
    config: ScaledConfig, objectives: dict[str, nn.Module], options: MemoryConfig
) -> dict[str, int]:
    """The peak and the operations of the last step, where all of a loss is switched on, whose
    gradients are dropped as they come."""
    for module in objectives.values():
        module.train()
        for p in module.parameters():
            if p.requires_grad:
                p.register_post_accumulate_grad_hook(_drop)
    batch = blank_batch(config, options.samples)
    with Counted() as counted:
        for objective in objectives.values():
            with _precision(options):
                rng = RealNumbers(0, config.steps - 1, range(options.samples))
                loss, _ = objective(batch, rng)
            loss.backward()
    return {"activations": counted.peak, "flop": counted.flop}


def _drop(parameter: Tensor) -> None:
    parameter.grad = None


def _sheet(
    config: ScaledConfig,
    model: ToonModel,
    objectives: dict[str, nn.Module],
    options: MemoryConfig,
) -> int:
    """The peak of one clip of a sheet."""
    model.eval()
    video = torch.zeros(3, config.frames, config.height, config.width)
    with LiveMemory() as live, torch.no_grad(), _precision(options):
        if isinstance(config, decoder.DecoderConfig):
            z, references = encode_clip(model.vae, video[None], fixed_rng())
            model.vae.decode(z, references, frames_at_once=1)
            return live.peak
        control = None
        if isinstance(config, sketch.SketchTrainConfig):
            lines = torch.zeros(1, 1, *video.shape[1:])
            control = SketchControl(objectives["sketch"].encoder, lines, config.scale)
        interpolate(
            model,
            *video[None, :, :2].unbind(2),
            recipe=sheet_recipe(with_values(config, {"sheet.steps": 1}), 8),
            control=control,
            # At the tower's own size: how pictures are brought to it looks at values.
            semantic=torch.zeros(1, 3, *[model.image.image_size] * 2),
            batched=False,
            frames_at_once=1,
        )
    return live.peak


def _precision(options: MemoryConfig) -> torch.autocast:
    half = HALVES.get(options.dtype)
    return torch.autocast("cpu", half, enabled=half is not None, cache_enabled=False)


def _attention(q: Tensor, k: Tensor, v: Tensor, *_: Any, **__: Any) -> int:
    return sdpa_flop_count(q.shape, k.shape, v.shape)


def _attention_backward(grad: Tensor, q: Tensor, k: Tensor, v: Tensor, *_: Any, **__: Any) -> int:
    return sdpa_backward_flop_count(grad.shape, q.shape, k.shape, v.shape)


# Operations by kernel: torch's own counts, and attention on a CPU, which these leave out.
OPERATIONS = {
    **flop_registry,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}


class Counted(LiveMemory):
    """Also operations of products, convolutions and attention. torch's FlopCounterMode takes
    kernels apart, and then more is alive."""

    flop = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = super().__torch_dispatch__(func, types, args, kwargs)
        if count := OPERATIONS.get(func._overloadpacket):
            self.flop += count(*args, **(kwargs or {}), out_val=out)
        return out


def table(config: MemoryConfig) -> Iterator[str]:
    """Lines of a Markdown table, in GiB. Weights, gradients, Adam and average are whole, before
    they are shared; disk is that of one checkpoint; hours are estimated, of all steps and of the
    batch of the paper. ValueError for a recipe that is not there."""
    if unknown := sorted(set(config.recipes) - set(RECIPES)):
        raise ValueError(f"recipes={unknown[0]}: expected some of {', '.join(RECIPES)}")
    heads = ["recipe", "trains", "weights", "gradients", "Adam", "average", "activations", "sheet"]
    heads += [f"{n} GPU{'s' * (n > 1)}" for n in config.gpus]
    heads += ["disk", "TFLOP a clip", "GPU-hours, estimated"]
    yield f"| {' | '.join(heads)} |"
    yield "|" + "---|" * len(heads)
    for name in config.recipes:
        recipe = RECIPES[name]
        found = need(recipe, official_512(), config)
        sizes = [found.objective + found.beside, found.trained, 2 * found.trained, found.average]
        sizes += [found.activations, found.sheet, *(found.on(n) for n in config.gpus)]
        cells = [name, f"{found.trained / 4e6:.0f} M", *(f"{s / GIB:.1f}" for s in sizes)]
        clip = found.flop / config.samples / 1e12
        hours = clip * recipe.batch * recipe.steps / config.tflops / 3600
        cells += [f"{found.checkpoint / GIB:.1f}", f"{clip:.0f}", f"{hours:.0f}"]
        yield f"| {' | '.join(cells)} |"


def main(arguments: list[str]) -> None:
    config = parse(MemoryConfig, arguments, __doc__)
    for line in table(config):
        print(line, flush=True)


if __name__ == "__main__":
    with exit_on_user_error():
        main(sys.argv[1:])
