"""Malformed and hostile files of weights and LoRA, given to `toon_core.load` and to what the loader
node reads LoRA with."""

from __future__ import annotations

import copy
import functools
import io
import json
import os
import socket
import struct
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pickled
import torch
from case import Case
from safetensors.torch import save as safetensors_bytes
from torch import Tensor

import toon_core
from toon_core.config import PARTS, SketchConfig, ToonConfig
from toon_core.model import ToonModel
from toon_core.presets import nano, nano_sketch
from toon_core.preview import Preview
from toon_core.recipe import Recipe
from toon_core.sketch.encoder import SketchEncoder
from toon_core.weights.configure import CONFIG_KEY
from toon_core.weights.lora import read_adapters
from toon_core.weights.save import released_state

UNET = "model.diffusion_model."
Make = Callable[[Path], object]


@functools.cache
def config() -> ToonConfig:
    """Every part, with two levels."""
    full = nano()
    return replace(
        full,
        unet=replace(full.unet, channel_mult=(1, 2), attention_resolutions=(2, 1)),
        vae=replace(full.vae, ch_mult=(1, 1, 2)),
        clip=replace(full.clip, text_layers=1, vision_layers=1),
        preview=Preview(factors=((0.1, 0.2, 0.3),) * 4, bias=(0.0, 0.0, 0.0)),
    )


@functools.cache
def state() -> dict[str, Tensor]:
    """That model's tensors, each of one number repeated, for files to be small."""
    shapes = released_state(ToonModel(config(), device="meta"))
    return {k: torch.tensor(0.01).expand(v.shape) for k, v in shapes.items()}


@functools.cache
def sketch() -> dict[str, Tensor]:
    shapes = SketchEncoder(nano_sketch(), device="meta").state_dict()
    return {k: torch.tensor(0.01).expand(v.shape) for k, v in shapes.items()}


def written(values: Any = None, **changes: Any) -> str:
    """The configuration as a file has it, with fields changed by `part.field`."""
    values = copy.deepcopy(config().to_dict() if values is None else values)
    for path, value in changes.items():
        *parts, name = path.split("__")
        place = values
        for part in parts:
            place = place[part]
        place[name] = value
    return json.dumps(values)


def good(folder: Path) -> None:
    path = folder / "good.ckpt"
    torch.save({"state_dict": sketch()}, path)
    assert toon_core.load(path, config=nano_sketch()).config == nano_sketch()


def cases() -> list[Case]:
    state(), sketch()
    groups = [containers(), truncations(), headers(), pickles(), archives(), configurations()]
    groups += [numbers(), names(), places(), adapters()]
    return [case for group in groups for case in group]


def file(
    name: str,
    make: bytes | Make,
    suffix: str = ".ckpt",
    *,
    refused: bool | None = True,
    say: str = "",
    read: Callable[[Path], object] = toon_core.load,
) -> Case:
    """A file that `make` is or writes, to be loaded. The message must have its name, and `say`."""

    def attempt(folder: Path) -> None:
        path = folder / f"{name}{suffix}"
        if isinstance(make, bytes):
            path.write_bytes(make)
        else:
            make(path)
        try:
            read(path)
        except ValueError as error:
            if path.name not in str(error):
                raise AssertionError(f"without the file's name: {error}") from error
            raise

    names = (say,) if say else (name,)
    return Case(area="weights", name=name, attempt=attempt, names=names, refused=refused)


