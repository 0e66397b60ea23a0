"""What ComfyUI gives the pack: files, devices, number types, memory, progress, cancelling."""

from __future__ import annotations

import html
import logging
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import comfy.model_management as mm
import comfy.model_patcher
import comfy.utils
import folder_paths
import torch
from comfy_execution import utils as execution
from comfy_execution.graph_utils import ExecutionBlocker

log = logging.getLogger("toon.nodes")

PACK = Path(__file__).resolve().parents[1]
NANO = "nano (built in)"
MOST_OF_MEMORY = 0.8  # that pictures of an output may take


@dataclass(frozen=True)
class Files:
    """A choice of files: a first one that is always there (`path` None: no file), then those of
    the user's folders."""

    first: str
    path: Path | None
    folders: Sequence[str]
    source: str = ""  # a sentence: where such files come from

    def choices(self) -> list[str]:
        names = {n for folder in self.folders for n in folder_paths.get_filename_list(folder)}
        return [self.first, *sorted(names)]

    def find(self, name: str) -> Any:
        """A Path, or `path` for the first choice; ValueError for a name in none of the folders."""
        if name == self.first:
            return self.path
        for folder in self.folders:
            path = folder_paths.get_full_path(folder, name)
            if path is not None:
                return Path(path)
        raise ValueError(self.absent(name))

    def absent(self, name: str) -> str:
        return (
            f"There is no file {name!r} in ComfyUI's {' or '.join(self.folders)} folder: put it "
            f"there and press R, or choose another. {self.source}".rstrip()
        )

    def fingerprint(self, name: str) -> str:
        """Changes when the file does."""
        try:
            path = self.find(name)
            status = path and path.stat()
        except (TypeError, ValueError, OSError):  # TypeError: a prompt's null
            return f"{name} missing"
        return f"{name} {status.st_mtime_ns} {status.st_size}" if status else name


MODELS = Files(
    NANO,
    PACK / "weights" / "nano.safetensors",
    ("checkpoints", "diffusion_models"),
    "The official one is model.ckpt of Doubiiu/ToonCrafter on Hugging Face.",
)
SKETCHES = Files(
    NANO,
    PACK / "weights" / "nano_sketch.safetensors",
    ("controlnet",),
    "The official one is sketch_encoder.ckpt of Doubiiu/ToonCrafter on Hugging Face.",
)
LORAS = Files("none", None, ("loras",))


def listed(
    node: Any, files: Mapping[str, Files] = MappingProxyType({}), **values: str | None
) -> bool | str:
    """For `validate_inputs`: True, or what is wrong. ComfyUI itself lets any text through for the
    combos of nodes of this kind. A linked input is None. files: the inputs that name a file."""
    options = {i.id: i.options for i in node.define_schema().inputs if hasattr(i, "options")}
    for name, value in values.items():
        if value is None or value in options[name]:
            continue
        if name in files:
            return f"{name} = {value!r}: {files[name].absent(value)}"
        known = ", ".join(options[name][:8])
        return f"{name} = {value!r} is not in the list: {known} ..."
    return True


def images_of(
    make: Callable[[], torch.Tensor], count: int, size: tuple[int, int], name: str, place: str
) -> Any:
    """An output of `count` IMAGEs of size (height, width); where they do not fit into memory, what
    stops the nodes that would take them, and no other."""
    need, free = 12 * count * math.prod(size), mm.get_free_memory(torch.device("cpu"))
    if need < MOST_OF_MEMORY * free:
        return make()
    return ExecutionBlocker(
        f"{name}: {count} pictures of {size[1]}x{size[0]} take {need / 1e9:.1f} GB of memory, and "
        f"{free / 1e9:.1f} are free. {place}"
    )


def is_core(function: Any) -> bool:
    """Whether a function comes from ComfyUI itself and not from a node pack."""
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    root = Path(folder_paths.__file__).resolve().parent
    place = Path(code.co_filename).resolve() if code else Path()
    return any(place.is_relative_to(root / name) for name in ("comfy", "comfy_extras", "nodes.py"))


def patcher(
    module: torch.nn.Module,
    load_device: torch.device,
    offload_device: torch.device,
    whole: bool = False,
):
    """ComfyUI's care for a module: loading, partial loading, eviction. whole: for layers that are
    not from `comfy.ops`, and so are on the device all or not at all: newer releases' patcher for
    models in parts would leave some of their parameters there when the rest goes."""
    usual = comfy.model_patcher.ModelPatcher
    kind = usual if whole else getattr(comfy.model_patcher, "CoreModelPatcher", usual)
    module.eval().requires_grad_(False)
    return kind(module, load_device=load_device, offload_device=offload_device)


def load(
    patchers: Sequence[Any], memory: float, *, least: float | None = None, whole: bool = False
) -> None:
    """Bring models to their device with `memory` bytes to spare for the work. least: of these the
    bytes without which it cannot be done: only for them weights stay off the device, while for the
    rest other models go. whole: refuse partial loading, for layers that are not from `comfy.ops`.
    """
    mm.load_models_gpu(
        list(patchers),
        memory_required=memory,
        minimum_memory_required=least,
        force_full_load=whole,
    )


