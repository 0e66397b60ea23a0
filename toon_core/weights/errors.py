"""One error class per way a file can be wrong; each says what to get and where to put it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

Expected = Literal["toon", "sketch", "lora"]

LONGEST_PATH, LONGEST_NAME, LONGEST_PROBLEM = 200, 90, 420  # characters in a message

ADVICE: dict[Expected | None, str] = {
    "toon": (
        "Get ToonCrafter 512's model.ckpt (10.5 GB, Doubiiu/ToonCrafter on Hugging Face) or the "
        "pruned tooncrafter_512_interp-fp16.safetensors (3.2 GB, Kijai/DynamiCrafter_pruned on "
        "Hugging Face) and put it into ComfyUI/models/checkpoints."
    ),
    "sketch": (
        "Get sketch_encoder.ckpt (Doubiiu/ToonCrafter on Hugging Face) and put it into "
        "ComfyUI/models/controlnet."
    ),
    "lora": (
        "Take a file that `train.rectify` wrote with lora=..., or download it again, into "
        "ComfyUI/models/loras."
    ),
}
ADVICE[None] = f"For a model: {ADVICE['toon']} For sketches: {ADVICE['sketch']}"


# What reading a JSON text of a stranger can end in; the last where it is nested without end.
UNREADABLE_JSON = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)


class WeightsError(ValueError):
    """A file that cannot be loaded. `problem` says what it looks like, `advice` what to do."""

    def __init__(
        self, path: Path | str, problem: str, *, expect: Expected | None = None, hint: str = ""
    ) -> None:
        self.path = Path(path)
        self.problem = problem
        self.advice = f"{hint} {ADVICE[expect]}".strip()
        told = f"{shown(path, LONGEST_PATH)}: {shown(problem, LONGEST_PROBLEM)}"
        super().__init__(f"{told}. {self.advice}")

    def __reduce__(self):
        """As it is, since Exception's own would call __init__ with the message alone: a worker's
        error reaches its parent."""
        return _restored, (type(self), self.args, vars(self))


def shown(text: object, longest: int = LONGEST_NAME) -> str:
    """A stranger's text for a message: on one line, without what steers a terminal, cut in the
    middle."""
    text = str(text)
    if len(text) > longest:
        half = (longest - 3) // 2
        text = f"{text[:half]}...{text[-half:]}"
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def _restored(kind: type[WeightsError], args: tuple, state: dict) -> WeightsError:
    error = kind.__new__(kind, *args)
    vars(error).update(state)
    return error


class FileMissing(WeightsError):
    """Nothing at the path that can be opened, or no file: a folder, a pipe, a device."""


class FileEmpty(WeightsError):
    """Zero bytes."""


class FileTruncated(WeightsError):
    """An interrupted download or copy."""


class FileCorrupt(WeightsError):
    """A container of weights by its first bytes, but not readable."""


class NotWeights(WeightsError):
    """A web page, a git-lfs pointer or another kind of file."""


class UnsafePickle(WeightsError):
    """A pickle that names objects outside the allow-list."""

    def __init__(self, path: Path | str, names: Iterable[str], expect: Expected | None) -> None:
        self.names = tuple(names)
        super().__init__(
            path,
            f"refused, it would run or build {listed(self.names)}, which no weights need; "
            "it may be malicious",
            expect=expect,
            hint="Delete it unless you know where it comes from.",
        )


class WrongModel(WeightsError):
    """Readable weights of something else."""


class UnknownConfig(WeightsError):
    """The configuration is neither in the file nor known from its shapes."""


class KeysError(WeightsError):
    """Names that do not match the model."""

    said = "wrong tensors"

    def __init__(
        self, path: Path | str, names: Iterable[str], expect: Expected | None, note: str = ""
    ) -> None:
        self.names = tuple(names)
        problem = f"{len(self.names)} {self.said}: {listed(self.names)}"
        super().__init__(path, problem + (f" ({note})" if note else ""), expect=expect)


class MissingKeys(KeysError):
    said = "tensors are missing"


class SurplusKeys(KeysError):
    said = "unknown tensors"


class WrongShapes(KeysError):
    said = "tensors of the wrong shape"


class WrongTypes(KeysError):
    said = "tensors of the wrong number type"


class WrongValues(KeysError):
    said = "tensors hold NaN or infinite values"


def listed(names: Sequence[str], most: int = 5, longest: int = 300) -> str:
    """The first few, as many as there is room for."""
    told: list[str] = []
    for name in names[:most]:
        if told and sum(map(len, told)) + min(len(name), 2 * LONGEST_NAME) > longest:
            break
        told.append(shown(name, 2 * LONGEST_NAME))
    more = f" and {len(names) - len(told)} more" if len(names) > len(told) else ""
    return ", ".join(told) + more
