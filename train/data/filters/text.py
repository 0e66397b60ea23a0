"""Text in the picture, by the detector of PP-OCR (in the role that CRAFT has in the paper).

On drawings the detector alone takes faces and clothes for text, so that a box counts only where
PP-OCR's recogniser reads something in it.
"""

from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from train.data.filters.base import (
    FilterConfig,
    NoModel,
    Piece,
    Verdict,
    describe_model,
    loading,
    model_path,
)
from train.data.filters.shots import INSTALL

WEIGHTS = "ch_PP-OCRv4_det_infer.onnx"
SAMPLES = 3
SIDE = 320  # short side that the detector sees: below it letters are lost, above it costs time


@dataclass
class Text:
    """Drops clips where text covers more than a share of most pictures looked at."""

    weights: Path
    limit: float
    sure: float
    name: str = "text"
    _reader: Any = field(default=None, repr=False)

    @property
    def model(self) -> str:
        return f"PP-OCR {describe_model(self.weights)}"

    def __call__(self, piece: Piece) -> Verdict:
        self._reader = self._reader or load_reader(self.weights)
        shares = [text_share(self._reader, picture, self.sure) for picture in piece.sample(SAMPLES)]
        share = float(np.median(shares))
        scores = {"text": round(share, 4)}
        if share <= self.limit:
            return Verdict(scores=scores)
        return Verdict(reason=f"text covers {share:.0%} of the picture", scores=scores)


def text_share(reader: Any, picture: np.ndarray, sure: float) -> float:
    """Share (0..1) of a picture (h w 3) uint8 RGB inside boxes that are read with a score of
    `sure` or more; with 0 every box of the detector counts."""
    import cv2

    scale = SIDE / min(picture.shape[:2])
    size = [max(32, round(side * scale)) for side in picture.shape[1::-1]]
    image = cv2.resize(picture, size, interpolation=cv2.INTER_CUBIC)[..., ::-1]
    found, _ = reader(image, use_cls=False, use_rec=sure > 0)
    boxes = [entry[0] if sure else entry for entry in found or () if not sure or entry[2] >= sure]
    mask = np.zeros(size[::-1], np.uint8)
    for box in boxes:
        cv2.fillPoly(mask, [np.round(box).astype(np.int32)], 1)
    return float(mask.mean())


def load_reader(weights: Path) -> Any:
    """PP-OCR on one thread; ModelError where the file is no such detector."""
    from rapidocr_onnxruntime import RapidOCR

    threads = {"intra_op_num_threads": 1, "inter_op_num_threads": 1}
    sides = {"det_limit_side_len": SIDE, "det_limit_type": "min"}
    with loading(weights, "no text detector of PP-OCR"):
        return RapidOCR(det_model_path=str(weights), text_score=0.0, **threads, **sides)


def build(config: FilterConfig) -> Text | None:
    """The named file, else one in the models folder, else the one inside the package."""
    if not config.text:
        return None
    spec = find_spec("rapidocr_onnxruntime")
    if spec is None or not spec.submodule_search_locations:
        raise NoModel(INSTALL.format("rapidocr-onnxruntime==1.4.4"))
    packaged = Path(next(iter(spec.submodule_search_locations))) / "models" / WEIGHTS
    weights = model_path(config.text_model, config.models, WEIGHTS) or packaged
    if not weights.is_file():
        raise NoModel(f"{weights.name} is in neither {config.models} nor rapidocr-onnxruntime")
    return Text(weights, config.text, config.text_sure)
