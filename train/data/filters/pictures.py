"""Filters by the pictures alone: black, still, blurred and flickering clips, and text in them."""

from collections.abc import Callable
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from train.data.filters.base import (
    INSTALL,
    Filter,
    FilterConfig,
    NoModel,
    Piece,
    Verdict,
    describe_model,
    loading,
    model_path,
)

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
SAMPLES = 8  # frames that sharpness is measured on
WINDOW = 16
STEADY = 6.0  # of 255: smaller changes are no flicker
TEXT_WEIGHTS = "ch_PP-OCRv4_det_infer.onnx"
READ = 3  # frames that text is looked for on
SIDE = 320  # short side that the detector sees: below it letters are lost, above it costs time


def black(piece: Piece, limit: float) -> Verdict:
    """Cuts black frames out; a clip of nothing else is dropped. Characters are never black."""
    if piece.alpha:
        return Verdict()
    dark = (piece.rgb[:, ::4, ::4] @ LUMA).mean((1, 2)) < limit  # every 16th pixel will do
    if dark.all():
        return Verdict(reason="black picture")
    edges = np.flatnonzero(np.diff(dark)) + 1
    return Verdict(cuts=tuple(int(i) for i in edges), again=True)


def static(piece: Piece, limit: float) -> Verdict:
    """Drops what holds still; measures how much moves, in units of 255 a second."""
    steps = piece.motion.change[:-1, 1]
    window = np.ones(min(WINDOW - 1, len(steps)))
    most = float(np.convolve(steps, window, "valid").max()) if len(steps) else 0.0
    scores = {"motion": round(float(steps.mean()) * piece.fps, 2) if len(steps) else 0.0}
    still = "" if most >= limit else f"still: changes by {most:.1f} in 16 frames"
    return Verdict(reason=still, scores=scores)


def blurred(piece: Piece, limit: float) -> Verdict:
    """Drops what has no sharp edge: the steepest step of a thousand against the contrast."""
    luma = piece.sample(SAMPLES) @ LUMA
    value = float(np.median([_sharpness(picture) for picture in luma]))
    reason = "" if value >= limit else f"blurred: sharpness {value:.2f}"
    return Verdict(reason=reason, scores={"sharpness": round(value, 3)})


def _sharpness(luma: np.ndarray) -> float:
    contrast = float(np.ptp(np.percentile(luma, (1, 99))))
    across, down = np.abs(np.diff(luma, axis=1)), np.abs(np.diff(luma, axis=0))
    steepest = max(float(np.percentile(side, 99.9)) for side in (across, down))
    return steepest / max(contrast, 16.0)


def flicker(piece: Piece, limit: float) -> Verdict:
    """Drops clips where many frames differ from both neighbours, which resemble each other."""
    if len(piece) < 3:
        return Verdict()
    step, over = piece.motion.change[:-1, 1], piece.motion.change[:-2, 2]
    least = np.minimum(step[:-1], step[1:])
    share = float(((least > STEADY) & (over < 0.4 * least)).mean())
    flickers = "" if share <= limit else f"flickers in {share:.0%} of its frames"
    return Verdict(reason=flickers, scores={"flicker": round(share, 3)})


def text(piece: Piece, load: Callable[[], Any], limit: float, sure: float) -> Verdict:
    """Drops clips where text covers more than a share of most pictures looked at, by the detector
    of PP-OCR (in the role that CRAFT has in the paper).

    On drawings the detector alone takes faces and clothes for text, so that a box counts only where
    PP-OCR's recogniser reads something in it.
    """
    shares = [text_share(load(), picture, sure) for picture in piece.sample(READ)]
    share = float(np.median(shares))
    covered = "" if share <= limit else f"text covers {share:.0%} of the picture"
    return Verdict(reason=covered, scores={"text": round(share, 4)})


def load_reader(weights: Path) -> Any:
    """PP-OCR on one thread; ModelError where the file is no such detector."""
    from rapidocr_onnxruntime import RapidOCR

    threads = {"intra_op_num_threads": 1, "inter_op_num_threads": 1}
    sides = {"det_limit_side_len": SIDE, "det_limit_type": "min"}
    with loading(weights, "no text detector of PP-OCR"):
        return RapidOCR(det_model_path=str(weights), text_score=0.0, **threads, **sides)


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


def find_text(config: FilterConfig) -> Filter | None:
    """The named file, else one in the models folder, else the one inside the package."""
    if not config.text:
        return None
    spec = find_spec("rapidocr_onnxruntime")
    if spec is None or not spec.submodule_search_locations:
        raise NoModel(INSTALL.format("rapidocr-onnxruntime==1.4.4"))
    packaged = Path(next(iter(spec.submodule_search_locations))) / "models" / TEXT_WEIGHTS
    weights = model_path(config.text_model, config.models, TEXT_WEIGHTS) or packaged
    if not weights.is_file():
        raise NoModel(f"{weights.name} is in neither {config.models} nor rapidocr-onnxruntime")
    load = cache(partial(load_reader, weights))
    judge = partial(text, load=load, limit=config.text, sure=config.text_sure)
    return Filter(f"PP-OCR {describe_model(weights)}", judge)
