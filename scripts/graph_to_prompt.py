"""Turn a workflow as the page saves it (UI graph) into the prompt the server runs (API format).

The page does this itself; here it is done from /object_info alone, for running without a browser.
Not handled, and refused by name: bypassed nodes, subgraphs, primitive nodes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

DYNAMIC_COMBO = "COMFY_DYNAMICCOMBO_V3"  # a choice with widgets of its own: "name", "name.sub"
WIDGET_TYPES = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO", DYNAMIC_COMBO}
COMMENTS = {"Note", "MarkdownNote"}
MUTED, BYPASSED = 2, 4

Graph = dict[str, Any]
Link = tuple[Any, int]  # (node id, output slot)


def prompt_from_graph(graph: Graph, object_info: dict[str, Any]) -> dict[str, Any]:
    """graph: a parsed workflow file; object_info: the server's answer to GET /object_info.

    Raises ValueError naming the node that cannot be converted.
    """
    nodes = {node["id"]: node for node in graph["nodes"]}
    links = dict(_read_link(link) for link in graph.get("links", []))
    prompt = {}
    for node in graph["nodes"]:
        if node["type"] in COMMENTS | {"Reroute"} or node.get("mode") == MUTED:
            continue
        _check(node, object_info)
        info = object_info[node["type"]]
        prompt[str(node["id"])] = {
            "class_type": node["type"],
            "inputs": {**_widgets(node, info), **_links(node, nodes, links)},
            "_meta": {"title": node.get("title") or info["display_name"]},
        }
    return prompt


def _check(node: dict[str, Any], object_info: dict[str, Any]) -> None:
    name = f"node {node['id']} ({node['type']})"
    if node["type"] not in object_info:
        raise ValueError(f"{name}: this ComfyUI has no such node; is the pack in custom_nodes?")
    if node.get("mode") == BYPASSED:
        raise ValueError(f"{name} is bypassed; bypassed nodes need the page, open it there")


def _read_link(link: Any) -> tuple[int, Link]:
    if isinstance(link, dict):
        return link["id"], (link["origin_id"], link["origin_slot"])
    return link[0], (link[1], link[2])


def _links(
    node: dict[str, Any], nodes: dict[Any, Any], links: dict[int, Link]
) -> dict[str, list[Any]]:
    found = {}
    for socket in node.get("inputs", []):
        if socket.get("link") is None:
            continue
        source = _origin(links[socket["link"]], nodes, links)
        if source:
            found[socket["name"]] = [str(source[0]), source[1]]
    return found


def _origin(link: Link, nodes: dict[Any, Any], links: dict[int, Link]) -> Link | None:
    """Where a link really starts: reroutes passed, None behind a muted node."""
    node = nodes[link[0]]
    if node.get("mode") == MUTED:
        return None
    if node["type"] != "Reroute":
        return link
    before = node["inputs"][0].get("link")
    return None if before is None else _origin(links[before], nodes, links)


def _widgets(node: dict[str, Any], info: dict[str, Any]) -> dict[str, Any]:
    values = node.get("widgets_values") or []
    if isinstance(values, dict):
        return {name: values[name] for name, _ in _declared(info) if name in values}
    try:
        # Values may be left over: buttons such as "upload" have one of their own at the end.
        return dict(_assigned(info, iter(values)))
    except _Missing as missing:
        raise ValueError(
            f"node {node['id']} ({node['type']}) has {len(values)} widget values and none for "
            f"{missing}, which has no default; save the workflow again on the page"
        ) from None


class _Missing(Exception):
    """The name of a widget that has neither a value nor a default."""


def _assigned(
    info: dict[str, Any], values: Iterator[Any], before: str = ""
) -> Iterator[tuple[str, Any]]:
    """(name, value) of each widget in the page's order. A node of a newer ComfyUI may have more
    widgets than the file has values: they take their defaults, as on the page."""
    for name, (kind, options) in _declared(info):
        value = next(values, _default(kind, options))
        if value is _Missing:
            raise _Missing(before + name)
        yield before + name, value
        if kind == DYNAMIC_COMBO:
            for choice in options["options"]:
                if choice["key"] == value:
                    yield from _assigned({"input": choice["inputs"]}, values, f"{before}{name}.")
        elif _has_control(name, kind, options):
            next(values, None)  # "fixed", "randomize", ...: the server never gets it


def _declared(info: dict[str, Any]) -> Iterator[tuple[str, tuple[Any, dict[str, Any]]]]:
    """(name, (kind, options)) of the inputs that are widgets, in the page's order."""
    for group in ("required", "optional"):
        declared = info["input"].get(group, {})
        for name in info.get("input_order", {}).get(group, declared):
            kind, options = (list(declared[name]) + [{}])[:2]
            # A widget of several types, or one that a pack brings, says so by a type of its own.
            widget = isinstance(kind, list) or kind in WIDGET_TYPES or "widgetType" in options
            if (widget or options.get("socketless")) and not options.get("forceInput"):
                yield name, (kind, options)


def _default(kind: Any, options: dict[str, Any]) -> Any:
    """What the page shows where a file has no value; _Missing if it is not declared."""
    if "default" in options:
        return options["default"]
    if kind == DYNAMIC_COMBO:
        return options["options"][0]["key"]
    choices = kind if isinstance(kind, list) else options.get("options")
    return choices[0] if choices else _Missing


def _has_control(name: str, kind: Any, options: dict[str, Any]) -> bool:
    seed = kind == "INT" and name in ("seed", "noise_seed")
    return bool(options.get("control_after_generate", seed))
