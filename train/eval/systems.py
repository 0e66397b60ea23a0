"""What can be scored: checkpoints of ours, baselines, and folders of frames made elsewhere."""

from collections.abc import Sequence
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
from toon_core.model import build_part
from toon_core.presets import RELEASED
from toon_core.recipe import Recipe
from toon_core.sketch.control import SketchControl, bright_lines, place
from toon_core.sketch.encoder import misfit
from toon_core.vae.autoencoder import Autoencoder
from toon_core.weights.checkpoint import read
from train.engine.config import merge, read_words
from train.engine.files import file_digest

from .clips import Clip, pixels
from .digests import source_digest
from .rivals import BASELINES, Folder, baseline

ROOT = Path(toon_core.__file__).resolve().parent.parent
NANO = ROOT / "weights" / "nano.safetensors"
NANO_SKETCH = ROOT / "weights" / "nano_sketch.safetensors"
BUNDLED = {"nano": NANO, "nano_sketch": NANO_SKETCH}


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
        files = " ".join([self.weights, *([file_digest(sketch)] if sketch else [])])
        place = f"{torch.device(device).type} {self.model.dtype}"
        self.version = f"{files} {source_digest()} {file_digest(Path(__file__))} {place}"

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
        return f"checkpoint {self.version} {sampling.of(self.model.config)}"

    def frames(self, clip: Clip, sampling: Sampling) -> Tensor:
        # Here, because it loads the text and image towers' library, which no baseline needs.
        from toon_core.pipeline import interpolate

        fit = Fit.nearest(clip.size, "pad")
        keys = (key[None].to(self.device) * 2 - 1 for key in (clip.first, clip.last))
        first, last = (fit.apply(key) for key in keys)
        recipe = sampling.of(self.model.config)
        given = replace(recipe, frames=len(clip.frames), fps=clip.fps or recipe.fps)
        control = self._control(clip, fit, given.sketch_scale)
        made = interpolate(self.model, first, last, clip.prompt, recipe=given, control=control)
        frames = fit.undo(made[0].transpose(0, 1)).float().cpu()
        return ((frames + 1) / 2).clamp(0, 1)

    def _control(self, clip: Clip, fit: Fit, scale: float) -> SketchControl | None:
        if self.encoder is None or not clip.sketches:
            return None
        drawn = {number: _fitted(sketch, fit) for number, sketch in clip.sketches.items()}
        placed = place(drawn, len(clip.frames), *fit.target)
        return SketchControl(self.encoder, placed.to(self.device, self.encoder.dtype), scale)


def _fitted(sketch: Tensor, fit: Fit) -> Tensor:
    """A drawing (3 h w) in [0, 1] -> bright lines (1 h' w') as the keys are fitted, bars black."""
    # The brightest of the pixels that become one, since thin lines must survive shrinking.
    lines = F.adaptive_max_pool2d(bright_lines(sketch[None]), fit.source)
    return fit.apply(lines)[0]


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A system as named on the command line: what it is, the sketch encoder that guides it, and
    under which name it is reported."""

    name: str
    what: str | Path
    sketch: Path | None = None

    def open(self, device: str = "cpu") -> System:
        """Load it; ValueError if its weights are wrong or a package is absent."""
        if isinstance(self.what, str):
            return baseline(self.name, self.what, device)
        if self.what.is_dir():
            return Folder(self.name, self.what)
        return Checkpoint(self.name, self.what, device, self.sketch)

    def check(self, clips: Sequence[Path]) -> None:
        """ValueError where it cannot serve these clip folders; loads nothing."""
        if isinstance(self.what, Path) and self.what.is_dir():
            Folder(self.name, self.what).check(clips)
        if self.sketch and not any(any(clip.glob("sketch_*.png")) for clip in clips):
            raise ValueError(
                f"system {self.name} is guided by sketches, and no clip holds one; add files as "
                "sketch_007.png, or leave its sketch encoder out"
            )


def read_spec(spec: str) -> Spec:
    """`nano`, a baseline, a checkpoint file or a folder of frames, optionally as LABEL=SYSTEM; a
    checkpoint guided by the test set's sketches as CHECKPOINT+ENCODER.

    Loads nothing. ValueError if it is none of these.
    """
    # The whole first, then by each "=": a path may hold some too.
    cuts = [i for i, letter in enumerate(spec) if letter == "="]
    for label, rest in [("", spec), *((spec[:i], spec[i + 1 :]) for i in cuts)]:
        if found := _named(label, rest):
            return found
    raise ValueError(
        f"system {spec!r} is no baseline ({', '.join(BASELINES)}), and there is no such file or "
        "folder; give nano, a baseline, a checkpoint file, a folder of frames, or a checkpoint "
        "with its sketch encoder as nano+nano_sketch or CHECKPOINT+ENCODER"
    )


def _named(label: str, what: str) -> Spec | None:
    """That system, under a name of its own where there is no label; None where it is none."""
    if what in BASELINES:
        return Spec(name=label or what, what=what)
    if path := _found(what):
        return Spec(name=label or (path.name if path.is_dir() else path.stem), what=path)
    model, encoder = (_found(part) for part in what.rpartition("+")[::2])
    if model and encoder and model.is_file() and encoder.is_file():
        return Spec(name=label or f"{model.stem}+{encoder.stem}", what=model, sketch=encoder)
    return None


def _found(name: str) -> Path | None:
    """A file or folder, also of the bundled weights."""
    path = BUNDLED.get(name, Path(name))
    return path.resolve() if name and path.exists() else None


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


# What a test set or another option decides.
FIXED = {"seed", "frames", "fps", "height", "width"}


def read_sampling(overrides: Sequence[str], seed: int) -> Sampling:
    """`key=value` changes of the models' recipes; ValueError for an unknown key or bad value."""
    given = read_words(overrides)
    refused = FIXED & set(given)
    if refused:
        raise ValueError(
            f"recipe {', '.join(sorted(refused))} cannot be set here: frames, fps and size come "
            "from the test set, the seed from --seed"
        )
    merged = merge(RELEASED, given)
    return Sampling(seed=seed, changes=tuple((key, merged[key]) for key in given))
