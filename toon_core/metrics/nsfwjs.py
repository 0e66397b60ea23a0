"""The MobileNetV2 inside the npm package nsfwjs, read from the package file that npm makes.

The file is looked for in a folder, never fetched, and nothing in it is run.
"""

import base64
import json
import re
import tarfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

VERSION = "4.4.0"
FILE = f"nsfwjs-{VERSION}.tgz"  # as `npm pack` names it
FOLDER = "package/dist/models/mobilenet_v2"
MANIFEST = "package/package.json"
MARK = ".exports="

# What a minifier writes otherwise than JSON: bare keys, !0 and !1, numbers that start with a point.
# Strings come first, so that nothing inside one is touched.
TOKEN = re.compile(
    r'(?P<string>"[^"\\]*(?:\\.[^"\\]*)*")|(?P<key>[A-Za-z_$][\w$]*)(?=:)'
    r"|(?P<truth>![01])|(?P<point>(?<!\d)\.(?=\d))"
)


@dataclass(frozen=True, kw_only=True)
class KerasModel:
    """layers: Keras's list, each with class_name, config and inbound_nodes; weights: {LAYER/NAME:
    float32 tensor in Keras's layout}."""

    layers: list[dict[str, Any]]
    weights: dict[str, Tensor]


def find_nsfwjs(folder: Path) -> Path | None:
    """The package file in `folder`, or None."""
    path = folder / FILE
    return path if path.is_file() else None


def read_nsfwjs(path: Path) -> KerasModel:
    """The model in the package file; ValueError if it is another file or an incomplete one."""
    model = f"{FOLDER}/model.min.js"
    try:
        read = exported(_members(path, [model])[0])
        groups = read["weightsManifest"]
        shards = [f"{FOLDER}/{name}.min.js" for group in groups for name in group["paths"]]
        data = b"".join(base64.b64decode(exported(text)) for text in _members(path, shards))
        specs = [spec for group in groups for spec in group["weights"]]
        layers = read["modelTopology"]["model_config"]["config"]["layers"]
        return KerasModel(layers=layers, weights=_weights(specs, data))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} does not hold the MobileNetV2 of nsfwjs: {error}") from error


def nsfwjs_version(path: Path) -> str:
    """The version that the package file names itself; ValueError if it does not."""
    try:
        return str(json.loads(_members(path, [MANIFEST])[0])["version"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is no npm package: {error}") from error


def exported(script: str) -> Any:
    """The literal that a minified module exports: the last `NAME.exports=VALUE` in the text.

    ValueError if there is none or VALUE is more than a literal (json.JSONDecodeError).
    """
    start = script.rfind(MARK)
    if start < 0:
        raise ValueError("a module without an export")
    text = TOKEN.sub(_as_json, script[start + len(MARK) :])
    return json.JSONDecoder().raw_decode(text)[0]


def _as_json(token: re.Match[str]) -> str:
    text = token.group()
    as_json = {"string": text, "key": f'"{text}"', "point": "0."}
    return as_json.get(token.lastgroup or "", "true" if text == "!0" else "false")


def _members(path: Path, names: Sequence[str]) -> list[str]:
    try:
        with tarfile.open(path, "r:gz") as tar:
            files = [tar.extractfile(name) for name in names]
            if None in files:
                raise ValueError(f"{names[files.index(None)]} is no file in it")
            return [file.read().decode("utf-8") for file in files if file]
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise ValueError(
            f"it cannot be unpacked ({error}); run `npm pack nsfwjs@{VERSION}` again"
        ) from error


def _weights(specs: Sequence[dict[str, Any]], data: bytes) -> dict[str, Tensor]:
    """Each weight is value * scale + min of its bytes, one after the other."""
    for spec in specs:
        kind = spec.get("quantization", {}).get("dtype")
        if kind != "uint8":
            raise ValueError(f"{spec['name']} is stored as {kind}, not as uint8")
    sizes = [prod(spec["shape"]) for spec in specs]
    if sum(sizes) != len(data):
        raise ValueError(f"{len(data)} bytes of weights, {sum(sizes)} needed")
    parts = torch.frombuffer(bytearray(data), dtype=torch.uint8).double().split(sizes)
    found = {}
    for spec, part in zip(specs, parts, strict=True):
        value = part * spec["quantization"]["scale"] + spec["quantization"]["min"]
        found[spec["name"]] = value.float().view(spec["shape"])
    return found
