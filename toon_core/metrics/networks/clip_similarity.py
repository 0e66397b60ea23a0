"""CLIP_img and CLIP_txt: likeness of a frame to the true image, or to the words, by OpenCLIP.

The files are looked for in a folder and never fetched.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn import functional as F

from ..frames import check_frames
from ..metric import HIGHER, Comparison, Metric, mean
from ..network import Network, file_label

FOLDER = "open_clip"  # inside the models folder: OpenCLIP's files as its model pages have them
CONFIG = "open_clip_config.json"
WEIGHTS = (
    "open_clip_model.safetensors",
    "model.safetensors",
    "open_clip_pytorch_model.bin",
    "pytorch_model.bin",
)


class ClipSimilarity(nn.Module):
    """Cosine similarity in the joint space of an OpenCLIP model; higher is better, at most 1.

    cos(a, b) = a.b / (|a| |b|), a the vector of a frame, b that of the true frame or the prompt.
    Radford et al., "Learning transferable visual models from natural language supervision", 2021;
    for text, Hessel et al., "CLIPScore", 2021, without its factor 2.5. `mean` and `std` are the
    model's own, of RGB in [0, 1].
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: Any, tokenize, mean: Sequence[float], std: Sequence[float]):
        super().__init__()
        self.model, self.tokenize = model, tokenize
        size = model.visual.image_size
        self.size: int = size[0] if isinstance(size, tuple) else size
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1))

    @torch.no_grad()
    def image_features(self, frames: Tensor) -> Tensor:
        """RGB frames (f 3 h w) in [0, 1] -> unit vectors (f d); keep them for the truth."""
        check_frames(frames)
        return self.model.encode_image(self.prepare(frames), normalize=True)

    def prepare(self, frames: Tensor) -> Tensor:
        """Resized to the model's size at the shorter side, cropped in the middle, normalised."""
        # Rounded as torchvision does, which the published preparation is made of.
        short = min(frames.shape[-2:])
        size = [self.size * n // short for n in frames.shape[-2:]]
        x = F.interpolate(frames.float(), size, mode="bicubic", antialias=True).clamp(0, 1)
        top, left = (round((n - self.size) / 2) for n in size)
        x = x[..., top : top + self.size, left : left + self.size]
        return (x - self.mean) / self.std

    @torch.no_grad()
    def text_features(self, prompt: str) -> Tensor:
        """A prompt -> unit vector (1 d)."""
        tokens = self.tokenize([prompt]).to(self.mean.device)
        return self.model.encode_text(tokens, normalize=True)


def cosine(a: Tensor, b: Tensor) -> Tensor:
    """Cosine of the rows of unit vectors (f d), (f d) or (1 d) -> (f)."""
    return (a * b).sum(dim=1)


def find_clip(models: Path) -> Path | None:
    """The folder of an OpenCLIP model, MODELS/open_clip with its configuration and weights."""
    folder = models / FOLDER
    held = (folder / CONFIG).is_file() and any((folder / name).is_file() for name in WEIGHTS)
    return folder if held else None


def load_clip(folder: Path) -> ClipSimilarity:
    """The model in a folder of OpenCLIP's form; ValueError if its files do not fit together."""
    import open_clip

    try:
        model = open_clip.create_model(f"local-dir:{folder}", require_pretrained=True)
        tokenize = open_clip.get_tokenizer(f"local-dir:{folder}")
        given = json.loads((folder / CONFIG).read_text(encoding="utf-8")).get("preprocess_cfg", {})
    except (RuntimeError, OSError, ValueError, KeyError, SafetensorError) as error:
        raise ValueError(f"{folder} holds no OpenCLIP model: {error}") from error
    mean = given.get("mean", open_clip.OPENAI_DATASET_MEAN)
    std = given.get("std", open_clip.OPENAI_DATASET_STD)
    return ClipSimilarity(model.eval().requires_grad_(False), tokenize, mean, std)


def _weights(models: Path) -> list[Path]:
    folder = find_clip(models)
    return [p for name in WEIGHTS if folder and (p := folder / name).is_file()][:1]


def _to_words(clip: Comparison) -> float:
    assert clip.networks is not None
    words = clip.networks["open_clip"].text_features(clip.prompt)
    return mean(cosine(clip.view("open_clip"), words))


METRICS = (
    Metric(
        key="clip_img",
        title="CLIP_img",
        better=HIGHER,
        digits=3,
        meaning="cosine of the frame and the true frame.",
        compute=lambda clip: mean(cosine(clip.view("open_clip"), clip.true_view("open_clip"))),
        needs=("truth", "open_clip"),
        place=40,
        sampled=True,
    ),
    Metric(
        key="clip_txt",
        title="CLIP_txt",
        better=HIGHER,
        digits=3,
        meaning="cosine of the frame and the prompt, where one is.",
        compute=_to_words,
        needs=("prompt", "open_clip"),
        place=50,
        sampled=True,
    ),
)
NETWORKS = (
    Network(
        name="open_clip",
        advice=f"put {FOLDER}/ with an OpenCLIP model's configuration and weights into the models "
        "folder",
        files=_weights,
        label=lambda models: f"OpenCLIP ({file_label(_weights(models)[0])})",
        load=lambda models: load_clip(models / FOLDER),
        look=lambda net, view: net.image_features(view.frames[view.chosen]),
    ),
)
