"""What a torch pickle would call, found from its opcodes before any of it runs.

torch's `weights_only` allows more than weights need: `bytearray(10**11)`, every text codec, numpy
types built to the file's own description, and nested tuples whose hash takes for ever. Here a
pickle is followed without running it: its names, the arguments of its calls and the keys of its
dictionaries must have the few forms in which training frameworks write tensors and plain values.
"""

from __future__ import annotations

import pickletools
import re
from collections.abc import Callable, Iterator
from typing import IO, Any

MOST_BYTES = 16 << 20  # of one pickle; the released checkpoint's has under 1 MB
MOST_STEPS = 1_000_000  # of one pickle; a tensor takes 40
MOST_INSIDE = 10_000  # elements of a tuple and of the tuples in it

FLOAT64_STATE = (3, "<", None, None, None, -1, -1, 0)  # of numpy.dtype("float64") in a pickle


class Refused(Exception):
    """`what` is the call or the object that no weights need."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(what)


class TooLarge(Exception):
    """More pickle than any file of weights has."""


class _Thing:
    """A value that only running the pickle would make; `kind` names what makes it."""

    def __init__(self, kind: str) -> None:
        self.kind = kind


class _Name(_Thing):
    """An object of a module."""


class _Tuple(tuple):
    """`inside`: its elements and theirs. Tuples of one tuple many times over can stand for more
    than memory holds, and hashing or printing goes through all of it."""

    inside: int = 0


Arguments = tuple[Any, ...]


def _tensor(args: Arguments) -> bool:
    return all(isinstance(a, _Thing | bool | int) or _all(a, int) or a is None for a in args)


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, _Thing) and value.kind == kind


def _all(value: Any, *kinds: type) -> bool:
    return isinstance(value, tuple) and all(isinstance(v, kinds) for v in value)


# Types, which are named and never called.
_TYPES = re.compile(
    r"torch\.(storage\.|cuda\.)?\w*Storage|torch\.(bool|bfloat16|u?int\d+|float\w+|complex\d+)"
    r"|pytorch_lightning\.callbacks\.model_checkpoint\.ModelCheckpoint"
)
# Functions, which may be called with arguments of this form.
_CALLS: dict[str, Callable[[Arguments], bool]] = {
    "collections.OrderedDict": lambda a: a == (),
    "collections.Counter": lambda a: a == () or (len(a) == 1 and _is(a[0], "dict")),
    "_codecs.encode": lambda a: len(a) == 2 and isinstance(a[0], str) and a[1] == "latin1",
    "numpy.dtype": lambda a: a[:1] == ("f8",) and _all(a[1:], int),
    "numpy.core.multiarray.scalar": lambda a: len(a) == 2 and _is(a[0], "numpy.dtype"),
    "torch.Size": lambda a: len(a) == 1 and _all(a[0], int),
    "torch.device": lambda a: _all(a, str, int),
    "torch.serialization._get_layout": lambda a: _all(a, str),
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _tensor,
    "torch._utils._rebuild_parameter": _tensor,
    "torch._utils._rebuild_parameter_with_state": _tensor,
    "torch._utils._rebuild_meta_tensor_no_storage": _tensor,
}
_STATES = ("collections.OrderedDict", "numpy.dtype")  # what may be given a state of its own
_KEYS = (str, bytes, int, float, type(None), _Name)


def _limited(file: IO[bytes]) -> Any:
    """What `pickletools` reads: of a file it takes `read`, `readline` and `tell` alone."""
    return _Limited(file)


def check(file: IO[bytes]) -> None:
    """Follow the pickle at the file's position to its end, where the file is left.

    Refused and TooLarge; ValueError, LookupError or what `pickletools` raises for one that is
    damaged or has instructions that no torch file has.
    """
    machine, steps = _Machine(), pickletools.genops(_limited(file))
    for count, (code, argument, _) in enumerate(steps):
        if count > MOST_STEPS:
            raise TooLarge(f"a pickle of more than {MOST_STEPS} steps")
        step = machine.steps.get(code.name)
        if step is None:
            raise ValueError(f"an instruction {code.name}, which no torch file has")
        step(argument)


def names(file: IO[bytes]) -> Iterator[str]:
    """Every object that a pickle of any protocol names."""
    strings: list[str] = []
    for code, argument, _ in pickletools.genops(_limited(file)):
        if code.name in ("GLOBAL", "INST"):
            yield str(argument).replace(" ", ".")
        elif code.name == "STACK_GLOBAL":
            yield ".".join(strings[-2:])
        elif isinstance(argument, str):
            strings.append(argument)


def known(name: str) -> bool:
    """Whether weights may name this object."""
    return name in _CALLS or _TYPES.fullmatch(name) is not None


class _Limited:
    """A file of which no more than MOST_BYTES are read, at once or in all."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.left = file, MOST_BYTES
        self.tell = file.tell

    def read(self, size: int) -> bytes:
        return self._counted(self.file.read(min(size, self.left + 1)))

    def readline(self) -> bytes:
        return self._counted(self.file.readline(self.left + 1))

    def _counted(self, data: bytes) -> bytes:
        self.left -= len(data)
        if self.left < 0:
            raise TooLarge(f"a pickle of more than {MOST_BYTES >> 20} MB")
        return data


