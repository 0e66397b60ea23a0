"""The nodes: ToonCrafter's method (toon_core) in ComfyUI's terms. Each file is one subject."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from .cast import ToonLoadCast, ToonLoadShot
from .compare import ToonCompareClips
from .conditioning import ToonEncodeKeys
from .decode import ToonDecode
from .expose import ToonExposeFrames
from .inputs import check_before_running
from .judge import ToonJudgeSegment
from .loaders import ToonLoadModel, ToonLoadSketchEncoder
from .native import ToonDDIMSampler, ToonGuideBranches, ToonMakeNoise, ToonScheduleSigmas
from .patches import ToonRescaleGuidance, ToonSetSchedule
from .promote import ToonPromoteFrame
from .render_shot import ToonRenderShot
from .sampling import ToonSample
from .score import ToonScoreClip
from .sequence import ToonSaveSequence
from .sketch import ToonApplySketch
from .time_sheets import ToonLoadTimeSheet, ToonSaveTimeSheet
from .timeline import ToonEditTimeline

NODES: list[type[io.ComfyNode]] = [
    ToonLoadModel,
    ToonLoadSketchEncoder,
    ToonLoadCast,
    ToonLoadShot,
    ToonEncodeKeys,
    ToonApplySketch,
    ToonSample,
    ToonDecode,
    ToonScheduleSigmas,
    ToonDDIMSampler,
    ToonMakeNoise,
    ToonRescaleGuidance,
    ToonSetSchedule,
    ToonGuideBranches,
    ToonCompareClips,
    ToonScoreClip,
    ToonEditTimeline,
    ToonRenderShot,
    ToonExposeFrames,
    ToonPromoteFrame,
    ToonJudgeSegment,
    ToonLoadTimeSheet,
    ToonSaveTimeSheet,
    ToonSaveSequence,
]
for node in NODES:
    check_before_running(node)


class ToonExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return NODES
