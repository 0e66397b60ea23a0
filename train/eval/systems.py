"""What can be scored: checkpoints of ours, baselines, ComfyUI workflows, and folders of frames made
elsewhere."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
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
from toon_core.model import ToonModel, build_part
from toon_core.presets import RELEASED
from toon_core.recipe import Recipe
from toon_core.sketch.control import SketchControl, bright_lines, place
from toon_core.sketch.encoder import SketchEncoder, misfit
from toon_core.vae.autoencoder import Autoencoder
from toon_core.weights.checkpoint import read
from train.engine.config import merge, read_words
from train.engine.files import file_digest

from .baselines import BASELINES, Folder, baseline
from .clips import Clip, pixels
from .comfy import ComfySystem, Server, read_workflow, started

ROOT = Path(toon_core.__file__).resolve().parent.parent
NANO = ROOT / "weights" / "nano.safetensors"
NANO_SKETCH = ROOT / "weights" / "nano_sketch.safetensors"
BUNDLED = {"nano": NANO, "nano_sketch": NANO_SKETCH}
COMFY = "comfy:"
FORMS = (
    "nano, crossfade, nearest, rife, a checkpoint file, CHECKPOINT+ENCODER (a sketch encoder, "
    "which shows it the sketches), comfy:WORKFLOW.json[@URL or @FOLDER of a ComfyUI], or a folder "
    "of frames made elsewhere"
)


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
    from train.engine.sampling import sample_clip

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
    return (sample_clip(model, keys, clip.prompt, recipe, control=control) + 1) / 2


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A system as named on the command line: what it is, the sketch encoder that guides it, and
    under which name it is reported. `comfyui`: of a workflow, a server's URL or the folder of a
    ComfyUI."""

    name: str
    what: str | Path
    sketch: Path | None = None
    comfyui: str | None = None

    def open(self, device: str = "cpu") -> System:
        """Load it; ValueError if its weights are wrong or a package is absent."""
        if isinstance(self.what, str):
            return baseline(self.name, self.what, device)
        if self.comfyui is not None:
            return ComfySystem(self.name, read_workflow(self.what), self.comfyui)
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
    """`nano`, a baseline, a checkpoint file, a folder of frames or a workflow, optionally as
    LABEL=SYSTEM; a checkpoint guided by the test set's sketches as CHECKPOINT+ENCODER.

    Loads nothing but a workflow. ValueError if it is none of these.
    """
    # The whole first, then by each "=": a path may hold some too.
    cuts = [i for i, letter in enumerate(spec) if letter == "="]
    for label, rest in [("", spec), *((spec[:i], spec[i + 1 :]) for i in cuts)]:
        if found := _named(label, rest):
            return found
    raise ValueError(
        f"system {spec!r} is no baseline ({', '.join(BASELINES)}), and there is no such file or "
        f"folder; give {FORMS}"
    )


def _named(label: str, what: str) -> Spec | None:
    """That system, under a name of its own where there is no label; None where it is none."""
    if what in BASELINES:
        return Spec(name=label or what, what=what)
    if what.startswith(COMFY):
        return _workflow(label, what.removeprefix(COMFY))
    if path := _found(what):
        return Spec(name=label or (path.name if path.is_dir() else path.stem), what=path)
    model, encoder = (_found(part) for part in what.rpartition("+")[::2])
    if model and encoder and model.is_file() and encoder.is_file():
        return Spec(name=label or f"{model.stem}+{encoder.stem}", what=model, sketch=encoder)
    return None


def _workflow(label: str, what: str) -> Spec:
    """FILE, FILE@URL or FILE@FOLDER."""
    file, _, where = ("", "", "") if Path(what).is_file() else what.rpartition("@")
    path = Path(file or what)
    read_workflow(path)
    if not where:
        # The ComfyUI that this pack lies in, or that of set-up.
        folders = [ROOT.resolve().parents[1], ROOT / ".comfyui" / "ComfyUI"]
        where = next((str(f) for f in folders if (f / "main.py").is_file()), "")
    if not where.startswith(("http://", "https://")) and not (Path(where) / "main.py").is_file():
        raise ValueError(
            f"comfy:{what}: {where or 'nothing'} is neither a server's address nor the folder of a "
            "ComfyUI; write comfy:WORKFLOW.json@http://127.0.0.1:8188 or comfy:WORKFLOW.json@FOLDER"
        )
    return Spec(name=label or path.stem, what=path.resolve(), comfyui=where)


def _found(name: str) -> Path | None:
    """A file or folder, also of the bundled weights."""
    path = BUNDLED.get(name, Path(name))
    return path.resolve() if name and path.exists() else None


@contextmanager
def opened(specs: Sequence[Spec], out: Path, device: str) -> Iterator[list[Spec]]:
    """The same systems, with a server running for each workflow until the block ends: one for all
    that name the same folder, with its log in `out`. OSError where one does not answer."""
    with ExitStack() as stack:
        urls: dict[str, str] = {}
        for number, where in enumerate(dict.fromkeys(s.comfyui for s in specs if s.comfyui)):
            urls[where] = where
            if not where.startswith(("http://", "https://")):
                log = out / f"comfyui_{number}.log"
                urls[where] = stack.enter_context(started(Path(where), log, device))
            Server(urls[where]).check()
        yield [replace(s, comfyui=urls[s.comfyui]) if s.comfyui else s for s in specs]


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
