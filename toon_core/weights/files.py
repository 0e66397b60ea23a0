"""From a path to named tensors, whatever the container, without trusting it."""

from __future__ import annotations

import json
import stat
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
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
    WeightsError,
    WrongModel,
    WrongTypes,
)
from .keys import DUMP_PREFIX, canonical, harmless
from .pickles import read_pickle

MOST_HEADER = 25_000_000  # bytes of a safetensors header; the released files' have under 1 MB
MOST_TENSORS = 20_000  # the release's training dump has under 6,000

# What safetensors raises for a file of its format that cannot be read or mapped.
_UNREADABLE = (SafetensorError, OSError, RuntimeError, ValueError, TypeError, MemoryError)

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
    """FileMissing for what is no file, before it is opened: a pipe would wait for its writer."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise FileMissing(path, _special(status.st_mode), expect=expect)
        if status.st_size == 0:
            raise FileEmpty(path, "an empty file (0 bytes)", expect=expect)
        with path.open("rb") as file:
            return file.read(64)
    except FileNotFoundError as error:
        raise FileMissing(path, "no such file", expect=expect) from error
    except WeightsError:
        raise
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FileMissing(path, f"it cannot be opened ({reason})", expect=expect) from error


def _special(mode: int) -> str:
    kinds = {"a folder": stat.S_ISDIR, "a pipe": stat.S_ISFIFO, "a socket": stat.S_ISSOCK}
    what = next((name for name, test in kinds.items() if test(mode)), "a device")
    return f"{what}, not a file of weights"


def _from_safetensors(path: Path, expect: Expected | None) -> Contents:
    try:
        length = _header_length(path)
        if path.stat().st_size >= 8 + length > 8 + MOST_HEADER:
            what = f"no file of weights: its header has {length} bytes, over {MOST_HEADER}"
            raise FileCorrupt(path, what, expect=expect)
        with safe_open(path, framework="pt", device="cpu") as file:
            names = {n: canonical(n) for n in file.keys() if _needed(n)}  # noqa: SIM118
            _check_count(path, len(names), expect)
            return {new: file.get_tensor(old) for old, new in names.items()}, file.metadata() or {}
    except WeightsError:
        raise
    except _UNREADABLE as error:
        has, needs = path.stat().st_size, _promised_size(path)
        if needs is not None and needs > has:
            what = f"a truncated safetensors file, {has} of {needs} bytes"
            raise FileTruncated(path, what, expect=expect) from error
        what = f"a damaged safetensors file ({error})"
        raise FileCorrupt(path, what, expect=expect) from error


def _header_length(path: Path) -> int:
    with path.open("rb") as file:
        return struct.unpack("<Q", file.read(8))[0]


def _promised_size(path: Path) -> int | None:
    """The size that the header speaks of; None for a header that cannot be read."""
    length = _header_length(path)
    if 8 + length > path.stat().st_size:
        return 8 + length
    try:
        with path.open("rb") as file:
            header = json.loads(file.read(8 + length)[8:])
        ends = [v["data_offsets"][1] for k, v in header.items() if k != "__metadata__"]
        return 8 + length + max(map(int, ends), default=0)
    except UNREADABLE_JSON:
        return None


def _check_count(path: Path, count: int, expect: Expected | None) -> None:
    if count > MOST_TENSORS:
        what = f"{count} tensors, where no model of this family has more than {MOST_TENSORS}"
        raise WrongModel(path, what, expect=expect)


def _from_pickle(path: Path, expect: Expected | None) -> Contents:
    """`state_dict` (released), `module` (training dump) or the names themselves."""
    contents = read_pickle(path, expect)
    if not isinstance(contents, Mapping):
        what = f"a torch file of one {type(contents).__name__}, not of named tensors"
        raise WrongModel(path, what, expect=expect)
    metadata = {k: v for k, v in contents.items() if isinstance(k, str) and isinstance(v, str)}
    named: Any = contents
    for entry in ("state_dict", "module"):
        if isinstance(contents.get(entry), Mapping):
            named = contents[entry]
            if entry == "module":
                named = _without_prefix(named)
            break
    found = {k: v for k, v in named.items() if isinstance(k, str) and isinstance(v, Tensor)}
    kept = {k: v for k, v in found.items() if _needed(k)}
    _check_count(path, len(kept), expect)
    if empty := [k for k, v in kept.items() if v.device.type != "cpu" or v.layout != torch.strided]:
        what = "sparse tensors or ones without their numbers"
        raise WrongTypes(path, empty, expect, what)
    return {canonical(k): v.detach() for k, v in kept.items()}, metadata


def _without_prefix(named: Mapping[Any, Any]) -> dict[str, Any]:
    """Names of a training dump without the wrapper's prefix, if all of them carry the same."""
    named = {name: value for name, value in named.items() if isinstance(name, str)}
    starts = {name[:DUMP_PREFIX] for name in named}
    if len(starts) == 1 and all(len(name) > DUMP_PREFIX for name in named):
        return {name[DUMP_PREFIX:]: value for name, value in named.items()}
    return named


def _needed(name: str) -> bool:
    """The two tables that tell the schedule are read, and thrown away later."""
    return name in ("alphas_cumprod", "scale_arr") or not harmless(name)
