"""Torch pickles, read only through `weights_only` with a short allow-list.

The allow-list is the one ComfyUI has: what training frameworks leave beside the tensors. It is
added for the time of one read.
"""

from __future__ import annotations

import pickle
import pickletools
import re
import struct
import zipfile
from _codecs import encode
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch

from .errors import Expected, FileCorrupt, FileTruncated, NotWeights, UnsafePickle, WeightsError


class ModelCheckpoint:
    """Stands for the Lightning callback whose class names a table of scores in old dumps."""


ModelCheckpoint.__module__ = "pytorch_lightning.callbacks.model_checkpoint"


def scalar(dtype: np.dtype, data: bytes) -> float:
    """Stands for NumPy's scalars in such tables: a plain number."""
    return np.frombuffer(data, dtype)[0].item()


scalar.__module__ = "numpy.core.multiarray"

ALLOWED = [ModelCheckpoint, scalar, np.dtype, np.dtypes.Float64DType, encode]

_UNREADABLE = (
    RuntimeError,
    EOFError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    ValueError,
    ArithmeticError,
    MemoryError,
    struct.error,
    zipfile.BadZipFile,
)


def read_pickle(path: Path, expect: Expected | None = None) -> Any:
    """The object in a torch file; tensors of the current format stay memory-mapped.

    UnsafePickle names what is not allowed; FileTruncated, FileCorrupt or NotWeights otherwise.
    """
    try:
        zipped = _check_archive(path, expect)
        with torch.serialization.safe_globals(ALLOWED):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped or None)
    except WeightsError:
        raise
    except pickle.UnpicklingError as error:
        names = _refused(path, str(error))
        if names:
            raise UnsafePickle(path, names, expect) from error
        raise FileCorrupt(path, "a damaged torch file", expect=expect) from error
    except _UNREADABLE as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FileCorrupt(path, f"a damaged torch file ({reason})", expect=expect) from error


def _check_archive(path: Path, expect: Expected | None) -> bool:
    """Whether it is the zip format; False for the one before torch 1.6, which has no map."""
    with path.open("rb") as file:
        if not file.read(4).startswith(b"PK"):
            return False
    if not zipfile.is_zipfile(path):
        raise FileTruncated(path, "a torch file whose end is missing", expect=expect)
    if _pickle_entry(path) is None:
        raise NotWeights(path, "a zip archive without weights", expect=expect)
    return True


def _pickle_entry(path: Path) -> str | None:
    with zipfile.ZipFile(path) as archive:
        return next((n for n in archive.namelist() if n.endswith("/data.pkl")), None)


def _refused(path: Path, message: str) -> list[str]:
    """Names of the objects that stopped the reading."""
    named = re.findall(r"GLOBAL ([\w.]+)", message)
    known = {f"{item.__module__}.{item.__qualname__}" for item in ALLOWED}
    own = ("torch.", "collections.")
    return named[:1] or [n for n in _globals(path) if n not in known and not n.startswith(own)]


def _globals(path: Path) -> list[str]:
    """Every object that the pickles in a file name, without running them."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive, archive.open(_pickle_entry(path)) as file:
                return list(_named(file))
        with path.open("rb") as file:
            return list(_named(file))
    except _UNREADABLE:
        return []


def _named(file: IO[bytes]) -> Iterator[str]:
    strings: list[str] = []
    for code, argument, _ in pickletools.genops(file):
        if code.name == "GLOBAL":
            yield argument.replace(" ", ".")
        elif code.name == "STACK_GLOBAL":
            yield ".".join(strings[-2:])
        elif isinstance(argument, str):
            strings.append(argument)
