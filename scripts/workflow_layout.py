"""Where the nodes of a bundled workflow stand: columns in coloured groups, left to right.

How high a node is depends on the ComfyUI, on the renderer, and on whether it ran: pictures and
players make it grow. node_heights.json has what was measured on the page (make_workflows.py
--measure); a node starts at the least of its heights and has room for the most.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Graph = dict[str, Any]
Heights = dict[str, tuple[int, int]]  # kind of node -> least and most, without the title

TITLE, GAP, COLUMN_GAP = 30, 30, 40  # the page draws a node's title above its position
PAD, HEAD = 20, 50  # of a group: margin, and room for its heading
FOOT = 100  # below its lowest node, whose text box grows with what the node says
BETWEEN = 40  # groups
NOTE, NOTE_TYPE = "note", "MarkdownNote"
TABLE = Path(__file__).with_name("node_heights.json")

WIDTH = 340
WIDTHS = {"ToonEditTimeline": 860}
WIDTHS |= dict.fromkeys(("ToonEncodeKeys", "ToonRenderShot", "PreviewImage", "SaveVideo"), 400)
FRAMES = {"PreviewImage": 400}  # the page draws pictures into the height that is there
VIEW = {"scale": 0.6, "offset": [170, 250]}  # the top left corner below the page's own bars
# What the page writes after it has placed nodes for either renderer: it moves nothing then.
PLACED = {"workflowRendererVersion": "Vue-corrected"}
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


def kind_of(node: Graph) -> str:
    """What nodes of one height have in common: their type; notes their text, so their title."""
    return node["title"] if node["type"] == NOTE_TYPE else node["type"]


def measured_heights() -> Heights:
    """Over all that was measured: the least and the most of each type's heights."""
    found: Heights = {}
    if TABLE.is_file():
        for heights in json.loads(TABLE.read_text(encoding="utf-8")).values():
            for kind, (least, most) in heights.items():
                low, high = found.get(kind, (least, most))
                found[kind] = min(low, least), max(high, most)
    return found


def arranged(graph: Graph, stacks: list[list[Group]], note: Note, titles: dict[int, str]) -> Graph:
    """graph: as the page converted it. stacks: groups below each other, stack beside stack.

    ValueError where a node has no place.
    """
    nodes = {node["id"]: node for node in graph["nodes"]}
    key = max(nodes) + 1
    nodes[NOTE] = _note_node(key, note)
    _check(nodes, stacks)
    heights, room = measured_heights(), {}
    for name, node in nodes.items():
        least, room[name] = heights.get(kind_of(node), (node["size"][1],) * 2)
        _tidy(node, titles, FRAMES.get(node["type"], least))
    groups, left = [], 0
    for stack in stacks:
        placed = _place_stack(stack, nodes, room, left)
        groups += placed
        left += max(group["bounding"][2] for group in placed) + BETWEEN
    for number, group in enumerate(groups, 1):
        group["id"] = number
    changes = {"groups": groups, "last_node_id": key, "extra": {"ds": VIEW, **PLACED}}
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
        "type": NOTE_TYPE,
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
    }


def _tidy(node: Graph, titles: dict[int, str], height: int) -> None:
    if node["type"] != NOTE_TYPE:
        node["size"] = [WIDTHS.get(node["type"], WIDTH), height]
    if node["id"] in titles:
        node["title"] = titles[node["id"]]
    values = node.get("widgets_values")
    if isinstance(values, list):
        node["widgets_values"] = [FIXED_SEED[1] if v == FIXED_SEED[0] else v for v in values]


def _place_stack(
    stack: list[Group], nodes: dict[Any, Any], room: dict[Any, int], left: int
) -> list[Graph]:
    made, top = [], 0
    for group in stack:
        width, height = _place_group(group, nodes, room, left, top)
        bounding = [left, top, width, height]
        style = {"font_size": 24, "flags": {}}
        made.append({"title": group.title, "bounding": bounding, "color": group.color, **style})
        top += height + BETWEEN
    widest = max(group["bounding"][2] for group in made)
    for group in made:
        group["bounding"][2] = widest
    return made


def _place_group(
    group: Group, nodes: dict[Any, Any], room: dict[Any, int], left: int, top: int
) -> tuple[int, int]:
    """-> (width, height)"""
    x, lowest = left + PAD, top
    for column in group.columns:
        y, width = top + HEAD, max(nodes[key]["size"][0] for key in column)
        for key in column:
            nodes[key]["size"][0] = width
            nodes[key]["pos"] = [x, y + TITLE]
            y += TITLE + room[key] + GAP
        lowest = max(lowest, y - GAP)
        x += width + COLUMN_GAP
    return x - COLUMN_GAP + PAD - left, lowest + FOOT - top
