"""Files made to break the reader: refused by name before anything in them runs or grows."""

from __future__ import annotations

import io
import json
import os
import pickle
import socket
import struct
import zipfile
from collections import Counter, OrderedDict
from pathlib import Path

import pickled
import pytest
import torch
from safetensors.torch import save, save_file

from toon_core.weights import errors, opcodes
from toon_core.weights.lora import read_adapters
from toon_core.weights.pickles import read_pickle

UNET = "model.diffusion_model."


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("address", errors.UnsafePickle, "numpy.dtype('O'"),
        ("address_fields", errors.UnsafePickle, "a state of numpy.dtype"),
        ("dtype_text", errors.UnsafePickle, "numpy.dtype('S1000000000')"),
        ("punycode", errors.UnsafePickle, "_codecs.encode("),
        ("hash", errors.FileCorrupt, "a tuple of more than"),
        ("print_storage", errors.FileCorrupt, "a tuple of more than"),
        ("million_steps", errors.FileCorrupt, "more than 1000000 steps"),
        ("long_text", errors.FileCorrupt, "a pickle of more than 16 MB"),
        ("new", errors.UnsafePickle, "collections.OrderedDict"),
    ],
)
@pytest.mark.parametrize("form", ["zip", "legacy"])
def test_pickles_of_allowed_names(refuse, name, kind, words, form, tmp_path: Path):
    path = tmp_path / "model.ckpt"
    path.write_bytes(pickled.FORMS[form](pickled.HOSTILE[name]))
    refuse(path, kind, words)


@pytest.mark.parametrize("name", ["bytearray", "bytes", "tensor", "storage", "from_file"])
def test_calls_that_only_take_memory(refuse, name, tmp_path: Path):
    """torch's own weights_only makes a bytearray of any size."""
    path = tmp_path / "model.ckpt"
    path.write_bytes(pickled.zipped(pickled.gadgets()[name]))
    refuse(path, errors.UnsafePickle, pickled.RUNS[name][1])


def test_all_that_training_leaves_beside_tensors_is_followed(tmp_path: Path):
    contents = {
        "state_dict": OrderedDict(a=torch.zeros(2), b=torch.nn.Parameter(torch.ones(3).bfloat16())),
        "lr_schedulers": [{"milestones": Counter({3: 1}), "size": torch.Size([1, 2])}],
        "callbacks": {"best": None, "epochs": (1, 2.5, True), "name": "x", "raw": b"\xff\0"},
        "views": {k: torch.zeros(4, 4)[k:] for k in range(3)},
        "device": torch.device("cpu"),
        "types": [torch.float16, torch.int64],
    }
    for zipped in (True, False):
        path = tmp_path / f"{zipped}.ckpt"
        torch.save(contents, path, _use_new_zipfile_serialization=zipped)
        again = read_pickle(path)
        assert again["lr_schedulers"] == contents["lr_schedulers"]
        assert again["types"] == contents["types"]
        assert torch.equal(again["state_dict"]["b"], contents["state_dict"]["b"])


def test_a_pickle_is_followed_to_its_end_and_no_further():
    file = io.BytesIO(pickle.dumps({"a": (1, 2)}, 2) + b"rest")
    opcodes.check(file)
    assert file.read() == b"rest"


def test_compressed_archives(refuse, tmp_path: Path):
    """A bomb, and what torch would map as if it were weights."""
    path = tmp_path / "model.ckpt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", bytes(50_000_000))
    refuse(path, errors.FileCorrupt, "a compressed zip archive")


def test_headers_larger_than_any_model_s(refuse, tmp_path: Path):
    path = tmp_path / "model.safetensors"
    length = 500_000_000
    with path.open("wb") as file:
        file.write(struct.pack("<Q", length) + b"{")
        file.truncate(8 + length)
    refuse(path, errors.FileCorrupt, "its header has 500000000 bytes")


def test_more_tensors_than_any_model_has(refuse, tmp_path: Path):
    empty = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    text = json.dumps({f"t{i}": empty for i in range(30_000)}).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text)
    refuse(path, errors.WrongModel, "30000 tensors")
    one = torch.zeros(())
    torch.save({f"t{i}": one for i in range(21_000)}, path)
    refuse(path, errors.WrongModel, "21000 tensors")


@pytest.mark.parametrize("what", ["a pipe", "a socket", "a device"])
def test_what_is_no_file_is_not_opened(refuse, monkeypatch, what, tmp_path: Path):
    path = tmp_path / "m.ckpt"
    monkeypatch.chdir(tmp_path)
    if what == "a pipe":
        os.mkfifo(path)
    elif what == "a socket":
        socket.socket(socket.AF_UNIX).bind(path.name)
    else:
        path.symlink_to(os.devnull)
    refuse(path, errors.FileMissing, f"{what}, not a file of weights")


def test_names_in_messages_are_short_and_steer_no_terminal(refuse, tmp_path: Path):
    path = tmp_path / "model.safetensors"
    save_file({"\x1b[31m" + "x" * 100_000: torch.zeros(1), "\r\n\u202e": torch.zeros(1)}, path)
    message = refuse(path, errors.WrongModel, "2 tensors of an unknown model", r"\x1b[31mx")
    assert len(message) <= 1000 and message.isprintable()


@pytest.mark.parametrize("dtype", [torch.int8, torch.int64, torch.bool, torch.complex64])
def test_whole_and_complex_numbers_are_no_weights(refuse, pruned_config, pruned_state, ckpt, dtype):
    one = UNET + "out.2.weight"
    for state in (
        {k: v.to(dtype) for k, v in pruned_state.items()},
        {**pruned_state, one: pruned_state[one].to(dtype)},
    ):
        path = ckpt(state)
        refuse(path, errors.WrongTypes, str(dtype), "a quantised or damaged", config=pruned_config)


LAYER = "diffusion_model.input_blocks.1.1.proj_in"
LORA = {f"{LAYER}.lora_A.weight": torch.ones(2, 8), f"{LAYER}.lora_B.weight": torch.ones(4, 2)}
LORA_A = f"{LAYER}.lora_A.weight"


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({LORA_A: torch.ones(8)}, errors.WrongShapes, "must be (r, in) and (out, r)"),
        ({LORA_A: torch.ones(3, 8)}, errors.WrongShapes, "must be (r, in) and (out, r)"),
        ({LORA_A: torch.ones(2, 8).int()}, errors.WrongTypes, "torch.int32"),
        ({LORA_A: torch.ones(2, 8) / 0}, errors.WrongValues, "its training broke down"),
        ({f"{LAYER}.alpha": torch.ones(3)}, errors.WrongShapes, "must be one number"),
        ({f"{LAYER}.dora_scale": torch.ones(3)}, errors.SurplusKeys, "of another kind"),
        ({"x.y.lora_A.weight": torch.ones(2, 8)}, errors.MissingKeys, "x.y.lora_B.weight"),
    ],
)
def test_adapters(changes, kind, words, tmp_path: Path):
    path = tmp_path / "lora.safetensors"
    path.write_bytes(save({**LORA, **changes}))
    with pytest.raises(kind) as caught:
        read_adapters(path)
    assert words in str(caught.value) and "ComfyUI/models/loras" in str(caught.value)
    path.write_bytes(save({**LORA, f"{LAYER}.alpha": torch.tensor(2.0)}))
    assert set(LORA) <= read_adapters(path).keys()
