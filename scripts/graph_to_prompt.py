"""Turn a workflow as the page saves it (UI graph) into the prompt the server runs (API format).

The page does this itself; here it is done from /object_info alone, for running without a browser.
Not handled, and refused by name: bypassed nodes, subgraphs, primitive nodes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

WIDGET_TYPES = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}
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
    names = list(_widget_names(info))
    if isinstance(values, dict):
        return {name: values[name] for name in names if name in values}
    if len(values) < len(names):
        raise ValueError(
            f"node {node['id']} ({node['type']}) has {len(values)} widget values, but this "
            f"version of the node has {len(names)}; save the workflow again on the page"
        )
    # strict=False: buttons such as "upload" leave a value of their own at the end
    return {name: value for name, value in zip(names, values, strict=False) if name}


def _widget_names(info: dict[str, Any]) -> Iterator[str | None]:
    """The inputs that are widgets, in the page's order; None for a widget the server never sees."""
    for group in ("required", "optional"):
        declared = info["input"].get(group, {})
        for name in info.get("input_order", {}).get(group, declared):
            kind, options = declared[name][0], (list(declared[name]) + [{}])[1]
            if not (isinstance(kind, list) or kind in WIDGET_TYPES) or options.get("forceInput"):
                continue
            yield name
            seed = kind == "INT" and name in ("seed", "noise_seed")
            if options.get("control_after_generate", seed):
                yield None  # "fixed", "randomize", ...
