"""What a GPU would be asked to do, counted on fake tensors of a device that need not be there.

`Count` sees every operation below autograd. A launch is an operation that is no view and makes or
changes a tensor of the device; its bytes are those of its inputs and outputs, a broadcast axis
once, whatever a cache may save. So counts compare two ways of computing, and say nothing of the
copies that a library makes inside. Attention is one launch, as its fused kernels are.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry, register_flop_formula

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from benchmarks.live import LiveMemory, storages  # noqa: E402
from toon_core.layers.fused import KERNELS  # noqa: E402

# Ask nothing of the device: a view in all but name, or memory that is not written.
SILENT = {
    *("aten.detach", "aten.alias", "aten.lift_fresh", "aten._unsafe_view", "aten._reshape_alias"),
    *("aten.empty", "aten.empty_like", "aten.empty_strided", "aten.new_empty"),
    *("aten.new_empty_strided", "aten.is_pinned"),
}
# Only written to, so that what was there is not read.
OVERWRITTEN = {"aten.copy_", "aten.fill_", "aten.zero_"}
READS = ("aten._local_scalar_dense", "aten.item", "aten.is_nonzero", "aten.equal")
SIZES = ("aten.nonzero", "aten.masked_select", "aten.unique_consecutive", "aten._unique2")

# Of operators of our own: the kernels behind a call, and how often they read its first input.
# Those that are missing count as one, that reads its inputs once.


@torch.library.custom_op("counting::attention", mutates_args=())
def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Fused attention, (b m n d), laid out as the fused kernels lay out what they make."""
    b, m, n, _ = q.shape
    return q.new_empty(b, n, m, v.shape[-1]).transpose(1, 2)


attention.register_fake(lambda q, k, v: attention._init_fn(q, k, v))


@register_flop_formula(torch.ops.counting.attention)
def _attention_flops(q: Any, k: Any, v: Any, *_: Any, out_shape: Any = None, **__: Any) -> int:
    b, m, n, d = q
    return 2 * b * m * n * k[-2] * (d + v[-1])


@contextmanager
def fused_attention() -> Iterator[None]:
    """Every attention as one launch: fake tensors would take the plain form."""
    functional: Any = torch.nn.functional
    inner = functional.scaled_dot_product_attention

    def fused(q: Tensor, k: Tensor, v: Tensor, *_: Any, **__: Any) -> Tensor:
        return torch.ops.counting.attention(q, k, v)

    places = [functional, *(m for n, m in list(sys.modules.items()) if n.endswith(".attention"))]
    places = [p for p in places if getattr(p, "scaled_dot_product_attention", None) is inner]
    for place in places:
        place.scaled_dot_product_attention = fused
    try:
        yield
    finally:
        for place in places:
            place.scaled_dot_product_attention = inner


def touched(tensor: Tensor) -> int:
    """Bytes of a tensor's own elements, an expanded axis once."""
    pairs = zip(tensor.shape, tensor.stride(), strict=True)
    return math.prod(n for n, step in pairs if step) * tensor.element_size()


