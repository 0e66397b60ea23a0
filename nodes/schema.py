"""A node's description to the page, with what only newer ComfyUI shows of it.

Older ones have no words to find a node by and fold no inputs away: there the node is the same
without them.
"""

from __future__ import annotations

from collections.abc import Collection
from inspect import signature
from typing import Any

from comfy_api.latest import io

FAMILY = ("toontween", "tooncrafter")  # what every node of the pack is found by
BETWEEN = ("interpolation", "interpolate", "in-between", "inbetween", "tween", "keyframes")
CARTOON = ("cartoon", "anime", "animation", "dynamicrafter")


def schema(
    *,
    search_aliases: Collection[str] = (),
    advanced: Collection[str] = (),
    inputs: list[Any],
    **fields: Any,
) -> io.Schema:
    """io.Schema's own fields, and
    search_aliases: words beside the name and FAMILY by which the page's search finds the node;
    advanced: ids of the inputs that stay folded away until the user asks for them.

    ValueError for an id that no input has.
    """
    by_id = {given.id: given for given in inputs}
    if unknown := set(advanced) - by_id.keys():
        raise ValueError(f"{fields['node_id']} has no input {', '.join(sorted(unknown))}")
    for name in advanced:
        if hasattr(by_id[name], "advanced"):
            by_id[name].advanced = True
    if "search_aliases" in signature(io.Schema).parameters:
        fields["search_aliases"] = [*FAMILY, *search_aliases]
    return io.Schema(inputs=inputs, **fields)
