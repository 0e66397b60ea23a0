"""Captions by a local image-to-text model, and whether a caption fits its picture by a local CLIP.

Both are folders inside the models folder: of transformers (BLIP-2, BLIP, GIT ...; CLIP), the CLIP
also of open_clip (open_clip_config.json beside the weights).
"""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from train.data.filters.base import (
    Filter,
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


def captions(config: FilterConfig) -> Filter | None:
    if not config.captions:
        return None
    folder = _find_folder("caption_model", config.caption_model, config.models, CAPTION_FOLDER)
    load = cache(partial(load_captioner, folder, config.device))
    return Filter(describe_model(folder), partial(caption, load=load))


def caption(piece: Piece, load: Callable[[], tuple[Any, Any]]) -> Verdict:
    """Describes the middle picture of what came without a caption. One that came with the clip is
    kept; the words of its file's name only where no model is."""
    if piece.caption and piece.caption_by == "given":
        return Verdict()
    words = describe(*load(), piece.rgb[len(piece) // 2])
    if not words:
        return Verdict(reason="the model found no words for it")
    return Verdict(changes={"caption": words, "caption_by": "model"})


def load_captioner(folder: Path, device: str) -> tuple[Any, Any]:
    """(processor, model) from a folder; ModelError where it holds none."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    dtype = torch.float32 if device == "cpu" else torch.float16
    with loading(folder, "no image-to-text model of transformers"):
        processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
        model = AutoModelForImageTextToText.from_pretrained(
            folder, local_files_only=True, dtype=dtype
        )
    return processor, model.to(device).eval()


@torch.inference_mode()
def describe(processor: Any, model: Any, picture: np.ndarray) -> str:
    """The model's caption of a picture (h w 3) uint8; decoding is greedy, so always the same."""
    inputs = processor(images=Image.fromarray(picture), return_tensors="pt")
    inputs = {k: v.to(model.device) for k, v in inputs.items()}
    inputs["pixel_values"] = inputs["pixel_values"].to(model.dtype)
    tokens = model.generate(**inputs, max_new_tokens=LONGEST, do_sample=False, num_beams=1)
    return processor.batch_decode(tokens, skip_special_tokens=True)[0].strip()


def agreement(config: FilterConfig) -> Filter | None:
    if not config.agreement:
        return None
    folder = _find_folder("clip_model", config.clip_model, config.models, CLIP_FOLDER)
    load = cache(partial(load_clip, folder, config.device))
    return Filter(describe_model(folder), partial(agree, load=load, limit=config.agreement))


def agree(piece: Piece, load: Callable[[], Embedder], limit: float) -> Verdict:
    """Drops clips whose caption, given or a model's, tells of something else, by the cosine of
    CLIP's two embeddings. The words of a file's name are no caption: nobody chose them to tell
    what is seen."""
    if not piece.caption or piece.caption_by == "name":
        return Verdict()
    pictures, words = load()(piece.sample(SAMPLES), piece.caption)
    cosine = functional.cosine_similarity(pictures.float(), words.float()).mean()
    unlike = f"its caption does not fit the picture: cosine {float(cosine):.2f}"
    reason = "" if cosine >= limit else unlike
    return Verdict(reason=reason, scores={"agreement": round(float(cosine), 4)})


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
