"""The nodes: ToonCrafter's method (toon_core) in ComfyUI's terms. Each file is one subject."""

from __future__ import annotations

from comfy_api.latest import ComfyExtension, io

from .conditioning import ToonEncodeKeys
from .decode import ToonDecode
from .loaders import ToonLoadModel, ToonLoadSketchEncoder
from .sampling import ToonSample

NODES: list[type[io.ComfyNode]] = [
    ToonLoadModel,
    ToonLoadSketchEncoder,
    ToonEncodeKeys,
    ToonSample,
    ToonDecode,
]


class ToonExtension(ComfyExtension):
    async def get_node_list(self) -> list[type[io.ComfyNode]]:
        return NODES