def saved(contents: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(contents, buffer, **options)
    return buffer.getvalue()


def headed(text: bytes, data: bytes = b"") -> bytes:
    return struct.pack("<Q", len(text)) + text + data


def pickle_file(text: str) -> Make:
    """The small form: tensors that repeat one number, and the configuration beside them."""
    return saver({"state_dict": state(), CONFIG_KEY: text})


def saver(contents: Any) -> Make:
    return lambda path: torch.save(contents, path)


# What is no file of weights by its first bytes.
STARTS = {
    "empty": b"",
    "one_byte": b"\x80",
    "html": b"<!DOCTYPE html><html>Sign in",
    "xml": b"<?xml version='1.0'?><Error>AccessDenied</Error>",
    "lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
    "json": b'{"error": "gated"}',
    "gguf": b"GGUF\3\0\0\0" + bytes(64),
    "gzip": b"\x1f\x8b\x08" + bytes(64),
    "seven_zip": b"7z\xbc\xaf\x27\x1c" + bytes(64),
    "rar": b"Rar!\x1a\x07" + bytes(64),
    "png": b"\x89PNG\r\n\x1a\n" + bytes(64),
    "zeros": bytes(4096),
    "ones": b"\xff" * 4096,
    "escapes": b"\x1b[31m\x1b]0;title\x07" * 20,
    "elf": b"\x7fELF" + bytes(64),
    "npy": b"\x93NUMPY\x01\x00v\x00{'descr': '|O'}",
    "npz": b"PK\x03\x04" + bytes(64),
    "hdf5": b"\x89HDF\r\n\x1a\n" + bytes(64),
    "script": b"#!/bin/sh\ntouch pwned\n",
    "yaml": b"!!python/object/apply:os.system ['touch pwned']\n",
    "tar": b"\x80\x02weights" + bytes(491) + b"ustar\0" + bytes(1024),
}


def containers() -> Iterator[Case]:
    for name, data in STARTS.items():
        yield file(f"start_{name}", data)
    for name in ("html", "empty", "zeros"):
        yield file(f"start_{name}_named_safetensors", STARTS[name], ".safetensors")


def truncations() -> Iterator[Case]:
    whole = {
        "safetensors": safetensors_bytes({"a.weight": torch.zeros(64, 64)}),
        "zip": saved({"a.weight": torch.zeros(64, 64)}),
        "legacy": saved({"a.weight": torch.zeros(64)}, _use_new_zipfile_serialization=False),
        "model": saved({"state_dict": state(), CONFIG_KEY: written()}),
    }
    for kind, data in whole.items():
        for part in (0.001, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.999):
            yield file(f"cut_{kind}_{part}".replace(".", "_"), data[: int(len(data) * part)])
        yield file(f"cut_{kind}_last", data[:-1])
        yield file(f"more_{kind}", data + b"more", refused=None)
        turned = bytearray(data)
        for at in range(100, len(turned), 997):
            turned[at] ^= 0x55
        yield file(f"turned_{kind}", bytes(turned), refused=None)


def header(name: str, *entries: tuple[str, str, Any, Any]) -> Case:
    named = {n: {"dtype": d, "shape": s, "data_offsets": o} for n, d, s, o in entries}
    return file(f"header_{name}", headed(json.dumps(named).encode(), bytes(64)), ".safetensors")


def headers() -> Iterator[Case]:
    for length in (0, 1, 7, 2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1):
        data = struct.pack("<Q", length) + b'{"a":1}'
        yield file(f"header_length_{length}", data, ".safetensors")
    for size in (5 * 10**8, 8 << 30):
        yield file(f"header_sparse_{size}", sparse(size, struct.pack("<Q", size) + b"{"), ".bin")
    texts = {
        "broken": b"{not json",
        "list": b"[]",
        "null": b"null",
        "text": b'"x"',
        "deep": b'{"a":' + b"[" * 100_000,
        "nan": b'{"a": NaN}',
        "twice": b'{"a": {}, "a": {}}',
        "latin": b'{"\xe9": {}}',
        "nul": b'{"\\u0000": {}}',
        "surrogate": b'{"\\ud800": {}}',
        "metadata_number": b'{"__metadata__": {"a": 1}}',
        "metadata_list": b'{"__metadata__": []}',
        "digits": b'{"a": ' + b"9" * 10_000 + b"}",
        "spaces": b"{" + b" " * 1_000_000 + b"}",
    }
    for name, text in texts.items():
        yield file(f"header_{name}", headed(text), ".safetensors")
    yield header("negative", ("a", "F32", [-1], [0, 4]))
    yield header("backwards", ("a", "F32", [1], [4, 0]))
    yield header("outside", ("a", "F32", [100], [0, 400]))
    yield header("overlap", ("a", "F32", [4], [0, 16]), ("b", "F32", [4], [8, 24]))
    yield header("hole", ("a", "F32", [1], [0, 4]), ("b", "F32", [1], [60, 64]))
    yield header("unknown_type", ("a", "Q4_K", [1], [0, 4]))
    yield header("huge_shape", ("a", "F32", [2**40, 2**40], [0, 64]))
    yield header("zero_shape", ("a", "F32", [0, 2**62], [0, 0]))
    yield header("float_shape", ("a", "F32", [1.5], [0, 4]))
    yield header("text_offsets", ("a", "F32", [1], "x"))
    yield header("fp4", ("a", "F4", [128], [0, 64]))
    yield file("header_300000_tensors", many_tensors, ".safetensors")
    yield file("metadata_60_mb", lambda p: big_metadata(p, 60), ".safetensors")
    yield file("metadata_5_mb", lambda p: big_metadata(p, 5), ".safetensors")


def many_tensors(path: Path) -> None:
    empty = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
    path.write_bytes(headed(json.dumps({f"t{i}": empty for i in range(300_000)}).encode()))


def big_metadata(path: Path, megabytes: int) -> None:
    path.write_bytes(headed(json.dumps({"__metadata__": {"a": "x" * megabytes * 10**6}}).encode()))


def sparse(size: int, start: bytes) -> Make:
    """A file of this size that takes no disk."""

    def make(path: Path) -> None:
        with path.open("wb") as out:
            out.write(start)
            out.truncate(size)

    return make


def pickles() -> Iterator[Case]:
    for name, data in pickled.gadgets().items():
        for form, make in pickled.FORMS.items():
            yield file(f"pickle_{name}_{form}", formed(make, data))
    for name, data in pickled.HOSTILE.items():
        for form in ("zip", "legacy"):
            yield file(f"pickle_{name}_{form}", formed(pickled.FORMS[form], data))
    yield file("pickle_sparse", sparse(8 << 30, b"\x80\x02X\xff\xff\xff\xff"))
    yield file("pickle_sparse_4", sparse(8 << 30, b"\x80\x04\x8d" + struct.pack("<Q", 1 << 33)))
    objects: dict[str, Any] = {
        "list": [state()],
        "text": "weights",
        "tensor": torch.zeros(3),
        "number": 3,
        "none": None,
        "module_of_numbers": {"module": {1: torch.zeros(1)}},
        "module_of_lists": {"module": {"a": [1]}},
        "state_dict_none": {"state_dict": None},
        "state_dict_list": {"state_dict": [1, 2]},
        "numbers_as_names": {i: torch.zeros(1) for i in range(5)},
        "sparse_tensor": {"state_dict": {"a": torch.zeros(3, 3).to_sparse()}},
        "meta_tensor": {"state_dict": {k: torch.empty(1, device="meta") for k in state()}},
        "quantised": {"a": torch.quantize_per_tensor(torch.zeros(3), 1.0, 0, torch.qint8)},
        "optimizer": {"state": {0: {"step": 3}}, "param_groups": [{"lr": 1e-4, "params": [0]}]},
        "many": dict.fromkeys((f"t{i}" for i in range(22_000)), torch.zeros(0)),
    }
    for name, value in objects.items():
        yield file(f"object_{name}", saver(value))


def formed(make: Callable[[bytes], bytes], data: bytes) -> Make:
    return lambda path: path.write_bytes(make(data))


def archives() -> Iterator[Case]:
    plain = pickled.pickled(b"}")
    bomb = bytes(16 << 20)

    def packed(path: Path, *, compressed: bool = True, **entries: bytes) -> None:
        kind = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
        with zipfile.ZipFile(path, "w", kind) as archive:
            for name, data in entries.items():
                archive.writestr(name.replace("__", "/").replace("_pkl", ".pkl"), data)

    def inflated(path: Path, name: str, blocks: int) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            with archive.open(name, "w", force_zip64=True) as out:
                for _ in range(blocks):
                    out.write(bomb)
            if name != "a/data.pkl":
                archive.writestr("a/data.pkl", plain)
            archive.writestr("a/version", b"3\n")

    yield file("zip_bomb_pickle", lambda p: inflated(p, "a/data.pkl", 64))
    yield file("zip_bomb_byteorder", lambda p: inflated(p, "a/byteorder", 64))
    yield file("zip_bomb_data", lambda p: inflated(p, "a/data/0", 64))
    yield file("zip_compressed", lambda p: packed(p, a__data_pkl=plain, a__version=b"3\n"))
    yield file("zip_big_pickle", lambda p: packed(p, compressed=False, a__data_pkl=bytes(20 << 20)))
    yield file("zip_no_version", lambda p: packed(p, compressed=False, a__data_pkl=plain))
    yield file("zip_only_text", lambda p: packed(p, readme=b"hello"))
    yield file("zip_path", lambda p: packed(p, compressed=False, **{"..__..__data_pkl": plain}))
    two = {"a__data_pkl": plain, "b__data_pkl": plain}
    yield file("zip_two_pickles", lambda p: packed(p, compressed=False, **two))
    case = {"a__data_pkl": plain, "A__DATA.PKL": plain}
    yield file("zip_two_cases", lambda p: packed(p, compressed=False, **case))
    torchscript = {"a__data_pkl": plain, "a__constants_pkl": plain, "a__code__x": b"x"}
    yield file("zip_torchscript", lambda p: packed(p, compressed=False, **torchscript))


VALUES: dict[str, Any] = {
    "text": "x",
    "none": None,
    "true": True,
    "minus": -1,
    "zero": 0,
    "billion": 10**9,
    "giant": 10**400,
    "half": 0.5,
    "nan": float("nan"),
    "infinite": float("inf"),
    "list": [],
    "object": {},
    "nested": [[1]],
    "texts": ["x", "y"],
    "million": [1] * 100_000,
    "sixty": 60,
}


def configurations() -> Iterator[Case]:
    kinds = {**PARTS, "recipe": Recipe, "preview": Preview}
    places = [f"{part}__{field.name}" for part, kind in kinds.items() for field in fields(kind)]
    places += [field.name for field in fields(ToonConfig)]
    values = list(VALUES.items())
    for i, place in enumerate(places):
        for j in range(2):
            name, value = values[(i * 7 + j * 5) % len(values)]
            yield configured(place, name, value)
    # Counts that building would follow, and sizes that something is made of.
    counted = ("unet__num_res_blocks", "unet__transformer_depth", "vae__num_res_blocks")
    counted += ("resampler__depth", "clip__text_layers", "clip__vision_layers")
    counted += ("schedule__timesteps", "schedule__turning_step", "clip__vocab_size")
    for place in counted:
        for name in ("sixty", "billion", "giant"):
            yield configured(place, f"count_{name}", VALUES[name])
    for name, mults in {"wide": [1, 1000], "deep": [1] * 60, "none": [], "other": [2, 1]}.items():
        yield configured("unet__channel_mult", f"levels_{name}", mults)
        yield configured("vae__ch_mult", f"levels_{name}", mults)
    texts = ["", "{", "[]", "null", '"x"', "3", "[" * 100_000, "{}" * 9, '{"colour": 1}', "\x00"]
    for i, text in enumerate(texts):
        yield file(f"config_text_{i}", pickle_file(text), say=f"config_text_{i}", refused=None)
    for field in fields(SketchConfig):
        for name in ("text", "billion", "nan", "list"):
            values = {**nano_sketch().to_dict(), field.name: VALUES[name]}
            contents = {"state_dict": sketch(), CONFIG_KEY: json.dumps(values)}
            label = f"config_sketch_{field.name}_{name}"
            yield file(label, saver(contents), refused=None)


def configured(place: str, name: str, value: Any) -> Case:
    """A refusal must name the field, or what was built of it."""
    part, field = place.split("__")[0], place.split("__")[-1]
    text = written(**{place: value})
    label = f"config_{place}_{name}"
    case = file(label, pickle_file(text), refused=None)
    return replace(case, names=(field, part, "tensors"))


def numbers() -> Iterator[Case]:
    one = UNET + "out.2.weight"
    whole = (torch.int8, torch.uint8, torch.int16, torch.int32, torch.int64, torch.bool)
    for dtype in (*whole, torch.complex64):
        name = str(dtype).removeprefix("torch.")
        converted = filled(torch.tensor(0.01).to(dtype))
        yield typed(f"all_{name}", converted, refused=True)
        yield typed(f"one_{name}", {**state(), one: converted[one]}, refused=True)
    for dtype in (torch.float64, torch.float16, torch.bfloat16, torch.float8_e4m3fn):
        name = str(dtype).removeprefix("torch.")
        yield typed(f"all_{name}", filled(torch.tensor(0.01).to(dtype)), refused=False)
    for name, value in {"nan": float("nan"), "inf": float("inf"), "zero": 0.0, "big": 1e30}.items():
        yield typed(f"all_{name}", filled(torch.tensor(value)), refused=False)


def filled(value: Tensor) -> dict[str, Tensor]:
    return {k: value.expand(v.shape) for k, v in state().items()}


def typed(name: str, tensors: dict[str, Tensor], refused: bool | None) -> Case:
    contents = {"state_dict": tensors, CONFIG_KEY: written()}
    return file(f"numbers_{name}", saver(contents), refused=refused)


def names() -> Iterator[Case]:
    first, one = torch.zeros(()), UNET + "out.2.weight"
    without = {k: v for k, v in state().items() if k != one}
    changed = {
        "missing": without,
        "renamed": {**without, one + ".x": state()[one]},
        "surplus": {**state(), "other.weight": first},
        "ansi": {**state(), "\x1b[31mred\x07\r\n.weight": first},
        "megabyte": {**state(), "x" * 1_000_000: first},
        "megabytes": {**state(), **{f"{i}" + "y" * 300_000: first for i in range(5)}},
        "unicode": {**state(), "\u202egnp.\U0001f98a\ud800": first},
        "turned": {**state(), one: state()[one].transpose(0, 1)},
        "expanded": {**state(), one: state()[one].expand(7, *state()[one].shape)},
        "scalar": {**state(), one: first},
        "huge": {**state(), one: first.expand(2**20, 2**20)},
        "upper": {k.upper(): v for k, v in state().items()},
        "prefixed": {f"wrapper.{k}": v for k, v in state().items()},
        "unet_only": {k: v for k, v in state().items() if k.startswith(UNET)},
        "no_vae": {k: v for k, v in state().items() if not k.startswith("first_stage")},
        "no_text": {k: v for k, v in state().items() if not k.startswith("cond_stage")},
        "thousands": {**state(), **{f"more.{i}": first for i in range(5000)}},
    }
    for name, tensors in changed.items():
        yield file(f"names_{name}", saver({"state_dict": tensors, CONFIG_KEY: written()}))
    for name in ("ansi", "megabyte"):
        tensors = {k: torch.zeros(1) for k in changed[name] if k not in state()}
        yield file(f"names_{name}_alone", safetensors_bytes(tensors), ".safetensors")


def places() -> Iterator[Case]:
    def bound(path: Path) -> None:
        os.chdir(path.parent)
        socket.socket(socket.AF_UNIX).bind(path.name)

    made: dict[str, Make] = {
        "pipe": os.mkfifo,
        "socket": bound,
        "folder": Path.mkdir,
        "nothing": lambda path: None,
        "zero_device": lambda path: path.symlink_to("/dev/zero"),
        "null_device": lambda path: path.symlink_to("/dev/null"),
        "memory": lambda path: path.symlink_to("/proc/self/mem"),
        "maps": lambda path: path.symlink_to("/proc/self/maps"),
        "dangling": lambda path: path.symlink_to("missing"),
        "loop": lambda path: path.symlink_to(path.name),
        "sparse": sparse(8 << 30, b""),
        "sparse_zip": sparse(8 << 30, b"PK\x03\x04"),
    }
    for name, make in made.items():
        yield file(f"place_{name}", make)
    for name, path in {"nul": "a\0b.ckpt", "long": "x" * 5000, "newline": "a\n\x1b[31mb"}.items():
        yield Case(
            area="weights",
            name=f"path_{name}",
            attempt=lambda folder, path=path: toon_core.load(f"{folder}/{path}"),
            refused=True,
        )


def adapters() -> Iterator[Case]:
    layer = "diffusion_model.input_blocks.1.1.proj_in"
    a, b = f"{layer}.lora_A.weight", f"{layer}.lora_B.weight"
    fine = {a: torch.ones(2, 32), b: torch.ones(32, 2), f"{layer}.alpha": torch.tensor(2.0)}
    numbers = {
        f"{name}_{side}": {**fine, key: value}
        for side, key in (("a", a), ("b", b))
        for name, value in {
            "flat": torch.ones(64),
            "scalar": torch.tensor(1.0),
            "deep": torch.ones(2, 2, 8),
            "rank": torch.ones(5, 5),
            "none": torch.ones(0, 0),
            "nan": fine[key] / 0 * 0,
            "inf": fine[key] / 0,
            "int8": fine[key].to(torch.int8),
            "complex": fine[key].to(torch.complex64),
            "bool": fine[key].bool(),
        }.items()
    }
    changed = {
        **numbers,
        "alpha_three": {**fine, f"{layer}.alpha": torch.ones(3)},
        "alpha_nan": {**fine, f"{layer}.alpha": torch.tensor(float("nan"))},
        "alpha_int": {**fine, f"{layer}.alpha": torch.tensor(2)},
        "no_dot": {"lora_A.weight": torch.ones(2, 2), "x.lora_A.weight": torch.ones(2, 2)},
        "no_b": {a: fine[a]},
        "no_a": {b: fine[b]},
        "dora": {**fine, f"{layer}.dora_scale": torch.ones(32)},
        "kohya": {"lora_unet_x.lora_down.weight": torch.ones(2, 2)},
        "surplus": {**fine, "x": torch.ones(2)},
        "ansi": {**fine, "\x1b[31m.lora_A.weight": torch.ones(2, 2)},
        "empty": {},
        "model": {k: torch.zeros(1) for k in list(state())[:50]},
    }
    for name, tensors in changed.items():
        yield lora(name, safetensors_bytes({k: v.contiguous() for k, v in tensors.items()}))
    yield lora("fine", safetensors_bytes(fine), refused=False)
    objects = {"list": [1], "numbers": {1: torch.ones(1)}, "text": "x", "texts": {"a": "b"}}
    for name, value in objects.items():
        yield lora(f"object_{name}", saved(value), ".pt")
    for name, data in list(pickled.gadgets().items())[:4]:
        yield lora(f"gadget_{name}", pickled.FORMS["zip"](data), ".pt")
    for name in ("html", "empty", "zeros", "lfs"):
        yield lora(f"start_{name}", STARTS[name])


def lora(name: str, data: bytes, suffix: str = ".safetensors", refused: bool = True) -> Case:
    return file(f"lora_{name}", data, suffix, refused=refused, read=read_adapters)
