"""What can be scored: baselines, checkpoints of ours, and folders of frames made elsewhere."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import torch
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch import Tensor

import toon_core
from toon_core.config import ToonConfig
from toon_core.images import Fit
from toon_core.metrics.frames import check_frames
from toon_core.presets import RELEASED
from toon_core.recipe import Recipe

from .clips import Clip, pixels, read_frames
from .rife import Rife

ROOT = Path(toon_core.__file__).resolve().parent.parent
NANO = ROOT / "weights" / "nano.safetensors"
BASELINES = ("crossfade", "nearest", "rife")


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


class Blend:
    """A baseline whose frame at time a in [0, 1] is made of the two keys alone."""

    def __init__(
        self, name: str, version: str, make: Callable[[Tensor, Tensor, float], Tensor]
    ) -> None:
        self.name, self.version, self.make = name, version, make

    def fingerprint(self, clip: Clip, sampling: Sampling) -> str:
        return self.version

    def frames(self, clip: Clip, sampling: Sampling) -> Tensor:
        count = len(clip.frames)
        times = [i / (count - 1) for i in range(1, count - 1)]
        inner = [self.make(clip.first, clip.last, time) for time in times]
        return torch.stack([clip.first, *inner, clip.last])


class Checkpoint:
    """A model of ours through the pack's own pipeline.

    The sketches of a test set are scored against, but not shown to the model.
    """

    def __init__(self, name: str, path: Path, device: str = "cpu") -> None:
        self.name, self.path = name, path
        self.version = f"{file_digest(path)} {source_digest()}"
        dtype = torch.float32 if device == "cpu" else None  # CPUs are slow in half precision
        self.model = toon_core.load(path, dtype=dtype, device=device)
        self.device = device
        if not hasattr(self.model, "unet"):
            raise ValueError(f"{path} holds no interpolation model; give a full checkpoint")

    def fingerprint(self, clip: Clip, sampling: Sampling) -> str:
        return f"checkpoint {self.version} {sampling.of(self.model.config)}"

    def frames(self, clip: Clip, sampling: Sampling) -> Tensor:
        # Here, because it loads the text and image towers' library, which no baseline needs.
        from toon_core.pipeline import interpolate

        fit = Fit.nearest(clip.size, "pad")
        keys = (key[None].to(self.device) * 2 - 1 for key in (clip.first, clip.last))
        first, last = (fit.apply(key) for key in keys)
        recipe = sampling.of(self.model.config)
        given = replace(recipe, frames=len(clip.frames), fps=clip.fps or recipe.fps)
        made = interpolate(self.model, first, last, clip.prompt, recipe=given)
        frames = fit.undo(made[0].transpose(0, 1)).float().cpu()
        return ((frames + 1) / 2).clamp(0, 1)


class Folder:
    """Frames made elsewhere: FOLDER/CLIP/frame_000.png ..., named as in the test set."""

    def __init__(self, name: str, path: Path) -> None:
        self.name, self.path = name, path

    def fingerprint(self, clip: Clip, sampling: Sampling) -> str:
        return "frames " + hashlib.sha256(pixels(self.frames(clip, sampling)).tobytes()).hexdigest()

    def frames(self, clip: Clip, sampling: Sampling) -> Tensor:
        paths = [self.path / clip.name / f"frame_{i:03d}.png" for i in range(len(clip.frames))]
        missing = [path for path in paths if not path.is_file()]
        if missing:
            raise ValueError(
                f"system {self.name} lacks {missing[0]}; it needs the clip's "
                f"{len(paths)} frames, ends included, under the test set's names"
            )
        return read_frames(paths, clip.size)


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A system as named on the command line: what it is and under which name it is reported."""

    name: str
    what: str | Path

    def open(self, device: str = "cpu") -> System:
        """Load it; ValueError if its weights are wrong or a package is absent."""
        if isinstance(self.what, str):
            return _baseline(self.name, self.what, device)
        if self.what.is_dir():
            return Folder(self.name, self.what)
        return Checkpoint(self.name, self.what, device)


def read_spec(spec: str) -> Spec:
    """`nano`, a baseline, a checkpoint file or a folder of frames, optionally as LABEL=SYSTEM.

    Loads nothing. ValueError if it is none of these.
    """
    label, _, rest = spec.rpartition("=")
    if rest in BASELINES:
        return Spec(name=label or rest, what=rest)
    path = NANO if rest == "nano" else Path(rest)
    if path.is_dir() or path.is_file():
        return Spec(name=label or (path.name if path.is_dir() else path.stem), what=path.resolve())
    raise ValueError(
        f"system {spec!r} is no baseline ({', '.join(BASELINES)}), and there is no file or folder "
        f"{path}; give nano, a baseline, a checkpoint file or a folder of frames"
    )


def _baseline(name: str, what: str, device: str) -> Blend:
    if what == "crossfade":
        return Blend(name, "crossfade 1", lambda first, last, time: first.lerp(last, time))
    if what == "nearest":
        return Blend(name, "nearest 1", lambda first, last, time: first if time < 0.5 else last)
    rife = Rife(device)
    return Blend(name, f"rife 1 {file_digest(rife.weights)}", rife.between)


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


# What a test set or another option decides, or what has no effect here.
FIXED = {"seed", "frames", "fps", "height", "width", "sketch_scale"}


def read_sampling(overrides: Sequence[str], seed: int) -> Sampling:
    """`key=value` changes of the models' recipes; ValueError for an unknown key or bad value."""
    given = OmegaConf.from_dotlist(list(overrides))
    refused = FIXED & set(given)
    if refused:
        raise ValueError(
            f"recipe {', '.join(sorted(refused))} cannot be set here: frames, fps and size come "
            "from the test set, the seed from --seed, and sketches are not shown"
        )
    try:
        merged = OmegaConf.merge(OmegaConf.structured(RELEASED), given)
        return Sampling(seed=seed, changes=tuple((key, merged[key]) for key in given))
    except OmegaConfBaseException as error:
        raise ValueError(f"recipe {' '.join(overrides)}: {error}") from error


def file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def source_digest() -> str:
    """Hash of the core's source, so that a changed sampler is not answered from the cache."""
    core = ROOT / "toon_core"
    sha = hashlib.sha256()
    for path in sorted(core.rglob("*.py")):
        if "metrics" not in path.relative_to(core).parts:
            sha.update(path.read_bytes())
    return sha.hexdigest()
