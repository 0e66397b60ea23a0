"""What makes the frames of a clip from its keys: checkpoints of ours, baselines, and folders of
frames made elsewhere."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

import toon_core
from toon_core.config import ToonConfig
from toon_core.images import Fit
from toon_core.metrics.frames import check_frames
from toon_core.metrics.networks.rife import Rife
from toon_core.model import ToonModel, build_part
from toon_core.presets import RELEASED
from toon_core.recipe import Recipe
from toon_core.sketch.control import SketchControl, bright_lines, place
from toon_core.sketch.encoder import SketchEncoder, misfit
from toon_core.vae.autoencoder import Autoencoder
from toon_core.weights.checkpoint import read
from train.engine.files import file_digest

from .testset import Clip, check_aspect, frame_paths, image_size, numbered, pixels, read_frames

BASELINES = ("crossfade", "nearest", "rife")
ROOT = Path(toon_core.__file__).resolve().parent.parent
NANO = ROOT / "weights" / "nano.safetensors"
NANO_SKETCH = ROOT / "weights" / "nano_sketch.safetensors"


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """The seed of every clip, and (key, value) where models leave their own recipe."""

    seed: int = RELEASED.seed
    changes: tuple[tuple[str, Any], ...] = ()

    def of(self, config: ToonConfig) -> Recipe:
        return replace(config.recipe, seed=self.seed, **dict(self.changes))


class System(Protocol):
    """Something that makes the frames of a clip from its keys."""

    name: str

    def fingerprint(self, clip: Clip, sampling: Sampling) -> str:
        """Changes whenever the frames may change; part of the cache key."""
        ...

    def frames(self, clip: Clip, sampling: Sampling) -> Tensor:
        """All frames of the clip, ends included: (f 3 h w) in [0, 1], of any size."""
        ...


def precision(device: str) -> torch.dtype:
    """In which checkpoints compute, but for their autoencoder: CPUs are slow in half precision."""
    return torch.float32 if torch.device(device).type == "cpu" else torch.float16


def load_autoencoder(path: Path, device: str = "cpu") -> Autoencoder:
    """Always in single precision, since decoders of this family overflow in half."""
    checkpoint = read(path, expect="toon")
    vae = build_part(checkpoint.config, "vae", device="meta")
    checkpoint.fill(vae, "vae", device=device, dtype=torch.float32)
    return vae.eval()


class Checkpoint:
    """A model of ours through the pack's own pipeline, guided by the clips' sketches where a sketch
    encoder is given, and by the keys alone else.

    ValueError for files of another kind, without the encoders of text and image, or of two models.
    """

    def __init__(
        self, name: str, path: Path, device: str = "cpu", sketch: Path | None = None
    ) -> None:
        self.name, self.device = name, device
        dtype = precision(device)
        self.model = toon_core.load(path, dtype=dtype, device=device, expect="toon")
        if self.model.text is None:
            raise ValueError(
                f"{path} is a pruned file, without the CLIP text and image encoders, which only "
                "the nodes can take from other files; give the complete checkpoint"
            )
        self.model.vae = load_autoencoder(path, device)
        self.encoder = self._load_encoder(path, sketch) if sketch else None
        self.weights = file_digest(path)
        self.files = [self.weights, *([file_digest(sketch)] if sketch else [])]

    def _load_encoder(self, path: Path, sketch: Path) -> torch.nn.Module:
        dtype = self.model.dtype
        encoder = toon_core.load(sketch, dtype=dtype, device=self.device, expect="sketch")
        if wrong := misfit(encoder.config, self.model.config.unet):
            raise ValueError(
                f"{sketch} does not belong to {path} ({wrong}); give the sketch encoder that was "
                "trained beside this model"
            )
        return encoder

    def fingerprint(self, clip: Clip, sampling: Sampling) -> str:
        place = f"{torch.device(self.device).type} {self.model.dtype}"
        return f"checkpoint {' '.join(self.files)} {place} {sampling.of(self.model.config)}"

    def frames(self, clip: Clip, sampling: Sampling) -> Tensor:
        return sample(self.model, clip, sampling, self.encoder)


def sample(
    model: ToonModel,
    clip: Clip,
    sampling: Sampling,
    encoder: SketchEncoder | None = None,
    zero_gate: bool = False,
) -> Tensor:
    """The clip that a model makes of the keys, ends included: (f 3 h w) in [0, 1].

    The keys get bars where their size is no multiple of 64, which are cut off again. With an
    encoder the clip's sketches guide the model.
    """
    # Here, because it loads the text and image towers' library, which no baseline needs.
    from toon_core.pipeline import interpolate_any_size

    recipe = sampling.of(model.config)
    recipe = replace(recipe, frames=len(clip.frames), fps=clip.fps or recipe.fps)
    control = None
    if encoder is not None and clip.sketches:
        fit = Fit.nearest(clip.size, "pad")
        # The brightest of the pixels that become one, since thin lines must survive shrinking.
        lines = {
            number: fit.apply(F.adaptive_max_pool2d(bright_lines(drawing[None]), fit.source))[0]
            for number, drawing in clip.sketches.items()
        }
        drawn = place(lines, len(clip.frames), *fit.target).to(next(encoder.parameters()))
        control = SketchControl(encoder, drawn, recipe.sketch_scale, zero_gate=zero_gate)
    keys = torch.stack([clip.first, clip.last]) * 2 - 1
    return (interpolate_any_size(model, keys, clip.prompt, recipe, control=control) + 1) / 2


class Blend:
    """A baseline whose frame at time a in [0, 1] is made of the two keys alone."""

    def __init__(
        self, name: str, version: str, make: Callable[[Tensor, Tensor, float], Tensor]
    ) -> None:
        self.name, self.version, self.make = name, version, make

    def fingerprint(self, clip: Clip, sampling: object) -> str:
        return self.version

    def frames(self, clip: Clip, sampling: object) -> Tensor:
        count = len(clip.frames)
        times = [i / (count - 1) for i in range(1, count - 1)]
        inner = [self.make(clip.first, clip.last, time) for time in times]
        return torch.stack([clip.first, *inner, clip.last])


def baseline(name: str, what: str, device: str) -> Blend:
    """`what` is one of BASELINES; ValueError where RIFE's package is absent."""
    if what == "crossfade":
        return Blend(name, "crossfade 1", lambda first, last, time: first.lerp(last, time))
    if what == "nearest":
        return Blend(name, "nearest 1", lambda first, last, time: first if time < 0.5 else last)
    rife = Rife(device)
    version = f"rife 1 {file_digest(rife.weights)} {torch.device(device).type}"
    return Blend(name, version, rife.between)


