"""Hostile pickles as torch files of each form, written opcode by opcode."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections.abc import Callable

MAGIC = 0x1950A86A20F9469CFC6C  # of torch's format before 1.6
VERSION = 1001


def text(value: str) -> bytes:
    data = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(data)) + data


def call(module: str, name: str, *args: bytes) -> bytes:
    return f"c{module}\n{name}\n".encode() + b"(" + b"".join(args) + b"tR"


def number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def long(value: int) -> bytes:
    data = pickle.encode_long(value)
    return b"\x8a" + bytes([len(data)]) + data


def pickled(body: bytes) -> bytes:
    return b"\x80\x02" + body + b"."


def zipped(body: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a/data.pkl", pickled(body))
        archive.writestr("a/version", b"3\n")
    return buffer.getvalue()


def legacy(body: bytes) -> bytes:
    system = {"protocol_version": VERSION, "little_endian": True, "type_sizes": {}}
    first = b"".join(pickle.dumps(v, 2) for v in (MAGIC, VERSION, system))
    return first + pickled(body) + pickle.dumps([], 2)


FORMS: dict[str, Callable[[bytes], bytes]] = {"raw": pickled, "zip": zipped, "legacy": legacy}

# Functions that run something, read or write a file, or open a connection.
RUNS = {
    "system": ("os", "system", text("touch pwned")),
    "posix": ("posix", "system", text("touch pwned")),
    "nt": ("nt", "system", text("touch pwned")),
    "popen": ("subprocess", "Popen", text("touch")),
    "eval": ("builtins", "eval", text("open('pwned','w')")),
    "old_eval": ("__builtin__", "eval", text("open('pwned','w')")),
    "exec": ("builtins", "exec", text("open('pwned','w')")),
    "open": ("builtins", "open", text("pwned"), text("w")),
    "getattr": ("builtins", "getattr", text("x"), text("upper")),
    "import": ("builtins", "__import__", text("antigravity")),
    "importlib": ("importlib", "import_module", text("antigravity")),
    "runpy": ("runpy", "run_path", text("x.py")),
    "loads": ("pickle", "loads", text("x")),
    "torch_load": ("torch", "load", text("x.ckpt")),
    "hub": ("torch.hub", "load", text("a/b"), text("c")),
    "jit": ("torch.jit", "load", text("x.pt")),
    "from_file": ("torch.storage", "UntypedStorage.from_file", text("pwned")),
    "numpy_load": ("numpy", "load", text("x.npy")),
    "numpy_reconstruct": ("numpy.core.multiarray", "_reconstruct", text("x")),
    "socket": ("socket", "create_connection", text("127.0.0.1")),
    "unlink": ("os", "unlink", text("good.ckpt")),
    "exit": ("os", "_exit", number(3)),
    "sys_exit": ("sys", "exit", number(3)),
    "kill": ("os", "kill", number(1), number(9)),
    "thread": ("_thread", "interrupt_main"),
    "ctypes": ("ctypes", "string_at", number(0)),
    "bytearray": ("builtins", "bytearray", long(10**11)),
    "bytes": ("builtins", "bytes", long(10**11)),
    "tensor": ("torch", "Tensor", long(10**9)),
    "storage": ("torch", "FloatStorage", long(10**9)),
    "partial": ("functools", "partial", text("x")),
    "map": ("builtins", "map", text("x"), text("y")),
}


def gadgets() -> dict[str, bytes]:
    return {
        name: b"}" + text("state_dict") + b"}" + text("a") + call(*made) + b"ss"
        for name, made in RUNS.items()
    }


def _double(code: bytes, depth: int) -> bytes:
    """A tuple of a tuple twice over, and so on."""
    return code + b"".join(b"q\x01h\x01\x86" for _ in range(depth))


def _dtype(state: bytes, kind: str = "f8") -> bytes:
    return call("numpy", "dtype", text(kind), b"\x89", b"\x88") + state + b"b"


def _scalar(dtype: bytes, data: bytes = b"\xde\xad\xbe\xef\0\0\0\0") -> bytes:
    raw = call("_codecs", "encode", text(data.decode("latin1")), text("latin1"))
    return call("numpy.core.multiarray", "scalar", dtype, raw)


OBJECT = call("numpy", "dtype", text("O"), b"\x89", b"\x89")
START = b"(K\x03" + text("<")
PLAIN = START + b"NNN" + number(-1) + number(-1) + b"K\0t"
SUBTYPE = (
    b"(" + b"K\x03" + text("<") + OBJECT + b"K\x01\x85\x86NN" + number(8) + number(8) + b"K\0t"
)
FIELDS = START + b"N" + text("x") + b"\x85}" + number(8) + number(8) + b"K\0t"
CHINESE = text("".join(chr(0x4E00 + i % 20000) for i in range(60_000)))
STORAGE = text("storage") + b"ctorch\nFloatStorage\n"


def _stored(name: bytes, elements: bytes) -> bytes:
    return b"(" + STORAGE + name + text("cpu") + elements + b"tQ"


def _tensor(storage: bytes, offset: bytes, size: bytes, stride: bytes) -> bytes:
    hooks = call("collections", "OrderedDict")
    return call("torch._utils", "_rebuild_tensor_v2", storage, offset, size, stride, b"\x89", hooks)


# Pickles of nothing but allowed names, or of none.
HOSTILE = {
    "address": _scalar(_dtype(SUBTYPE)),
    "address_fields": _scalar(_dtype(FIELDS)),
    "address_object": _scalar(OBJECT),
    "scalar_short": _scalar(_dtype(PLAIN), b"\0"),
    "scalar_of_text": call("numpy.core.multiarray", "scalar", text("f8"), text("x")),
    "dtype_text": call("numpy", "dtype", text("S1000000000")),
    "dtype_state": _dtype(PLAIN, "i4"),
    "punycode": call("_codecs", "encode", CHINESE, text("punycode")),
    "idna": call("_codecs", "encode", CHINESE, text("idna")),
    "zip_codec": call("_codecs", "encode", CHINESE, text("zlib_codec")),
    "no_codec": call("_codecs", "encode", CHINESE),
    "hash": b"}" + _double(b"K\x01\x85", 60) + b"K\x01s",
    "hash_set": call("builtins", "set", _double(b"K\x01\x85", 60)),
    "hash_counter": call("collections", "Counter", _double(b"K\x01\x85", 60)),
    "print_storage": _stored(_double(b"K\x01\x85", 60), number(1)),
    "device": call("torch", "device", _double(b"K\x01\x85", 60)),
    "storage_missing": _stored(text("0"), number(4)),
    "storage_path": _stored(text("../../../../etc/passwd"), number(4)),
    "storage_huge": _stored(text("0"), long(10**12)),
    "storage_minus": _stored(text("0"), number(-5)),
    "storage_of_number": number(3) + b"Q",
    "tensor_outside": _tensor(_stored(text("0"), number(4)), number(9), b"K\x09\x85", b"K\x01\x85"),
    "tensor_of_text": _tensor(text("x"), number(0), b"K\x09\x85", b"K\x01\x85"),
    "tensor_minus": _tensor(
        _stored(text("0"), number(4)), number(-1), b"K\x01\x85", number(-1) + b"\x85"
    ),
    "no_memo": b"h\x07",
    "no_stack": b"R",
    "no_mark": b"t",
    "no_end": b"}" * 1000,
    "deep_lists": b"]" * 100_000 + b"a" * 99_999,
    "million_steps": b"]" + b"K\x01a" * 1_500_000,
    "long_text": text("x" * 20_000_000),
    "self": b"]q\0h\0a",
    "build_name": b"ccollections\nOrderedDict\n}b",
    "build_dict": b"}}b",
    "new": b"ccollections\nOrderedDict\n)\x81",
    "torch_new": b"ctorch\nFloatStorage\n)\x81",
    "stack_global": text("os") + text("system") + b"\x93" + text("touch pwned") + b"\x85R",
    "inst": b"(" + text("touch pwned") + b"ios\nsystem\n",
    "persistent_text": b"Pstorage\n",
    "extension": b"\x82\x01",
    "frame": b"\x95" + struct.pack("<Q", 1 << 62),
}