class Count(LiveMemory):
    """Counts while it is entered; can be entered again and goes on.

    launches, bytes, flops; casts: changes of the number type; copies: of the layout; peak: most
    bytes alive at once of what was made while counting. waits: what makes the CPU wait for the
    device, uploads: copies to it, doubles: float64 there; each with the project's line that asks
    for it. sites: (launches, bytes) of each line and kind of operation, where asked for.
    """

    def __init__(self, device: str = "cuda", sites: bool = False) -> None:
        super().__init__()
        self.device, self.wants_sites = device, sites
        self.launches = self.bytes = self.flops = self.casts = self.copies = 0
        self.waits: Counter[str] = Counter()
        self.uploads: Counter[str] = Counter()
        self.doubles: Counter[str] = Counter()
        self.sites: dict[tuple[str, str], list[int]] = {}

    def figures(self) -> dict[str, int]:
        return {n: getattr(self, n) for n in ("launches", "bytes", "flops", "peak")}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func.namespace == "prim":
            return func(*args, **kwargs)
        if (made := self._apart(func, args, kwargs)) is not NotImplemented:
            return made
        name = str(func.overloadpacket)
        given = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        if name in READS or name in SIZES or _by_mask(name, args):
            return self._read(name, func, args, kwargs, given)
        before = storages(given)
        out = func(*args, **kwargs)
        outs = [x for x in tree_leaves(out) if isinstance(x, Tensor)]
        self._transfer(name, args, kwargs, given, outs)
        fresh = [x for x in outs if x.untyped_storage()._cdata not in before]
        for x in self._on_device(fresh):
            self.watch(x.untyped_storage())
        if (fresh or func._schema.is_mutable) and name not in SILENT:
            self._launch(name, func, args, kwargs, out, given, outs)
        return out

    def _apart(self, func: Any, args: Any, kwargs: Any) -> Any:
        """In inference mode composite operations come here whole: taken apart as they would be."""
        composite = torch._C.DispatchKey.CompositeImplicitAutograd
        if not torch.is_inference_mode_enabled():
            return NotImplemented
        if not torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), composite):
            return NotImplemented
        with self:
            return func.decompose(*args, **kwargs)

    def _on_device(self, tensors: list[Tensor]) -> list[Tensor]:
        return [x for x in tensors if x.device.type == self.device]

    def _read(self, name: str, func: Any, args: Any, kwargs: Any, given: list[Tensor]) -> Any:
        """What needs values: the CPU waits for them, and here there are none."""
        if self._on_device(given):
            self.waits[f"{name} at {_site()}"] += 1
        x = given[0]
        if name in READS:
            if name.endswith(("equal", "is_nonzero")) or x.dtype == torch.bool:
                return True
            return 1.0 if x.is_floating_point() else 1
        if name == "aten.nonzero":
            return torch.empty(x.numel(), x.dim(), dtype=torch.long, device=x.device)
        if name in SIZES:
            return x.new_empty(x.numel())
        if name == "aten.index_put_":
            return x
        index = [
            i
            if i is None or i.dtype != torch.bool
            else torch.zeros(i.numel(), dtype=torch.long, device=i.device)
            for i in args[1]
        ]
        return func(args[0], index, *args[2:], **kwargs)

    def _transfer(self, name: str, args: Any, kwargs: Any, given: Any, outs: Any) -> None:
        if name not in ("aten._to_copy", "aten.copy_") or not given or not outs:
            return
        source, target = given[-1] if name == "aten.copy_" else given[0], outs[0]
        if source.device.type == target.device.type:
            return
        told = args[2] if name == "aten.copy_" and len(args) > 2 else kwargs.get("non_blocking")
        pinned = source.untyped_storage()._cdata in PINNED
        up = target.device.type == self.device
        line = f"{'up' if up else 'down'}load of {touched(source)} bytes at {_site()}"
        if up:
            self.uploads[line] += 1
        if not (told and pinned):
            self.waits[line] += 1

    def _launch(self, name, func, args, kwargs, out, given, outs) -> None:
        used = {
            (x.untyped_storage()._cdata, x.storage_offset(), tuple(x.shape), x.stride()): x
            for x in self._on_device(given)
        }
        written = self._on_device(outs)
        if not used and not written:
            return
        reads = list(used.values())
        if name in OVERWRITTEN:
            reads = [x for x in reads if x is not args[0]]
        moved = sum(map(touched, reads)) + sum(map(touched, written))
        count, passes = KERNELS.get(name, (1, 1))
        moved += (passes - 1) * touched(args[0]) if passes > 1 else 0
        self.launches += count
        self.bytes += moved
        if name == "aten._to_copy" and given[0].dtype != outs[0].dtype:
            self.casts += 1
        elif name in ("aten._to_copy", "aten.clone", "aten.copy_", "aten.contiguous"):
            self.copies += 1
        if func.overloadpacket in flop_registry:
            self.flops += flop_registry[func.overloadpacket](*args, **kwargs, out_val=out)
        for x in written:
            if x.dtype == torch.float64:
                self.doubles[f"{name} at {_site()}"] += 1
        if self.wants_sites:
            site = self.sites.setdefault((_site(), name.removeprefix("aten.")), [0, 0])
            site[0] += count
            site[1] += moved


def _by_mask(name: str, args: Any) -> bool:
    """Indexing by a mask, whose size no one knows but the device."""
    if name not in ("aten.index", "aten.index_put_", "aten.index_put"):
        return False
    return any(i is not None and i.dtype in (torch.bool, torch.uint8) for i in args[1])


OURS = ("toon_core", "nodes", "train")
LIBRARIES = (str(Path(torch.__file__).parent), str(Path(__file__)), "einops", "<")


def _site() -> str:
    """The line that asks, in this project or in who calls torch in its place."""
    frame: Any = sys._getframe(1)
    while frame is not None and (
        frame.f_code.co_filename.startswith(LIBRARIES) or "/einops/" in frame.f_code.co_filename
    ):
        frame = frame.f_back
    if frame is None:
        return "elsewhere"
    parts = Path(frame.f_code.co_filename).parts
    for part in OURS:
        if part in parts and "site-packages" not in parts and "comfy" not in parts:
            return f"{'/'.join(parts[parts.index(part) :])}:{frame.f_lineno}"
    return f"elsewhere, {'/'.join(parts[-2:])}:{frame.f_lineno}"


PINNED: set[int] = set()


@contextmanager
def pinning() -> Iterator[None]:
    """`pin_memory` without a driver: a copy that is known to be pinned."""
    inner = Tensor.pin_memory

    def pin(self: Tensor, *_: Any, **__: Any) -> Tensor:
        if self.device.type != "cpu":
            raise RuntimeError(f"cannot pin a tensor on {self.device}")
        pinned = self.clone()
        PINNED.add(pinned.untyped_storage()._cdata)
        return pinned

    Tensor.pin_memory = pin  # type: ignore[method-assign]
    try:
        yield
    finally:
        Tensor.pin_memory = inner  # type: ignore[method-assign]
        PINNED.clear()


def counted(run: Callable[[], Any], **options: Any) -> Count:
    with Count(**options) as count:
        run()
    return count
