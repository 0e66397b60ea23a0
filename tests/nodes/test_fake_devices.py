"""The nodes on a GPU that is not there: fake tensors of CUDA, in ComfyUI with its devices patched.

Fake tensors of two devices do not mix, so that whatever is left on the wrong one is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from benchmarks.counting import Count, fused_attention, pinning

if TYPE_CHECKING:
    from inprocess import Comfy

CUDA, CPU = torch.device("cuda:0"), torch.device("cpu")
NANO = "nano (built in)"
ROOM = 1e12


def replacing(self: nn.Module, change: Any, recurse: bool = True) -> nn.Module:
    """`Module._apply` that makes new parameters: torch's own puts the new values into the old
    ones, which a fake tensor refuses."""
    for child in self.children() if recurse else ():
        replacing(child, change)
    for name, value in self._parameters.items():
        if value is not None and (made := change(value.data)) is not value.data:
            self._parameters[name] = nn.Parameter(made, requires_grad=False)
    for name, value in self._buffers.items():
        self._buffers[name] = None if value is None else change(value)
    return self


class Card:
    """ComfyUI's account of a CUDA device with `free` bytes."""

    def __init__(self, comfy: Comfy, monkeypatch: pytest.MonkeyPatch) -> None:
        self.comfy, self.free = comfy, ROOM
        self.mm: Any = comfy.part("host").mm
        for name in ("get_torch_device", "vae_device", "text_encoder_device"):
            monkeypatch.setattr(self.mm, name, lambda: CUDA)
        offload = ("unet", "vae", "text_encoder")
        for name in (*(f"{part}_offload_device" for part in offload), "intermediate_device"):
            monkeypatch.setattr(self.mm, name, lambda: CPU)
        known = {
            "get_free_memory": lambda device=None, torch_free_too=False: (
                (self.free, 0) if torch_free_too else self.free
            ),
            "get_total_memory": lambda device=None, torch_total_too=False: (
                (ROOM, ROOM) if torch_total_too else ROOM
            ),
            "should_use_fp16": lambda *_, **__: True,
            "should_use_bf16": lambda *_, **__: True,
            "soft_empty_cache": lambda *_, **__: None,
            **dict.fromkeys(
                ("supports_fp8_compute", "supports_nvfp4_compute", "supports_mxfp8_compute"),
                lambda *_, **__: False,
            ),
            "vram_state": self.mm.VRAMState.NORMAL_VRAM,
            "cpu_state": self.mm.CPUState.GPU,
            "current_loaded_models": [],
            "MAX_PINNED_MEMORY": -1,
            "NUM_STREAMS": 0,
        }
        for name, value in known.items():
            monkeypatch.setattr(self.mm, name, value, raising=False)
        monkeypatch.setattr(torch.cuda, "synchronize", lambda *_: None)
        monkeypatch.setattr(torch.cuda, "current_device", lambda: CUDA.index)
        monkeypatch.setattr(nn.Module, "_apply", replacing)
        monkeypatch.setattr(comfy.part("host").comfy.utils, "PROGRESS_BAR_HOOK", None)

    def node(self, name: str, *values: Any, **named: Any) -> Any:
        return self.comfy.node_class(name).execute(*values, **named).result


@pytest.fixture
def card(comfy: Comfy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Card]:
    with fused_attention(), pinning():
        yield Card(comfy, monkeypatch)


class Run:
    """nano's models and a pair of keys, in this type."""

    def __init__(self, card: Card, dtype: str) -> None:
        self.card = card
        self.model, self.conditioner, self.vae = card.node("ToonLoadModel", NANO, dtype)
        self.encoder = card.node("ToonLoadSketchEncoder", NANO)[0]

    def encode(self) -> None:
        keys = (torch.rand(1, 128, 128, 3) for _ in range(2))
        values = (*keys, "a cat", "", 128, 128, 16, 10, "crop", 1)
        made = self.card.node("ToonEncodeKeys", self.conditioner, self.vae, *values)
        self.positive, self.negative, self.image_only, self.latent = made

    def sketch(self) -> None:
        drawing = torch.rand(1, 128, 128, 3)
        values = (drawing, "7", 0.6, "light on dark", 0.0, 1.0, "full")
        self.model = self.card.node(
            "ToonApplySketch", self.model, self.encoder, self.latent, *values
        )[0]

    def sample(self, steps: int, cfg_image: float) -> dict[str, Any]:
        conds = (self.positive, self.negative)
        values = (self.latent, steps, 1.0, "uniform_trailing", 7.5, 0.7, 1, cfg_image)
        image = self.image_only if cfg_image else None
        return self.card.node("ToonSample", self.model, *conds, *values, image, 1.0)[0]


