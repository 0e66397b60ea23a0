"""Torch pickles, read only through `weights_only` with a short allow-list, and only after
`opcodes` has found nothing in them that no weights need.

The allow-list is the one ComfyUI has: what training frameworks leave beside the tensors. It is
added for the time of one read.
"""

from __future__ import annotations

import pickle
import struct
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch

from . import opcodes
from .errors import Expected, FileCorrupt, FileTruncated, NotWeights, UnsafePickle, WeightsError


class ModelCheckpoint:
    """Stands for the Lightning callback whose class names a table of scores in old dumps."""


ModelCheckpoint.__module__ = "pytorch_lightning.callbacks.model_checkpoint"


def scalar(dtype: Any, data: bytes) -> float:
    """Stands for NumPy's scalars in such tables: a plain number. Never by way of the file's own
    dtype, under which these bytes could be read as the address of an object."""
    return struct.unpack("<d", data)[0]


scalar.__module__ = "numpy.core.multiarray"

ALLOWED: list[Any] = [ModelCheckpoint, scalar, np.dtype, np.dtypes.Float64DType]

LEGACY_PICKLES = 5  # of a file before torch 1.6: magic, version, system, contents, storages

_UNREADABLE = (
    pickle.UnpicklingError,
    RuntimeError,
    OSError,
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
        with _pickles(path, zipped) as file:
            for _ in range(1 if zipped else LEGACY_PICKLES):
                opcodes.check(file)
        with torch.serialization.safe_globals(ALLOWED):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipped or None)
    except WeightsError:
        raise
    except opcodes.Refused as error:
        raise UnsafePickle(path, [error.what], expect) from error
    except opcodes.TooLarge as error:
        raise FileCorrupt(path, f"no file of weights: it has {error}", expect=expect) from error
    except _UNREADABLE as error:
        if unknown := _unknown(path):
            raise UnsafePickle(path, unknown, expect) from error
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FileCorrupt(path, f"a damaged torch file ({reason})", expect=expect) from error


def _check_archive(path: Path, expect: Expected | None) -> bool:
    """Whether it is the zip format; False for the one before torch 1.6, which has no map."""
    with path.open("rb") as file:
        if not file.read(4).startswith(b"PK"):
            if tarfile.is_tarfile(path):  # torch would unpack it
                raise NotWeights(path, "a tar archive: unpack it", expect=expect)
            return False
    if not zipfile.is_zipfile(path):
        raise FileTruncated(path, "a torch file whose end is missing", expect=expect)
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    if not any(entry.filename.endswith("/data.pkl") for entry in entries):
        raise NotWeights(path, "a zip archive without weights", expect=expect)
    # torch stores all as it is, and maps tensors from where they are: what is compressed would be
    # taken for weights, and may be a few bytes that stand for gigabytes.
    if any(
        e.compress_type != zipfile.ZIP_STORED or e.file_size != e.compress_size for e in entries
    ):
        what = (
            "a compressed zip archive, as no torch file is: unpack it and save it with torch.save"
        )
        raise FileCorrupt(path, what, expect=expect)
    if len({entry.filename.lower() for entry in entries}) < len(entries):
        raise FileCorrupt(path, "a zip archive with two entries of one name", expect=expect)
    return True


@contextmanager
def _pickles(path: Path, zipped: bool) -> Iterator[IO[bytes]]:
    """The pickle of a zip file, or a file that begins with its pickles."""
    if not zipped:
        with path.open("rb") as file:
            yield file
        return
    with zipfile.ZipFile(path) as archive:
        [name] = [name for name in archive.namelist() if name.lower().endswith("/data.pkl")]
        with archive.open(name) as file:
            yield file


def _unknown(path: Path) -> list[str]:
    """What a pickle that cannot be read names beside what weights need."""
    try:
        with _pickles(path, zipfile.is_zipfile(path)) as file:
            return [name for name in opcodes.names(file) if not opcodes.known(name)]
    except (*_UNREADABLE, opcodes.TooLarge):
        return []
