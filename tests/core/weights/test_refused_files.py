"""Every wrong file is one clear error: which file, what it looks like, what to get, where to."""

from __future__ import annotations

import io
import os
import pickle
import random
import struct
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save

import toon_core
from toon_core.presets import nano_sketch
from toon_core.weights import errors, pickles


def torch_bytes(contents: object, **options) -> bytes:
    buffer = io.BytesIO()
    torch.save(contents, buffer, **options)
    return buffer.getvalue()


SMALL = {"a.weight": torch.zeros(8, 8)}
LEGACY = torch_bytes(SMALL, _use_new_zipfile_serialization=False)


def headed(text: bytes) -> bytes:
    """A safetensors file of a header alone."""
    return struct.pack("<Q", len(text)) + text


def zip_of(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, "hello")
    return buffer.getvalue()


DIRECTORY_LOST = torch_bytes(SMALL).replace(b"PK\x01\x02", b"PK\x01\x03")
NAME_LOST = zip_of("\u00e9/data.pkl").replace("\u00e9".encode(), b"\xff\xfe")


@pytest.mark.parametrize(
    ("contents", "kind", "words"),
    [
        (b"", errors.FileEmpty, "0 bytes"),
        (b"\n<!DOCTYPE html><html>Sign in", errors.NotWeights, "a web page"),
        (b"<html><body>404", errors.NotWeights, "a web page"),
        (b"<?xml version='1.0'?><Error>AccessDenied", errors.NotWeights, "download failed"),
        (b"version https://git-lfs.github.com/spec/v1\noid", errors.NotWeights, "git lfs pull"),
        (b'{"error": "gated"}', errors.NotWeights, "JSON"),
        (b"GGUF" + bytes(60), errors.NotWeights, "GGUF"),
        (b"\x00\xff" * 50, errors.FileCorrupt, "neither a safetensors nor a torch file"),
        (save(SMALL)[:-100], errors.FileTruncated, "truncated safetensors"),
        (save(SMALL)[:40], errors.FileTruncated, "truncated safetensors"),
        (save(SMALL) + b"more", errors.FileCorrupt, "damaged safetensors"),
        (headed(b"{not json"), errors.FileCorrupt, "damaged safetensors"),
        (torch_bytes(SMALL)[:-100], errors.FileTruncated, "whose end is missing"),
        (headed(b'{"a": {"data_offsets": [0, {}]}}'), errors.FileCorrupt, "damaged safetensors"),
        (headed(b'{"a":' + b"[" * 100_000), errors.FileCorrupt, "damaged safetensors"),
        (LEGACY[:-100], errors.FileCorrupt, ""),
        (b"\x80\x02" + bytes(100), errors.FileCorrupt, "damaged torch file"),
        (zip_of("readme.txt"), errors.NotWeights, "a zip archive without weights"),
        (zip_of("model/data.pkl"), errors.FileCorrupt, "damaged torch file"),
        (DIRECTORY_LOST, errors.FileCorrupt, "damaged torch file"),
        (NAME_LOST, errors.FileCorrupt, "damaged torch file"),
        (torch_bytes([1, 2]), errors.WrongModel, "of one list"),
        (torch_bytes({"epoch": 3}), errors.WrongModel, "no tensors at all"),
    ],
)
def test_not_a_readable_file_of_weights(refuse, contents, kind, words, tmp_path: Path):
    for name in ("model.ckpt", "model.safetensors"):
        path = tmp_path / name
        path.write_bytes(contents)
        refuse(path, kind, words)


def test_truncation_tells_the_sizes(refuse, tmp_path: Path):
    path = tmp_path / "model.safetensors"
    whole = save(SMALL)
    path.write_bytes(whole[:-100])
    refuse(path, errors.FileTruncated, f"{len(whole) - 100} of {len(whole)} bytes")


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("whole", [save(SMALL), torch_bytes(SMALL), LEGACY])
def test_damage_of_any_kind_is_an_error_of_ours(whole: bytes, tmp_path: Path):
    """300 copies with bytes changed, lost and added; seeded."""
    rng, path = random.Random(5), tmp_path / "model.ckpt"
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(rng.choice((1, 2, 20))):
            at = rng.randrange(len(damaged))
            damaged[at : at + rng.randrange(12)] = rng.randbytes(rng.randrange(12))
        path.write_bytes(damaged)
        with pytest.raises(errors.WeightsError, match="model.ckpt"):
            toon_core.load(path)


def test_nothing_there(refuse, tmp_path: Path):
    refuse(tmp_path / "model.ckpt", errors.FileMissing, "no such file")
    refuse(tmp_path, errors.FileMissing, "a folder")


class Attack:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.mark.parametrize("form", ["zip", "before 1.6", "plain 2", "plain 4"])
def test_malicious_pickle_is_refused_by_name_and_not_run(refuse, form, tmp_path: Path):
    marker, path = tmp_path / "was run", tmp_path / "model.ckpt"
    contents = {"state_dict": {"a": Attack(marker)}}
    if form.startswith("plain"):
        path.write_bytes(pickle.dumps(contents, protocol=int(form[-1])))
    else:
        torch.save(contents, path, _use_new_zipfile_serialization=form == "zip")
    message = refuse(path, errors.UnsafePickle, f"{os.name}.mkdir", "malicious", "Delete it")
    assert not marker.exists() and "add_safe_globals" not in message


class OldNumPyScalar:
    def __reduce__(self):
        return pickles.scalar, (np.dtype("f8"), b"\0\0\0\0\0\0\xe0?")


def test_what_lightning_leaves_is_allowed(monkeypatch, refuse, sketch_state, tmp_path: Path):
    """A table of scores keyed by the callback's class, with NumPy numbers in it."""
    name = pickles.ModelCheckpoint.__module__
    module = SimpleNamespace(ModelCheckpoint=pickles.ModelCheckpoint, Other=Other)
    monkeypatch.setitem(sys.modules, name.split(".")[0], module)
    monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr("numpy.core.multiarray.scalar", pickles.scalar)
    path = tmp_path / "model.ckpt"
    scores = {pickles.ModelCheckpoint: {"best": OldNumPyScalar()}}
    torch.save({"state_dict": sketch_state, "callbacks": scores}, path)
    # ComfyUI, where it is loaded, allows a class of the same name: either may stand in.
    assert [key.__module__ for key in pickles.read_pickle(path)["callbacks"]] == [name]
    assert toon_core.load(path, config=nano_sketch()).config == nano_sketch()
    monkeypatch.setattr(Other, "__module__", name)
    torch.save({"state_dict": sketch_state, "callbacks": {Other: 0}}, path)
    refuse(path, errors.UnsafePickle, f"build {name}.Other,")


class Other:
    pass


def test_unknown_instructions_are_no_accusation(refuse, tmp_path: Path):
    """Damage beside allowed names is damage, not malice."""
    path = tmp_path / "model.ckpt"
    path.write_bytes(b"\x80\x02cnumpy\ndtype\nI5\n.")
    refuse(path, errors.FileCorrupt, "damaged torch file")


@pytest.mark.parametrize("kind", [errors.FileTruncated, errors.SurplusKeys])
def test_an_error_of_another_process_arrives_as_it_was(kind):
    error = kind("model.ckpt", ["a.weight"], expect="toon")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind and str(again) == str(error) and vars(again) == vars(error)
