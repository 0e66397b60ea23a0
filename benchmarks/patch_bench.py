"""nano in the real ComfyUI of this process, and single nodes called on it."""

from __future__ import annotations

import asyncio
import inspect
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "comfy"))

import torch  # noqa: E402
from torch import Tensor  # noqa: E402

ROUNDING = 1e-4  # relative: what a repeated run and another order of sums may differ by
CLIP = "girl_wave"
SIZE = {"width": 128, "height": 128}
LORA = "patches_table.safetensors"


class NeedsInput(Exception):
    """A node cannot be tried: it takes something that exists for other models only."""


@dataclass(frozen=True)
class Outcome:
    """Of one sampling run. work: clips that went through the UNet. distance: RMS difference from
    another run over its spread; contrast: spread over its spread."""

    samples: Tensor
    work: int
    said: tuple[str, ...]

    def distance(self, other: Outcome) -> float:
        spread = other.samples.std()
        return float((self.samples - other.samples).pow(2).mean().sqrt() / spread)

    def contrast(self, other: Outcome) -> float:
        return float(self.samples.std() / other.samples.std())

    @property
    def finite(self) -> bool:
        return bool(torch.isfinite(self.samples).all())


class Bench:
    """comfy: tests/comfy/inprocess.py's, with the pack loaded. file: of Toon Load Model."""

    def __init__(self, comfy: Any, file: str = "", **size: int) -> None:
        self.comfy, self.nodes = comfy, comfy.nodes.NODE_CLASS_MAPPINGS
        given = {"file": file} if file else {}
        plain, conditioner, vae = self.call("ToonLoadModel", **given)[:3]
        first, last, *_ = self.call("ToonLoadCast", clip=CLIP)
        encoded = self.call(
            "ToonEncodeKeys",
            conditioner=conditioner,
            toon_vae=vae,
            first_image=first,
            last_image=last,
            prompt="a girl waves",
            **(size or SIZE),
        )
        self.positive, self.negative, self.image_only, self.latent = encoded[:4]
        values = {"dynamic_rescale": True, "temperature": 0.5}
        self.model = self.call("ToonSetSchedule", model=plain, **values)[0]

    @property
    def sampler_names(self) -> list[str]:
        return options_of(self.inputs("KSampler")["sampler_name"])

    @property
    def scheduler_names(self) -> list[str]:
        return options_of(self.inputs("KSampler")["scheduler"])

    def inputs(self, name: str, kinds: tuple[str, ...] = ("required", "optional")) -> Any:
        """Input name -> (type, options), as /object_info has it."""
        cls = self.nodes[name]
        modern = hasattr(cls, "GET_NODE_INFO_V1")
        found = cls.GET_NODE_INFO_V1()["input"] if modern else cls.INPUT_TYPES()
        return {k: v for kind in kinds for k, v in found.get(kind, {}).items()}

    def outputs(self, name: str) -> list[str]:
        cls = self.nodes[name]
        if hasattr(cls, "GET_NODE_INFO_V1"):
            return list(cls.GET_NODE_INFO_V1()["output"])
        return list(cls.RETURN_TYPES)

    def patches(self) -> list[str]:
        """Every node of ComfyUI itself that takes a MODEL and gives one."""
        return [
            name
            for name in sorted(self.nodes)
            if not name.startswith(("Toon", "Test"))
            and "MODEL" in self.outputs(name)
            and "MODEL" in [spec[0] for spec in self.inputs(name).values()]
        ]

    def call(self, name: str, **given: Any) -> Any:
        """A node's outputs; inputs that are not given have their defaults."""
        cls, values = self.nodes[name], dict(given)
        for key, spec in self.inputs(name, ("required",)).items():
            if key not in values:
                values[key] = default_of(key, spec)
        modern = hasattr(cls, "define_schema")
        run = cls.execute if modern else getattr(cls(), cls.FUNCTION)
        with torch.inference_mode(), without_page():
            result = run(**values)
            if inspect.isawaitable(result):
                result = asyncio.new_event_loop().run_until_complete(result)
        return getattr(result, "result", result)

    def sample(self, model: Any = None, **changes: Any) -> Outcome:
        """By KSampler: euler on sgm_uniform, 4 steps at cfg 3, unless changed."""
        values = {"steps": 4, "cfg": 3.0, "sampler_name": "euler", "scheduler": "sgm_uniform"}
        values |= {"positive": self.positive, "negative": self.negative, "seed": 1}
        values |= {"latent_image": self.latent, "model": model or self.model, "denoise": 1.0}
        return self._counted(lambda: self.call("KSampler", **{**values, **changes})[0])

    def sample_custom(self, guider: Any, sampler: Any, steps: int = 4) -> Outcome:
        """By SamplerCustomAdvanced on sgm_uniform."""
        values = {"guider": guider, "sampler": sampler, "latent_image": self.latent}
        values["noise"] = self.call("RandomNoise", noise_seed=1)[0]
        schedule = {"scheduler": "sgm_uniform", "steps": steps, "denoise": 1.0}
        values["sigmas"] = self.call("BasicScheduler", model=self.model, **schedule)[0]
        return self._counted(lambda: self.call("SamplerCustomAdvanced", **values)[0])

    def _counted(self, run: Any) -> Outcome:
        with self._listening() as said, self._counting() as clips:
            samples = run()["samples"]
        return Outcome(samples.float(), sum(clips), tuple(said))

    @contextmanager
    def _counting(self) -> Iterator[list[int]]:
        """Of all UNets, the clips of each call."""
        unet, clips = type(self.model.model.diffusion_model), []
        before = unet.predict

        def predict(unet: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
            clips.append(len(x))
            return before(unet, x, *args, **kwargs)

        unet.predict = predict
        try:
            yield clips
        finally:
            unet.predict = before

    @contextmanager
    def _listening(self) -> Iterator[list[str]]:
        host = self.comfy.part("host")
        said: list[str] = []
        before = host.say

        def say(text: str = "", **level: Any) -> None:
            said.extend([text] if text else [])

        host.say = say
        try:
            yield said
        finally:
            host.say = before

    @contextmanager
    def unguarded(self) -> Iterator[None]:
        """Without this pack's refusals, to see what would have come of it."""
        run_check = self.comfy.part("run_check")
        names = [n for n in vars(run_check) if n.startswith("_check_")] + ["sampling_of"]
        before = {n: getattr(run_check, n) for n in names}
        for name in names:
            setattr(run_check, name, lambda *_: None)
        try:
            yield
        finally:
            for name, function in before.items():
                setattr(run_check, name, function)

    def other_model(self) -> Any:
        """The model with every weight moved a little, to merge with."""
        other = self.model.clone()
        generator = torch.Generator().manual_seed(0)
        changes = {}
        for name, weight in other.model.diffusion_model.state_dict().items():
            if weight.ndim > 1:
                noise = 0.05 * weight.std() * torch.randn(weight.shape, generator=generator)
                changes[f"diffusion_model.{name}"] = ("diff", (noise,))
        other.add_patches(changes, 1.0)
        return other

    def lora(self) -> dict[str, Tensor]:
        """Adapters under ComfyUI's generic names, on every attention's query."""
        generator = torch.Generator().manual_seed(0)
        found = {}
        for name, weight in self.model.model.diffusion_model.state_dict().items():
            if name.endswith("to_q.weight"):
                layer = f"diffusion_model.{name.removesuffix('.weight')}"
                out, width = weight.shape
                found[f"{layer}.lora_A.weight"] = torch.randn(4, width, generator=generator) / 8
                found[f"{layer}.lora_B.weight"] = torch.randn(out, 4, generator=generator) / 8
        return found

    def save_lora(self) -> str:
        """-> its name in ComfyUI's loras folder."""
        from safetensors.torch import save_file

        folder = self.comfy.base / "models" / "loras"
        folder.mkdir(parents=True, exist_ok=True)
        save_file(self.lora(), folder / LORA)
        self.comfy.folder_paths.filename_list_cache.clear()
        return LORA


@contextmanager
def without_page() -> Iterator[None]:
    """Progress goes nowhere; ComfyUI's own hook wants a prompt that runs."""
    import comfy.utils

    before, comfy.utils.PROGRESS_BAR_HOOK = comfy.utils.PROGRESS_BAR_HOOK, None
    try:
        yield
    finally:
        comfy.utils.PROGRESS_BAR_HOOK = before


def started() -> Bench:
    """ComfyUI of $TOONTWEEN_COMFYUI or of `make setup`, in this process, with nano."""
    from inprocess import Comfy
    from place import comfyui_folder

    comfy = Comfy(comfyui_folder(), Path(tempfile.mkdtemp()))
    comfy.load_pack()
    return Bench(comfy)


def version() -> str:
    from comfyui_version import __version__

    return __version__


def options_of(spec: Any) -> list[str]:
    kind = spec[0]
    return list(kind) if isinstance(kind, (list, tuple)) else list(spec[1]["options"])


def default_of(name: str, spec: Any) -> Any:
    options = spec[1] if len(spec) > 1 else {}
    if "default" in options:
        return options["default"]
    if not (isinstance(spec[0], (list, tuple)) or spec[0] == "COMBO"):
        raise NeedsInput(f"takes {spec[0]}")
    choices = options_of(spec)
    if not choices:
        raise NeedsInput(f"{name}: takes a file")
    return choices[0]
