"""`take`: a NumPy index written as text, such as `[:, ::8]` or `[:, :, [0, -1]]`; no eval."""

from __future__ import annotations

import ast
from typing import Any

import numpy as np


def parse(text: str) -> tuple[Any, ...]:
    """ValueError for anything but integers, slices, `...`, None and lists of integers."""
    try:
        node = ast.parse(f"x{text.strip()}", mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"take = {text!r} is not an index") from error
    if not (isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name)):
        raise ValueError(f"take = {text!r} is not an index")
    index = node.slice
    parts = index.elts if isinstance(index, ast.Tuple) else [index]
    return tuple(_part(part, text) for part in parts)


def _part(node: ast.expr, text: str) -> Any:
    if isinstance(node, ast.Slice):
        ends = (node.lower, node.upper, node.step)
        return slice(*(None if end is None else _integer(end, text) for end in ends))
    if isinstance(node, ast.List):
        return [_integer(item, text) for item in node.elts]
    if isinstance(node, ast.Constant) and (node.value is None or node.value is Ellipsis):
        return node.value
    return _integer(node, text)


def _integer(node: ast.expr, text: str) -> int:
    negative = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
    value = node.operand if negative else node
    if not (isinstance(value, ast.Constant) and type(value.value) is int):
        raise ValueError(f"take = {text!r}: {ast.unparse(node)} is not an integer")
    return -value.value if negative else value.value


def take(array: np.ndarray, text: str | None) -> np.ndarray:
    return array if text is None else array[parse(text)]
