"""Compare this project with recorded outputs of the released code.

    python tests/parity/compare.py GOLDEN_DIR [--device cuda] [--dtype fp16]

`GOLDEN_DIR/index.json` names every case. Each is run with the classes and functions that the
nodes and `train/` use, in IEEE arithmetic: without TF32, and with sums in fp32. Prints one line an
output and exits 1 if any is off, was not compared, or is of an unknown form.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open

HERE = Path(__file__).resolve().parent
sys.path[:0] = [path for path in (str(HERE), str(HERE.parents[1])) if path not in sys.path]

from parity_cases import run  # noqa: E402
from parity_index import Case, kind_of, read, tolerance  # noqa: E402
from parity_models import Models  # noqa: E402
from take import take  # noqa: E402


def relative_error(got: np.ndarray, want: np.ndarray) -> float:
    """max|a - b| / max|b|; of integers 0 where equal, else infinite, as for NaN."""
    if np.issubdtype(want.dtype, np.integer) or np.issubdtype(got.dtype, np.integer):
        return 0.0 if np.array_equal(got, want) else float("inf")
    if not want.size:
        return 0.0
    a, b = got.astype(np.float64), want.astype(np.float64)
    with np.errstate(invalid="ignore"):
        difference = np.where(a == b, 0.0, np.abs(a - b)).max()
    if difference == 0:
        return 0.0
    error = difference / np.abs(b).max() if np.abs(b).max() > 0 else float("inf")
    return float("inf") if np.isnan(error) else float(error)


def numbers(tensor: torch.Tensor) -> np.ndarray:
    tensor = tensor.cpu()
    return (tensor.float() if tensor.is_floating_point() else tensor).numpy()


def taken(got: Any, index: str | None, shape: tuple[int, ...]) -> np.ndarray:
    """The stored part of an output. Cases of one clip may leave out the batch axis."""
    array = numbers(got) if isinstance(got, torch.Tensor) else np.asarray(got)
    forms = [array, array[0]] if array.ndim and array.shape[0] == 1 else [array]
    for form in forms:
        try:
            part = take(form, index)
        except IndexError:
            continue
        if part.shape == shape:
            return part
    raise ValueError(f"shape {array.shape} with take {index}: expected {shape}")


def compare(case: Case, models: Models) -> Iterator[tuple[str, float]]:
    """(output, rel_err) of each of the case's outputs in the index."""
    got = run(case, models, kind_of(case.file))
    with safe_open(case.folder / case.file, framework="np") as stored:
        for name, entry in case.outputs.items():
            if name not in got:
                raise ValueError(f"output {name!r} is unknown, this case gives {sorted(got)}")
            want = stored.get_tensor(f"{case.name}/{name}")
            part = taken(got[name], entry.get("take"), want.shape)
            yield name, relative_error(part, want)


class Report:
    """What was compared; `off`: the names of what is not as it should be."""

    def __init__(self) -> None:
        self.count = self.expected = 0
        self.worst = 0.0
        self.off: list[str] = []

    @property
    def missed(self) -> int:
        return self.expected - self.count

    @property
    def failed(self) -> bool:
        return bool(self.off or self.missed or not self.expected)

    def add(self, case: Case, name: str, error: float) -> None:
        self.count += 1
        self.worst = max(self.worst, error)
        over = not error <= tolerance(kind_of(case.file), case.dtype)
        if over:
            self.off.append(f"{case.file}/{case.name}/{name}")
        print(f"{case.file}/{case.name}/{name}  {error:.2e}{'  TOO LARGE' if over else ''}")

    def finish(self) -> int:
        if self.missed or not self.expected:
            print(f"{self.missed} of {self.expected} outputs were not compared")
        print(f"{self.count} outputs, worst {self.worst:.2e}")
        return int(self.failed)


DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def exact_products() -> None:
    """A GPU's matrix products and convolutions as IEEE has them."""
    torch.backends.cudnn.allow_tf32 = False
    products = torch.backends.cuda.matmul
    products.allow_tf32 = False
    products.allow_fp16_reduced_precision_reduction = False
    products.allow_bf16_reduced_precision_reduction = False


def check(folder: Path, device: str = "cpu", dtype: torch.dtype = torch.float32) -> int:
    """Compare a whole directory; the exit status."""
    exact_products()
    return compare_all(folder, device, dtype).finish()


def compare_all(
    folder: Path, device: str, dtype: torch.dtype, kinds: Sequence[str] | None = None
) -> Report:
    """Compare a directory, or its files of some kinds, in the arithmetic that is set."""
    report, models, file = Report(), Models(), None
    for case in read(folder, dtype, device):
        if kinds is not None and kind_of(case.file) not in kinds:
            continue
        if case.file != file:
            models.clear()
        file = case.file
        try:
            report.expected += len(case.outputs)
            case.check()
            for name, error in compare(case, models):
                report.add(case, name, error)
        except Exception as error:  # one broken case must not hide the others
            report.off.append(f"{case.file}/{case.name}")
            traceback.print_exc()
            print(f"{case.file}/{case.name}  FAILED: {error}")
    return report


def main() -> int:
    parser = argparse.ArgumentParser(description="Compare with recorded reference outputs.")
    parser.add_argument("folder", type=Path, metavar="GOLDEN_DIR")
    parser.add_argument("--device", default="cpu", help="where to compute, as torch names it")
    parser.add_argument("--dtype", default="fp32", choices=DTYPES, help="of weights and inputs")
    options = parser.parse_args()
    folder = options.folder
    if not (folder / "index.json").is_file():
        parser.error(f"{folder} has no index.json: give a golden directory")
    return check(folder, options.device, DTYPES[options.dtype])


if __name__ == "__main__":
    sys.exit(main())
