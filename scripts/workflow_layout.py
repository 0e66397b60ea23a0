"""Where the nodes of a bundled workflow stand: columns in coloured groups, left to right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Graph = dict[str, Any]

TITLE, GAP, COLUMN_GAP = 30, 24, 40  # the page draws a node's title above its position
PAD, HEAD = 20, 44  # of a group: margin, and room for its heading
BETWEEN = 40  # groups
NOTE = "note"

SIZES = {
    "ToonLoadModel": (320, 122),
    "ToonLoadCast": (320, 138),
    "ToonLoadSketchEncoder": (320, 58),
    "ToonSample": (340, 310),
    "ToonDecode": (320, 102),
    "PreviewImage": (400, 340),
    "SaveVideo": (400, 340),
    "CLIPLoader": (320, 106),
    "CLIPVisionLoader": (320, 58),
    "SamplerCustomAdvanced": (300, 106),
    "CreateVideo": (320, 78),
    "Canny": (320, 82),
    "ImageFromBatch": (320, 82),
}
VIEW = {"scale": 0.6, "offset": [170, 250]}  # the top left corner below the page's own bars
NOTE_STYLE = {"color": "#432", "bgcolor": "#653"}
FIXED_SEED = ("randomize", "fixed")


@dataclass(frozen=True, kw_only=True)
class Group:
    """columns: node ids from top to bottom; NOTE stands for the note."""

    title: str
    color: str
    columns: list[list[int | str]]


@dataclass(frozen=True, kw_only=True)
class Note:
    title: str
    text: str
    size: tuple[int, int]


def arranged(graph: Graph, stacks: list[list[Group]], note: Note, titles: dict[int, str]) -> Graph:
    """graph: as the page converted it. stacks: groups below each other, stack beside stack.

    ValueError where a node has no place.
    """
    nodes = {node["id"]: node for node in graph["nodes"]}
    key = max(nodes) + 1
    nodes[NOTE] = _note_node(key, note)
    _check(nodes, stacks)
    for node in nodes.values():
        _tidy(node, titles)
    groups, left = [], 0
    for stack in stacks:
        placed = _place_stack(stack, nodes, left)
        groups += placed
        left += max(group["bounding"][2] for group in placed) + BETWEEN
    for number, group in enumerate(groups, 1):
        group["id"] = number
    changes = {"groups": groups, "last_node_id": key, "extra": {"ds": VIEW}}
    return {**graph, "nodes": list(nodes.values()), **changes}


def _check(nodes: dict[Any, Any], stacks: list[list[Group]]) -> None:
    placed = [
        key for stack in stacks for group in stack for column in group.columns for key in column
    ]
    if sorted(map(str, placed)) != sorted(map(str, nodes)):
        raise ValueError(
            f"nodes {sorted(map(str, nodes))}, but placed are {sorted(map(str, placed))}"
        )


def _note_node(key: int, note: Note) -> Graph:
    return {
        "id": key,
        "type": "MarkdownNote",
        "title": note.title,
        "pos": [0, 0],
        "size": list(note.size),
        "flags": {},
        "order": 0,
        "mode": 0,
        "inputs": [],
        "outputs": [],
        "properties": {},
        "widgets_values": [note.text],
        **NOTE_STYLE,
    }


def _tidy(node: Graph, titles: dict[int, str]) -> None:
    node["size"] = list(SIZES.get(node["type"], node["size"]))
    if node["id"] in titles:
        node["title"] = titles[node["id"]]
    values = node.get("widgets_values")
    if isinstance(values, list):
        node["widgets_values"] = [FIXED_SEED[1] if v == FIXED_SEED[0] else v for v in values]


def _place_stack(stack: list[Group], nodes: dict[Any, Any], left: int) -> list[Graph]:
    made, top = [], 0
    for group in stack:
        width, height = _place_group(group, nodes, left, top)
        bounding = [left, top, width, height]
        style = {"font_size": 24, "flags": {}}
        made.append({"title": group.title, "bounding": bounding, "color": group.color, **style})
        top += height + BETWEEN
    widest = max(group["bounding"][2] for group in made)
    for group in made:
        group["bounding"][2] = widest
    return made


def _place_group(group: Group, nodes: dict[Any, Any], left: int, top: int) -> tuple[int, int]:
    """-> (width, height)"""
    x, lowest = left + PAD, top
    for column in group.columns:
        y, width = top + HEAD, max(nodes[key]["size"][0] for key in column)
        for key in column:
            nodes[key]["size"][0] = width
            nodes[key]["pos"] = [x, y + TITLE]
            y += TITLE + nodes[key]["size"][1] + GAP
        lowest = max(lowest, y - GAP)
        x += width + COLUMN_GAP
    return x - COLUMN_GAP + PAD - left, lowest + PAD - top
