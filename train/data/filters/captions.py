"""Captions by a local image-to-text model, and whether a caption fits its picture by a local CLIP.

Both are folders inside the models folder: of transformers (BLIP-2, BLIP, GIT ...; CLIP), the CLIP
also of open_clip (open_clip_config.json beside the weights).
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from train.data.filters.base import (
    FilterConfig,
    NoModel,
    Piece,
    Verdict,
    describe_model,
    loading,
    model_path,
)

CAPTION_FOLDER = "caption"
CLIP_FOLDER = "clip"
LONGEST = 40  # tokens
SAMPLES = 3
Embedder = Callable[[np.ndarray, str], tuple[Tensor, Tensor]]


def _find_folder(option: str, value: str, models: str, name: str) -> Path:
    """NoModel without a folder `name` in the models folder or one that the option gives."""
    folder = model_path(value, models, name)
    if folder is None:
        raise NoModel(f"no {name} in {models}; give filters.{option}=FOLDER")
    return folder


@dataclass
class Captions:
    """Describes the middle picture of what came without a caption. One that came with the clip is
    kept; the words of its file's name only where no model is."""

    folder: Path
    device: str

    @property
    def model(self) -> str:
        return describe_model(self.folder)

    def __call__(self, piece: Piece) -> Verdict:
        if piece.caption and piece.caption_by == "given":
            return Verdict()
        caption = describe(*self._captioner, piece.rgb[len(piece) // 2])
        if not caption:
            return Verdict(reason="the model found no words for it")
        return Verdict(changes={"caption": caption, "caption_by": "model"})

    @cached_property
    def _captioner(self) -> tuple[Any, Any]:
        """(processor, model) from the folder; ModelError where it holds none."""
        from transformers import AutoModelForImageTextToText, AutoProcessor

        dtype = torch.float32 if self.device == "cpu" else torch.float16
        with loading(self.folder, "no image-to-text model of transformers"):
            processor = AutoProcessor.from_pretrained(self.folder, local_files_only=True)
            model = AutoModelForImageTextToText.from_pretrained(
                self.folder, local_files_only=True, dtype=dtype
            )
        return processor, model.to(self.device).eval()


@torch.inference_mode()
def describe(processor: Any, model: Any, picture: np.ndarray) -> str:
    """The model's caption of a picture (h w 3) uint8; decoding is greedy, so always the same."""
    inputs = processor(images=Image.fromarray(picture), return_tensors="pt")
    inputs = {k: v.to(model.device) for k, v in inputs.items()}
    inputs["pixel_values"] = inputs["pixel_values"].to(model.dtype)
    tokens = model.generate(**inputs, max_new_tokens=LONGEST, do_sample=False, num_beams=1)
    return processor.batch_decode(tokens, skip_special_tokens=True)[0].strip()


def captions(config: FilterConfig) -> Captions | None:
    if not config.captions:
        return None
    folder = _find_folder("caption_model", config.caption_model, config.models, CAPTION_FOLDER)
    return Captions(folder, config.device)


@dataclass
class Agreement:
    """Drops clips whose caption, given or a model's, tells of something else, by the cosine of
    CLIP's two embeddings. The words of a file's name are no caption: nobody chose them to tell
    what is seen."""

    folder: Path
    limit: float
    device: str

    @property
    def model(self) -> str:
        return describe_model(self.folder)

    def __call__(self, piece: Piece) -> Verdict:
        if not piece.caption or piece.caption_by == "name":
            return Verdict()
        pictures, words = self._embed(piece.sample(SAMPLES), piece.caption)
        cosine = functional.cosine_similarity(pictures.float(), words.float()).mean()
        unlike = f"its caption does not fit the picture: cosine {float(cosine):.2f}"
        reason = "" if cosine >= self.limit else unlike
        return Verdict(reason=reason, scores={"agreement": round(float(cosine), 4)})

    @cached_property
    def _embed(self) -> Embedder:
        return load_clip(self.folder, self.device)


def load_clip(folder: Path, device: str) -> Embedder:
    """embed(pictures (k h w 3) uint8, caption) -> ((k d), (1 d)); ModelError for what is none."""
    packed = (folder / "open_clip_config.json").is_file()
    with loading(folder, "no CLIP of transformers or open_clip"):
        return (_open_clip if packed else _transformers)(folder, device)


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
        inputs = processor(
            text=[caption], images=images, return_tensors="pt", padding=True, truncation=True
        ).to(device)
        out = model(**inputs)
        return out.image_embeds, out.text_embeds

    return embed


def agreement(config: FilterConfig) -> Agreement | None:
    if not config.agreement:
        return None
    folder = _find_folder("clip_model", config.clip_model, config.models, CLIP_FOLDER)
    return Agreement(folder, config.agreement, config.device)