def loaded_bytes(patchers: Sequence[Any]) -> float:
    """Of the models' weights on their device. Newer releases can page weights in as they are used;
    then none counts as missing."""
    paged = [getattr(p, "is_dynamic", lambda: False)() for p in patchers]
    pairs = zip(patchers, paged, strict=True)
    return sum(p.model_size() if pages else p.loaded_size() for p, pages in pairs)


def is_out_of_memory(error: Exception) -> bool:
    """Whether an accelerator had too little memory."""
    known = getattr(mm, "is_oom", lambda e: isinstance(e, mm.OOM_EXCEPTION))
    return known(error)


def give_memory_back() -> None:
    """To the device, what torch keeps for later."""
    mm.soft_empty_cache()


def tower_dtype(device: torch.device) -> torch.dtype:
    """For the CLIP towers, which hold their weights in the type they compute in."""
    return torch.float16 if mm.should_use_fp16(device) else torch.float32


def autoencoder_dtype(device: torch.device) -> torch.dtype:
    """fp16 where the device has it, eight times as fine as bf16 and half of fp32's memory: the
    release's decoder keeps its sums in it, too. What overflows is made again, see `finite`."""
    return mm.vae_dtype(device, [torch.float16, torch.bfloat16, torch.float32])


def wider_dtype(device: torch.device) -> torch.dtype:
    """What does not overflow where fp16 does."""
    return torch.bfloat16 if mm.should_use_bf16(device) else torch.float32


def free_memory(device: torch.device) -> float:
    return mm.get_free_memory(device)


def to_intermediate(tensor: torch.Tensor) -> torch.Tensor:
    """Where results wait between nodes."""
    return tensor.to(mm.intermediate_device())


def progress(steps: int = 100) -> Callable[[float], None]:
    """A bar on the page that is set to a part, 0 to 1; each call also sees a cancel."""
    bar = comfy.utils.ProgressBar(steps)

    def show(part: float) -> None:
        stop_if_cancelled()
        bar.update_absolute(round(part * steps), steps)

    return show


def stop_if_cancelled() -> None:
    """Raises ComfyUI's InterruptProcessingException."""
    mm.throw_exception_if_processing_interrupted()


def is_cancel(error: BaseException) -> bool:
    return isinstance(error, mm.InterruptProcessingException)


PASSING = logging.DEBUG  # the level of a line that goes with the next one, such as the time left
# By node: the last prompt it ran in, and its lines there with their level.
_said: dict[str, tuple[str, list[tuple[int, str]]]] = {}


def say(text: str = "", *, level: int = logging.INFO) -> None:
    """To the user of the node that runs: a line in the log, and one in the text box on the node.

    A node's lines of one run are shown one below the other, warnings first, since the page's box
    is two lines high where it does not grow; the next run's take their place.
    Without text nothing is said, and what an earlier run said goes: for the start of a node that
    does not always say something. Where no page waits for the run there is only the log.
    """
    running = getattr(execution, "get_executing_context", lambda: None)()
    if text:
        line = text if running is None else f"node {running.node_id}: {text}"
        log.log(max(level, logging.INFO), line)
    if running is None:
        return
    node = str(running.node_id)
    prompt, lines = _said.get(node, ("", []))
    stale = prompt != running.prompt_id and bool(lines)
    lines = [said for said in lines if prompt == running.prompt_id and said[0] != PASSING]
    lines += [(level, text)] if text else []
    _said[node] = (running.prompt_id, lines)
    if text or stale:
        _show_on_node(node, [line for _, line in sorted(lines, key=lambda said: -said[0])])


def send_output(node: str, output: dict[str, Any]) -> None:
    """To the page's node, as if it had run and put this out; to the page that queued the prompt."""
    server: Any = getattr(
        getattr(sys.modules.get("server"), "PromptServer", None), "instance", None
    )
    running = getattr(execution, "get_executing_context", lambda: None)()
    if server is None or running is None or server.client_id is None:
        return
    told = {"node": node, "display_node": node, "output": output, "prompt_id": running.prompt_id}
    server.send_sync("executed", told, server.client_id)


def _show_on_node(node: str, lines: Sequence[str]) -> None:
    """By ComfyUI's text for a node, to the page that queued the prompt and no other. The page
    takes it as HTML, and ignores an empty one."""
    found = getattr(sys.modules.get("server"), "PromptServer", None)
    server: Any = getattr(found, "instance", None)
    send = getattr(server, "send_progress_text", None)
    if send is not None and server.client_id is not None:
        # Nodes 2.0 of 1.32 shows line breaks as spaces: the marks keep the lines apart there.
        text = "\n".join(f"• {line}" for line in lines) if len(lines) > 1 else "".join(lines)
        send(html.escape(text, quote=False) or " ", node, sid=server.client_id)
