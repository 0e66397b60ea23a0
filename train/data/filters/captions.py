"""Captions by a local image-to-text model of transformers (BLIP-2, BLIP, GIT ...).

A caption that came with the clip is kept; the words of its file's name only where no model is.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from train.data.filters.base import (
    FilterConfig,
    ModelError,
    NoModel,
    Piece,
    Verdict,
    described,
    model_path,
)

FOLDER = "caption"  # inside the models folder
LONGEST = 40  # tokens


@dataclass
class Captions:
    """Describes the middle picture of what came without a caption."""

    folder: Path
    device: str
    name: str = "captions"
    _loaded: Any = field(default=None, repr=False)

    @property
    def model(self) -> str:
        return described(self.folder)

    def __call__(self, piece: Piece) -> Verdict:
        if piece.caption and piece.caption_by == "given":
            return Verdict()
        self._loaded = self._loaded or load_captioner(self.folder, self.device)
        caption = describe(*self._loaded, piece.rgb[len(piece) // 2])
        if not caption:
            return Verdict(reason="the model found no words for it")
        return Verdict(changes={"caption": caption, "caption_by": "model"})


def load_captioner(folder: Path, device: str) -> tuple[Any, Any]:
    """(processor, model) from a local folder; ModelError where it holds none."""
    from transformers import AutoModelForImageTextToText, AutoProcessor

    dtype = torch.float32 if device == "cpu" else torch.float16
    try:
        processor = AutoProcessor.from_pretrained(folder, local_files_only=True)
        model = AutoModelForImageTextToText.from_pretrained(
            folder, local_files_only=True, dtype=dtype
        )
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"{folder}: no image-to-text model of transformers ({reason})") from error
    return processor, model.to(device).eval()


@torch.inference_mode()
def describe(processor: Any, model: Any, picture: np.ndarray) -> str:
    """What a model says of one picture (h w 3) uint8; greedy, so always the same."""
    given = processor(images=Image.fromarray(picture), return_tensors="pt")
    given = {k: v.to(model.device) for k, v in given.items()}
    given["pixel_values"] = given["pixel_values"].to(model.dtype)
    tokens = model.generate(**given, max_new_tokens=LONGEST, do_sample=False, num_beams=1)
    return processor.batch_decode(tokens, skip_special_tokens=True)[0].strip()


def build(config: FilterConfig) -> Captions | None:
    """NoModel without a folder `caption` in the models folder or `caption_model=FOLDER`."""
    if not config.captions:
        return None
    folder = model_path(config.caption_model, config.models, FOLDER)
    if folder is None:
        raise NoModel(f"no {FOLDER} in {config.models}; give filters.caption_model=FOLDER")
    return Captions(folder, config.device)
