"""From a path to named tensors, whatever the container, without trusting it."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from .errors import (
    UNREADABLE_JSON,
    Expected,
    FileCorrupt,
    FileEmpty,
    FileMissing,
    FileTruncated,
    NotWeights,
    WrongModel,
)
from .keys import DUMP_PREFIX, canonical, harmless
from .pickles import read_pickle

Contents = tuple[dict[str, Tensor], dict[str, str]]

# First bytes of what people download in place of weights.
_OTHER_FILES = {
    b"<!doctype html": "a web page, not weights: the download was not a direct one",
    b"<html": "a web page, not weights: the download was not a direct one",
    b"<?xml": "a web server's answer, not weights: the download failed",
    b"{": "a JSON text, not weights",
    b"version https://git-lfs": "a git-lfs pointer, not weights: run `git lfs pull`",
    b"gguf": "a GGUF file, which this model does not come in",
    b"\x1f\x8b": "a gzip archive: unpack it",
    b"7z\xbc\xaf": "a 7z archive: unpack it",
}


def read_tensors(path: Path, expect: Expected | None = None) -> Contents:
    """All tensors, memory-mapped, under canonical names, and the file's text metadata.

    The schedule tables are kept, other harmless names are not read. WeightsError on anything
    that is not a readable file of tensors.
    """
    head = _first_bytes(path, expect)
    # A header's length can begin with the letters of the other formats, so this test is first.
    if head[5:9] == b"\0\0\0{":
        return _from_safetensors(path, expect)
    if head.startswith((b"PK", b"\x80")):
        return _from_pickle(path, expect)
    for start, what in _OTHER_FILES.items():
        if head.lstrip(b"\xef\xbb\xbf \r\n\t").lower().startswith(start):
            raise NotWeights(path, what, expect=expect)
    what = f"neither a safetensors nor a torch file (it begins with {head[:8]!r})"
    raise FileCorrupt(path, what, expect=expect)


def _first_bytes(path: Path, expect: Expected | None) -> bytes:
    if path.is_dir():
        raise FileMissing(path, "a folder, not a file of weights", expect=expect)
    if not path.exists():
        raise FileMissing(path, "no such file", expect=expect)
    with path.open("rb") as file:
        head = file.read(64)
    if not head:
        raise FileEmpty(path, "an empty file (0 bytes)", expect=expect)
    return head


def _from_safetensors(path: Path, expect: Expected | None) -> Contents:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            names = {n: canonical(n) for n in file.keys() if _needed(n)}  # noqa: SIM118
            return {new: file.get_tensor(old) for old, new in names.items()}, file.metadata() or {}
    except SafetensorError as error:
        has, needs = path.stat().st_size, _promised_size(path)
        if needs is not None and needs > has:
            what = f"a truncated safetensors file, {has} of {needs} bytes"
            raise FileTruncated(path, what, expect=expect) from error
        what = f"a damaged safetensors file ({error})"
        raise FileCorrupt(path, what, expect=expect) from error


def _promised_size(path: Path) -> int | None:
    """The size that the header speaks of; None for a header that cannot be read."""
    with path.open("rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        if length > path.stat().st_size:
            return 8 + length
        try:
            header = json.loads(file.read(length))
            ends = [v["data_offsets"][1] for k, v in header.items() if k != "__metadata__"]
            return 8 + length + max(map(int, ends), default=0)
        except UNREADABLE_JSON:
            return None


def _from_pickle(path: Path, expect: Expected | None) -> Contents:
    """`state_dict` (released), `module` (training dump) or the names themselves."""
    contents = read_pickle(path, expect)
    if not isinstance(contents, Mapping):
        what = f"a torch file of one {type(contents).__name__}, not of named tensors"
        raise WrongModel(path, what, expect=expect)
    metadata = {k: v for k, v in contents.items() if isinstance(v, str)}
    named: Any = contents
    for entry in ("state_dict", "module"):
        if isinstance(contents.get(entry), Mapping):
            named = contents[entry]
            if entry == "module":
                named = _without_prefix(named)
            break
    tensors = {
        canonical(k): v.detach()
        for k, v in named.items()
        if isinstance(k, str) and isinstance(v, Tensor) and _needed(k)
    }
    return tensors, metadata


def _without_prefix(named: Mapping[str, Any]) -> dict[str, Any]:
    """Names of a training dump without the wrapper's prefix, if all of them carry the same."""
    starts = {name[:DUMP_PREFIX] for name in named}
    if len(starts) == 1 and all(len(name) > DUMP_PREFIX for name in named):
        return {name[DUMP_PREFIX:]: value for name, value in named.items()}
    return dict(named)


def _needed(name: str) -> bool:
    """The two tables that tell the schedule are read, and thrown away later."""
    return name in ("alphas_cumprod", "scale_arr") or not harmless(name)
