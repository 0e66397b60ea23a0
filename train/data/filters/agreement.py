"""Do picture and caption agree? The cosine of a local CLIP's two embeddings.

The folder is one of transformers (config.json) or of open_clip (open_clip_config.json beside the
weights).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from train.data.filters.base import (
    FilterConfig,
    ModelError,
    NoModel,
    Piece,
    Verdict,
    described,
    model_path,
)

FOLDER = "clip"  # inside the models folder
SAMPLES = 3
Embedder = Callable[[np.ndarray, str], tuple[Tensor, Tensor]]


@dataclass
class Agreement:
    """Drops clips whose caption, given or a model's, tells of something else. The words of a file's
    name are no caption: nobody chose them to tell what is seen."""

    folder: Path
    limit: float
    device: str
    name: str = "agreement"
    _embed: Embedder | None = field(default=None, repr=False)

    @property
    def model(self) -> str:
        return described(self.folder)

    def __call__(self, piece: Piece) -> Verdict:
        if not piece.caption or piece.caption_by == "name":
            return Verdict()
        self._embed = self._embed or load_clip(self.folder, self.device)
        pictures, words = self._embed(piece.sample(SAMPLES), piece.caption)
        cosine = functional.cosine_similarity(pictures.float(), words.float()).mean()
        scores = {"agreement": round(float(cosine), 4)}
        if cosine >= self.limit:
            return Verdict(scores=scores)
        reason = f"its caption does not fit the picture: cosine {float(cosine):.2f}"
        return Verdict(reason=reason, scores=scores)


def load_clip(folder: Path, device: str) -> Embedder:
    """embed(pictures (k h w 3) uint8, caption) -> ((k d), (1 d)); ModelError for what is none."""
    packed = (folder / "open_clip_config.json").is_file()
    try:
        return (_open_clip if packed else _transformers)(folder, device)
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"{folder}: no CLIP of transformers or open_clip ({reason})") from error


def _open_clip(folder: Path, device: str) -> Embedder:
    import open_clip

    name = f"local-dir:{folder.resolve()}"
    model, preprocess = open_clip.create_model_from_pretrained(name, device=device)
    tokenizer = open_clip.get_tokenizer(name)
    model.eval()

    @torch.inference_mode()
    def embed(pictures: np.ndarray, caption: str) -> tuple[Tensor, Tensor]:
        images = torch.stack([preprocess(Image.fromarray(picture)) for picture in pictures])
        words = tokenizer([caption]).to(device)
        return model.encode_image(images.to(device)), model.encode_text(words)

    return embed


def _transformers(folder: Path, device: str) -> Embedder:
    from transformers import AutoProcessor, CLIPModel

    processor: Any = AutoProcessor.from_pretrained(folder, local_files_only=True)
    model = CLIPModel.from_pretrained(folder, local_files_only=True).to(device).eval()

    @torch.inference_mode()
    def embed(pictures: np.ndarray, caption: str) -> tuple[Tensor, Tensor]:
        images = [Image.fromarray(picture) for picture in pictures]
        given = processor(
            text=[caption], images=images, return_tensors="pt", padding=True, truncation=True
        ).to(device)
        out = model(**given)
        return out.image_embeds, out.text_embeds

    return embed


def build(config: FilterConfig) -> Agreement | None:
    """NoModel without a folder `clip` in the models folder or `clip_model=FOLDER`."""
    if not config.agreement:
        return None
    folder = model_path(config.clip_model, config.models, FOLDER)
    if folder is None:
        raise NoModel(f"no {FOLDER} in {config.models}; give filters.clip_model=FOLDER")
    return Agreement(folder, config.agreement, config.device)