class Folder:
    """Frames made elsewhere: FOLDER/CLIP/frame_000.png ..., named as in the test set, of any size
    that has its aspect ratio."""

    def __init__(self, name: str, path: Path) -> None:
        self.name, self.path = name, path

    def check(self, clips: Sequence[Path]) -> None:
        """ValueError where a frame of a clip folder lacks its counterpart, or its shape is another;
        reads no pixels."""
        for clip in clips:
            true = frame_paths(clip)
            for path in self._paths(clip.name, len(true)):
                check_aspect(path, image_size(path), image_size(true[0]))

    def fingerprint(self, clip: Clip, sampling: object) -> str:
        return "frames " + hashlib.sha256(pixels(self.frames(clip, sampling)).tobytes()).hexdigest()

    def frames(self, clip: Clip, sampling: object) -> Tensor:
        return read_frames(self._paths(clip.name, len(clip.frames)), clip.size)

    def _paths(self, clip: str, count: int) -> list[Path]:
        folder = self.path / clip
        found = numbered(folder)
        missing = [i for i in range(count) if i not in found]
        if missing:
            raise ValueError(
                f"system {self.name} lacks {folder / f'frame_{missing[0]:03d}.png'}; it needs the "
                f"clip's {count} frames, ends included, under the test set's names"
            )
        return [found[i] for i in range(count)]


def run_system(system: System, clip: Clip, sampling: Sampling) -> Tensor:
    """The system's frames at the clip's size, as the 8-bit values a file of them would hold.

    ValueError if it made another number of frames or values that are no image.
    """
    made = system.frames(clip, sampling)
    if len(made) != len(clip.frames):
        raise ValueError(
            f"system {system.name} made {len(made)} frames of {clip.name}, "
            f"which has {len(clip.frames)}"
        )
    if tuple(made.shape[-2:]) != clip.size:
        made = torch.nn.functional.interpolate(
            made, clip.size, mode="bicubic", antialias=True, align_corners=False
        ).clamp(0, 1)
    check_frames(made, f"the output of {system.name}")
    return torch.from_numpy(pixels(made)).permute(0, 3, 1, 2).float() / 255
