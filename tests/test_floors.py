"""Who may import whom, and what runs on every system, read from the sources."""

from __future__ import annotations

import ast
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
    "conditioning": {"config", "devices", "ops", "layers", "conditioning"},
    "conditioning/encode": {"conditioning", "devices", "guidance", "vae"},
    "denoiser": {"guidance", "layers", "sketch", "unet"},
    "samplers": {"schedule"},
    "metrics": {"metrics"},
    "pictures": set(),
    "shots": {"images", "metrics", "pictures", "ranges", "recipe", "shots", "sketch"},
    "shots/pipelined": {
        *("conditioning", "guidance", "model", "pipeline", "recipe", "shots", "sketch", "vae"),
    },
    "shots/__main__": {"load", "presets", "recipe", "shots", "weights"},
}


# Folders of train -> folders they may import, beside themselves. Doors are train/*.py.
TRAIN_FLOORS = {
    "doors": {"recipes", "engine", "data", "eval"},
    "recipes": {"engine", "losses", "data"},
    "losses": {"engine"},
    "engine": set(),
    "data": {"engine"},
    "eval": {"engine", "data"},
}
# Parts of train/data -> parts they may import, beside themselves.
DATA_FLOORS = {
    "readers": set(),
    "motion": {"readers"},
    "puppets": set(),
    "shards": set(),
    "store": {"motion", "readers", "shards"},
    "filters": {"motion", "readers", "shards"},
    "prepare": {"filters", "motion", "readers", "shards", "store"},
    "windows": {"filters", "motion", "readers", "shards", "store"},
    "resident": {"filters", "puppets", "windows"},
    "source": {"resident", "store", "windows"},
}
MOST_LINES = 40  # of a door: parse, call, report


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


def _train_files() -> list[Path]:
    files = sorted((ROOT / "train").rglob("*.py"))
    assert files
    return files


def _floor(module: str) -> str:
    """The floor of a module of train, by its dotted name."""
    parts = module.split(".")
    below = parts[1] if len(parts) > 1 else ""
    return below if (ROOT / "train" / below).is_dir() and below else "doors"


def _train_imports(path: Path) -> set[str]:
    """Modules of train that a file imports; of `from train.a import b` train.a.b if it is one."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            modules = {name for name in inner if _file(name).exists()}
            found |= modules or {node.module or ""}
    return {name for name in found if name.split(".")[0] == "train" and name != "train"}


def _file(module: str) -> Path:
    path = ROOT / Path(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def test_floors_of_training() -> None:
    """Doors -> recipes -> engine, data, losses; nobody imports a door."""
    assert {_floor(_name(path)) for path in _train_files()} == set(TRAIN_FLOORS)
    for path in _train_files():
        own = _floor(_name(path))
        for name in _train_imports(path):
            below = _floor(name)
            assert below != "doors", (path, name)
            assert below == own or below in TRAIN_FLOORS[own], (path, name)


def test_floors_of_data() -> None:
    """Files -> stores -> windows -> layers -> the one door."""
    parts = set()
    for path in _train_files():
        floor, own = _floor(_name(path)), _name(path).split(".")[2:3]
        used = {name.split(".")[2] for name in _train_imports(path) if _floor(name) == "data"}
        if floor == "data" and own != ["__init__"]:
            parts |= {*own}
            assert used <= DATA_FLOORS[own[0]] | {*own}, path
    assert parts == set(DATA_FLOORS)


def test_a_door_parses_calls_and_reports() -> None:
    doors = [path for path in (ROOT / "train").glob("*.py") if path.stem != "__init__"]
    assert len(doors) > 10
    for path in doors:
        lines = path.read_text(encoding="utf-8").splitlines()
        assert len(lines) < MOST_LINES and 'if __name__ == "__main__":' in lines, path
    for folder in ("benchmarks", "scripts"):
        for path in (ROOT / folder).rglob("*.py"):
            used = {name for name in _train_imports(path) if _floor(name) == "doors"}
            assert not used, (path, used)


def _modules_used(path: Path) -> set[str]:
    """Modules of the file's own package that it imports, also inside functions and for types."""
    package, found = _name(path).split("."), set()
    if path.stem == "__init__":
        package = package[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package[: -node.level if path.stem != "__init__" else 1 - node.level or None]
            start = ".".join([*(above if node.level else []), *filter(None, [node.module])])
            inner = {f"{start}.{alias.name}" for alias in node.names}
            found |= {name for name in inner if _file(name).exists()} or {start}
    return {name for name in found if name.split(".")[0] == package[0]}


@pytest.mark.parametrize("folder", ["toon_core", "nodes", "train"])
def test_no_module_imports_itself_by_a_circle(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    graph = {_name(path).removesuffix(".__init__"): _modules_used(path) for path in files}
    assert sum(map(len, graph.values())) > len(files)
    done: set[str] = set()

    def visit(name: str, way: tuple[str, ...]) -> None:
        assert name not in way, " -> ".join([*way, name])
        if name not in done:
            for below in sorted(graph.get(name, ())):
                visit(below, (*way, name))
            done.add(name)

    for name in graph:
        visit(name, ())


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
