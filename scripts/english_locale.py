"""Write locales/en/nodeDefs.json, what translators start from, from the nodes' schemas.

    .venv/bin/python scripts/english_locale.py      (or: make docs)

The schema is the one place for English; a test holds the file against it. Needs `make setup`.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / "comfy")]
FILE = ROOT / "locales" / "en" / "nodeDefs.json"


def entries(nodes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Node id -> entry, of what ComfyUI's /object_info says of each node."""
    return {name: _entry(info) for name, info in nodes.items() if name.startswith("Toon")}


def _entry(info: Mapping[str, Any]) -> dict[str, Any]:
    kinds = (info["input"].get(kind, {}) for kind in ("required", "optional"))
    inputs = {name: options for kind in kinds for name, (_, options) in kind.items()}
    outputs = zip(info["output_name"], info["output_tooltips"], strict=True)
    return {
        "display_name": info["display_name"],
        "description": info["description"],
        "inputs": {k: {"name": k, "tooltip": v["tooltip"]} for k, v in inputs.items()},
        "outputs": {str(i): {"name": n, "tooltip": t} for i, (n, t) in enumerate(outputs)},
    }


def text(nodes: Mapping[str, Mapping[str, Any]]) -> str:
    return json.dumps(entries(nodes), ensure_ascii=False, indent=2) + "\n"


def main() -> None:
    from inprocess import Comfy
    from place import comfyui_folder

    with tempfile.TemporaryDirectory() as folder:
        comfy = Comfy(comfyui_folder(), Path(folder))
        comfy.load_pack()
        found = comfy.nodes.NODE_CLASS_MAPPINGS.items()
        infos = {k: v.GET_NODE_INFO_V1() for k, v in found if k.startswith("Toon")}
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(text(infos), encoding="utf-8")


if __name__ == "__main__":
    main()