class _Machine:
    """The stack and the memo of torch's own unpickler, with a `_Thing` for whatever is not a text,
    a number or a tuple. `steps` are the instructions that it knows."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        push = self._push
        self.steps: dict[str, Callable[[Any], object]] = {
            **{f"{n}PUT": self._put for n in ("BIN", "LONG_BIN")},
            **{f"{n}GET": lambda at: push(self.memo[at]) for n in ("BIN", "LONG_BIN")},
            **{f"BININT{n}": push for n in ("", "1", "2")},
            **dict.fromkeys(("BINFLOAT", "BINUNICODE", "SHORT_BINSTRING", "LONG1"), push),
            **{f"EMPTY_{n}": self._made(n.lower()) for n in ("LIST", "DICT", "SET")},
            **{f"TUPLE{n}": self._tupled(n) for n in (1, 2, 3)},
            "EMPTY_TUPLE": self._tupled(0),
            "TUPLE": lambda _: self._tuple(self._to_mark()),
            "NONE": lambda _: push(None),
            "NEWTRUE": lambda _: push(True),
            "NEWFALSE": lambda _: push(False),
            "MARK": self._mark,
            "APPEND": lambda _: self.stack.pop(),
            "APPENDS": lambda _: self._to_mark(),
            "SETITEM": lambda _: self._keys([(self.stack.pop(), self.stack.pop())[1]]),
            "SETITEMS": lambda _: self._keys(self._to_mark()[::2]),
            "GLOBAL": self._name,
            "REDUCE": self._call,
            "NEWOBJ": self._new,
            "BUILD": self._state,
            "BINPERSID": self._storage,
            "PROTO": lambda _: None,
            "STOP": lambda _: None,
        }

    def _push(self, value: Any) -> None:
        self.stack.append(value)

    def _put(self, place: int) -> None:
        self.memo[place] = self.stack[-1]

    def _mark(self, _: Any) -> None:
        self.marks.append(self.stack)
        self.stack = []

    def _to_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.marks.pop()
        return items

    def _made(self, kind: str) -> Callable[[Any], None]:
        return lambda _: self._push(_Thing(kind))

    def _tupled(self, count: int) -> Callable[[Any], None]:
        return lambda _: self._tuple([self.stack.pop() for _ in range(count)][::-1])

    def _tuple(self, items: list[Any]) -> None:
        made = _Tuple(items)
        made.inside = sum(1 + getattr(item, "inside", 0) for item in items)
        if made.inside > MOST_INSIDE:
            raise TooLarge(f"a tuple of more than {MOST_INSIDE} elements")
        self._push(made)

    def _keys(self, keys: list[Any]) -> None:
        if not all(isinstance(key, _KEYS) for key in keys):
            raise ValueError("a dictionary whose keys are neither names nor numbers")

    def _name(self, argument: str) -> None:
        name = argument.replace(" ", ".")
        if not known(name):
            raise Refused(name)
        self._push(_Name(name))

    def _call(self, _: Any) -> None:
        args, function = self.stack.pop(), self.stack.pop()
        if not isinstance(function, _Name) or not isinstance(args, tuple):
            raise ValueError("a call of what is no function")
        allowed = _CALLS.get(function.kind)
        if allowed is None or not allowed(args):
            raise Refused(f"{function.kind}({', '.join(map(_shown, args))})")
        self._push(_Thing(function.kind))

    def _new(self, _: Any) -> None:
        self.stack.pop()
        raise Refused(_shown(self.stack.pop()))

    def _state(self, _: Any) -> None:
        state, thing = self.stack.pop(), self.stack[-1]
        kind = thing.kind if type(thing) is _Thing else ""
        if kind not in _STATES or (kind == "numpy.dtype" and state != FLOAT64_STATE):
            raise Refused(f"a state of {_shown(thing)}")

    def _storage(self, _: Any) -> None:
        """("storage", type, name, device, elements), in old files with the view of another."""
        said = self.stack.pop()
        if not _all(said, str, int, _Name, type(None), tuple):
            raise ValueError("a storage that is not described")
        if not all(_all(part, str, int) for part in said if isinstance(part, tuple)):
            raise ValueError("a storage that is not described")
        self._push(_Thing("storage"))


def _shown(value: Any) -> str:
    if isinstance(value, _Thing):
        return value.kind
    return "..." if isinstance(value, tuple) else repr(value)[:40]