class Inner:
    """In place of a preview: counts from the end of the first step to the last one's beginning,
    between the two looks for NaN."""

    def __init__(self, comfy: Comfy, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, self.steps = Count(), 0
        preview = comfy.part("sampling").latent_preview
        monkeypatch.setattr(preview, "prepare_callback", lambda *_: self.seen)

    def seen(self, i: int, x0: Any, x: Any, total: int) -> None:
        assert x.device == x0.device == CUDA and x.dtype == torch.float32
        self.steps += 1
        if i == 0:
            self.count.__enter__()
        if i == total - 2:
            self.count.__exit__(None, None, None)


@pytest.mark.parametrize(
    ("dtype", "cfg_image", "sketch", "free", "low_memory"),
    [
        ("fp16", 0.0, False, ROOM, "auto"),
        ("bf16", 3.0, True, ROOM, "on"),
        ("fp32", 0.0, True, ROOM, "off"),
        ("fp8_e4m3fn", 3.0, False, ROOM, "auto"),
        ("fp16", 3.0, True, 1.3e9, "auto"),  # some weights stay on the CPU
    ],
)
def test_every_tensor_is_where_it_belongs(
    card: Card,
    monkeypatch: Any,
    dtype: str,
    cfg_image: float,
    sketch: bool,
    free: float,
    low_memory,
) -> None:
    inner = Inner(card.comfy, monkeypatch)
    whole = Count()
    run = Run(card, dtype)
    card.free = free
    with FakeTensorMode(allow_non_fake_inputs=True), torch.inference_mode(), whole:
        run.encode()
        if sketch:
            run.sketch()
        latent = run.sample(4, cfg_image)
        images = card.node("ToonDecode", latent, run.vae, "on", low_memory)[0]
    assert images.shape == (16, 128, 128, 3) and images.device == CPU
    assert latent["samples"].device == CPU
    assert inner.steps == 4 and inner.count.launches > 100 and not whole.doubles
    if free == ROOM:  # else weights come over at each use, which is ComfyUI's work
        assert not inner.count.waits
        assert sum(inner.count.uploads.values()) == 2, "the noise of each step, and nothing else"


def ours(found: dict[str, int]) -> dict[str, int]:
    """Of the pack's own lines."""
    own = ("toon_core/", "nodes/")
    places = {line: line.split(" at ")[-1] for line in found}
    return {n: found[n] for n, p in places.items() if p.startswith(own) and "test_" not in p}


def test_comfyuis_samplers_wait_for_nothing_of_ours(card: Card, monkeypatch: Any) -> None:
    run = Run(card, "default")
    sampler = card.comfy.nodes.common_ksampler
    quiet = lambda *_: lambda *_: None  # noqa: E731
    monkeypatch.setattr(card.comfy.nodes.latent_preview, "prepare_callback", quiet)
    count = Count()
    with FakeTensorMode(allow_non_fake_inputs=True), torch.inference_mode():
        with Count():
            run.encode()
        rescaled = card.node("ToonRescaleGuidance", run.model, 0.7)[0]
        conds = (run.positive, run.negative, run.latent)
        once = Count()
        with Count():  # loads the model
            sampler(rescaled, 1, 1, 7.5, "euler", "normal", *conds)
        with once:
            sampler(rescaled, 1, 2, 7.5, "euler", "normal", *conds)
        with count:
            sampler(rescaled, 1, 6, 7.5, "euler", "normal", *conds)
    assert count.launches > 2 * once.launches
    # What waits does so once a run, however many steps it has.
    assert ours(count.waits) == ours(once.waits)


def test_nothing_of_an_evicted_model_stays(card: Card) -> None:
    run = Run(card, "default")
    with FakeTensorMode(allow_non_fake_inputs=True), torch.inference_mode(), Count():
        run.encode()
        for loaded in (run.conditioner, run.vae):
            tensors = list(_tensors(loaded.module))
            assert tensors and all(t.device == CUDA for t in tensors)
        card.free = 0
        card.mm.free_memory(ROOM, CUDA)
        for loaded in (run.conditioner, run.vae):
            left = [t for t in _tensors(loaded.module) if t.device != CPU]
            assert not left


def _tensors(module: nn.Module) -> Iterator[torch.Tensor]:
    """Parameters, buffers, and tensors that are plain attributes."""
    for part in module.modules():
        yield from (p for p in part._parameters.values() if p is not None)
        yield from (b for b in part._buffers.values() if b is not None)
        yield from (v for v in vars(part).values() if isinstance(v, torch.Tensor))
