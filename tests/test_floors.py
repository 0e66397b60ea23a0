"""Who may import whom, and what runs on every system, read from the sources."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HOST = {"comfy", "comfy_api", "comfy_extras", "folder_paths", "server", "execution"}
OURS = {"toon_core", "nodes", "train", "tests", "scripts", "cast", "benchmarks"}

# Package -> absolute import roots it must not use.
FORBIDDEN = {
    "toon_core": HOST | OURS,  # relative imports only
    "nodes": OURS,
    "train": HOST | (OURS - {"toon_core", "train", "cast"}),
}

# Not on Windows, or on Linux alone; scripts/ sets up the test machine and may.
UNIX_MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
UNIX_NAMES = {
    "os": {"fork", "getloadavg", "getuid", "killpg", "sched_getaffinity", "setsid", "uname"},
    "signal": {"SIGALRM", "SIGHUP", "SIGKILL", "SIGUSR1", "SIGUSR2"},
}
UNIX_FILES = ("/proc/", "/sys/", "/dev/")
FORKS = ROOT / "tests" / "fuzz"  # a watched process for each case, with what it shares loaded once
PORTABLE = ("toon_core", "nodes", "train", "cast", "benchmarks", "tests")

# Parts of toon_core -> parts they may import; `conditioning/encode` joins several of them.
FLOORS = {
    "ranges": set(),
    "recipe": {"ranges"},
    "preview": {"ranges"},
    "devices": set(),
    "config": {"preview", "ranges", "recipe"},
    "official": {"config"},
    "ops": set(),
    "schedule": {"config", "recipe"},
    "guidance": set(),
    "images": set(),
    "presets": {"config", "recipe"},
    "layers": {"config", "ops", "layers"},
    "unet": {"config", "devices", "ops", "layers", "unet"},
    "vae": {"config", "ops", "layers", "vae"},
    "sketch": {"config", "ops", "layers", "sketch"},
    "conditioning": {"config", "ops", "layers", "conditioning"},
    "conditioning/encode": {"conditioning", "denoiser", "devices", "vae"},
    "denoiser": {"guidance", "layers", "sketch", "unet"},
    "samplers": {"schedule"},
    "metrics": {"metrics"},
    "pictures": set(),
    "shots": {"images", "metrics", "pictures", "ranges", "recipe", "shots", "sketch"},
    "shots/pipelined": {
        *("conditioning", "denoiser", "model", "pipeline", "recipe", "shots", "sketch", "vae"),
    },
    "shots/__main__": {"load", "recipe", "shots", "weights"},
}


def imports(path: Path) -> list[tuple[int, str]]:
    """(level, module) of every import; level 0 is absolute."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(0, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module] if node.module else [alias.name for alias in node.names]
            found += [(node.level, name) for name in names]
    return found


@pytest.mark.parametrize("package", FORBIDDEN)
def test_absolute_imports(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        roots = {name.split(".")[0] for level, name in imports(path) if level == 0}
        assert not roots & FORBIDDEN[package], path.relative_to(ROOT)


def _part(path: Path) -> str:
    inside = path.relative_to(ROOT / "toon_core").with_suffix("")
    exact = inside.as_posix()
    return exact if exact in FLOORS else inside.parts[0]


def _parts_used(path: Path) -> set[str]:
    folder = path.relative_to(ROOT / "toon_core").parent.parts
    used = set()
    for level, name in imports(path):
        if level:
            full = [*folder[: len(folder) - level + 1], *name.split(".")]
            used.add(full[0])
    return used


@pytest.mark.parametrize("part", FLOORS)
def test_floors_of_the_core(part: str) -> None:
    files = [p for p in (ROOT / "toon_core").rglob("*.py") if _part(p) == part]
    assert files
    for path in files:
        assert _parts_used(path) <= FLOORS[part], path.relative_to(ROOT)


def test_plain_metrics_know_no_network() -> None:
    files = sorted((ROOT / "toon_core" / "metrics" / "plain").glob("*.py"))
    assert len(files) > 10
    for path in files:
        assert not any("networks" in name for _, name in imports(path)), path.name


DOORS = ("evaluate", "heldout", "study")  # commands of train/: parse, call, report


def imports_door(source: str, door: str) -> bool:
    ways = rf"from train\.{door}\b|import train\.{door}\b|from train import .*\b{door}\b"
    return bool(re.search(rf"^\s*(?:{ways})", source, re.MULTILINE))


@pytest.mark.parametrize("door", DOORS)
def test_doors_are_short_and_imported_by_nobody(door: str) -> None:
    lines = (ROOT / "train" / f"{door}.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) < 40 and 'if __name__ == "__main__":' in lines
    assert imports_door(f"from train import {door}", door) and not imports_door("import re", door)
    for folder in ("train", "benchmarks", "scripts"):
        for path in (ROOT / folder).rglob("*.py"):
            source = path.read_text(encoding="utf-8")
            assert not imports_door(source, door), path.relative_to(ROOT)


def platform_bound(path: Path) -> list[str]:
    """Modules, names and files that not every system has."""
    found = [name for level, name in imports(path) if level == 0 and name in UNIX_MODULES]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.attr in UNIX_NAMES.get(node.value.id, ()):
                found.append(f"{node.value.id}.{node.attr}")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found += [node.value] if node.value.startswith(UNIX_FILES) else []
    return found


@pytest.mark.parametrize("folder", PORTABLE)
def test_nothing_is_bound_to_one_system(folder: str) -> None:
    files = set((ROOT / folder).rglob("*.py")) - {Path(__file__).resolve()}
    assert files
    files = {path for path in files if FORKS not in path.parents}
    bound = {path.relative_to(ROOT): platform_bound(path) for path in files}
    assert {path: found for path, found in bound.items() if found} == {}


def test_the_reader_sees_what_it_should(tmp_path: Path) -> None:
    source = tmp_path / "x.py"
    source.write_text("import comfy.ops as o\ndef f():\n    from ..unet.model import A\n")
    assert imports(source) == [(0, "comfy.ops"), (2, "unet.model")]
    source.write_text("def f():\n    import resource\n    os.killpg(open('/proc/stat'))\n")
    assert sorted(platform_bound(source)) == ["/proc/stat", "os.killpg", "resource"]
