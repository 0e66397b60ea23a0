"""Malformed and hostile options: YAML files and key=value words, as the commands of training take
them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import open_clip  # noqa: F401 - here once, and not in each case's process
import peft  # noqa: F401
import torch
from case import Case
from PIL import Image

from benchmarks.ablation.photographs import RenderConfig, render
from benchmarks.ablation.plan import AblationConfig
from benchmarks.ablation.run import ablate
from train.data.prepare.config import PrepareConfig
from train.data.prepare.run import prepare
from train.engine.config import read
from train.engine.launch import start
from train.eval.options import read_sampling
from train.eval.testset import HeldoutConfig, write_heldout
from train.recipes.assemble import AssembleConfig, assemble
from train.recipes.cache import CacheConfig, build_cache
from train.recipes.defaults import NANO, shape_of
from train.recipes.rectify import RectifyConfig, RectifyRecipe

ENDLESS = Path(os.devnull).with_name("zero")
GIVEN = [f"data={Path(__file__).parent}", "out=run"]
Attempt = Callable[[Path], object]


def cases() -> list[Case]:
    torch.set_num_threads(1)
    found = [
        *(_of_file(f"yaml_{name}", data, (), "options.yaml") for name, data in BROKEN.items()),
        *(_of_file(f"value_{n:02d}", text.encode(), (key,)) for n, (key, text) in enumerate(WRONG)),
        *(_case(f"file_{name}", _odd(make), ("options.yaml",)) for name, make in ODD.items()),
        *(_case(f"word_{n:02d}", _words(word), (key,)) for n, (key, word) in enumerate(WORDS)),
        *(_case(f"run_{n:02d}", _started(word), _names(word)) for n, word in enumerate(RUN)),
        *(_case(f"recipe_{n}", _sampled(word), (key,)) for n, (key, word) in enumerate(RECIPE)),
        *(_case(f"shape_{name}", _shape(data), ("shape.yaml",)) for name, data in BROKEN.items()),
    ]
    for name, (attempt, words) in COMMANDS.items():
        found += [
            _case(f"{name}_{n:02d}", _command(attempt, word), _names(word))
            for n, word in enumerate(words)
        ]
    found += [_case(f"begun_{name}", _begun(data), ("ablation.yaml",)) for name, data in BEGUN]
    found += [
        _case(f"good_{n}", _accepted(text, words), (), False)
        for n, (text, words) in enumerate(ACCEPTED)
    ]
    return found


def _case(name: str, attempt: Attempt, names: tuple[str, ...], refused: bool = True) -> Case:
    return Case(area="options", name=name, attempt=attempt, names=names, refused=refused)


def good(folder: Path) -> None:
    (folder / "run.yaml").write_text("lr: 0.5\nwindows:\n  flip: 0.25\n")
    config = read(RectifyConfig, str(folder / "run.yaml"), [*GIVEN, "steps=3"])
    assert (config.lr, config.windows.flip, config.steps) == (0.5, 0.25, 3)
    start(config.resolved())


def _names(word: str) -> tuple[str, ...]:
    """The option, or what it is given."""
    key, _, value = word.partition("=")
    return key.split(".")[-1], f"{value}:"


def _of_file(name: str, data: bytes, names: tuple[str, ...], *more: str) -> Case:
    def attempt(folder: Path) -> None:
        (folder / "options.yaml").write_bytes(data)
        read(RectifyConfig, str(folder / "options.yaml"), GIVEN)

    return _case(name, attempt, (*names, *more))


def _odd(make: Callable[[Path], object]) -> Attempt:
    def attempt(folder: Path) -> None:
        make(folder / "options.yaml")
        read(RectifyConfig, str(folder / "options.yaml"), GIVEN)

    return attempt


def _words(word: str) -> Attempt:
    return lambda folder: read(RectifyConfig, None, [*GIVEN, word])


def _started(word: str) -> Attempt:
    """What a recipe checks before it reads anything but the base's header, and its model."""

    def attempt(folder: Path) -> None:
        config = read(RectifyConfig, None, [*GIVEN, word]).resolved()
        accelerator = start(config)
        RectifyRecipe(config, accelerator.device)

    return attempt


def _sampled(word: str) -> Attempt:
    return lambda folder: read_sampling([word], 0)


def _shape(data: bytes) -> Attempt:
    def attempt(folder: Path) -> None:
        (folder / "shape.yaml").write_bytes(data)
        shape_of("nano", str(folder / "shape.yaml"))

    return attempt


def _command(attempt: Callable[[list[str]], object], word: str) -> Attempt:
    def run(folder: Path) -> None:
        for number in range(20):
            (folder / "clips" / "walk").mkdir(parents=True, exist_ok=True)
            image = Image.new("RGB", (16, 16), (10 * number, 0, 0))
            image.save(folder / "clips" / "walk" / f"{number}.png")
        attempt([f"data={folder / 'clips'}", f"out={folder / 'out'}", word])

    return run


def _begun(data: bytes) -> Attempt:
    def attempt(folder: Path) -> None:
        (folder / "out").mkdir()
        (folder / "out" / "ablation.yaml").write_bytes(data)
        ablate(read(AblationConfig, None, ["data=clips", f"out={folder / 'out'}"]))

    return attempt


def _accepted(text: str, words: list[str]) -> Attempt:
    def attempt(folder: Path) -> None:
        (folder / "options.yaml").write_text(text, encoding="utf-8")
        read(RectifyConfig, str(folder / "options.yaml"), [*GIVEN, *words])

    return attempt


def _laughs() -> bytes:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    for n in range(1, 10):
        lines.append(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]")
    return "\n".join(lines).encode()


# No options at all, whatever the schema.
BROKEN = {
    "bracket": b"betas: [0.9, 0.99\nlr: 1\n",
    "tab": b"windows:\n\tflip: 1\n",
    "quote": b"data: 'clips\n",
    "colon": b"data: a: b\n",
    "indent": b"lr: 1\n  steps: 2\n",
    "list": b"- lr\n- steps\n",
    "number": b"5\n",
    "python_object": b"lr: !!python/object/apply:os.system ['touch ran']\n",
    "python_name": b"lr: !!python/name:os.system\n",
    "unknown_tag": b"lr: !lr 5\n",
    "deep": b"[" * 3000 + b"]" * 3000,
    "deep_open": b"{a: " * 3000,
    "laughs": _laughs(),
    "no_anchor": b"lr: *missing\n",
    "own_anchor": b"lr: &a [*a]\n",
    "bytes": bytes(range(128, 256)),
    "nul": b"lr: \0\n",
    "utf16": "lr: 1\n".encode("utf-16"),
    "archive": b"PK\3\4" + bytes(200),
    "documents": b"lr: 1\n---\nlr: 2\n",
    "twice": b"lr: 1\nlr: 2\n",
    "key_list": b"? [a, b]\n: 1\n",
    "huge": b"# " + b"x" * (2 << 20),
    "escapes": b"lr: \x1b[31m\n",
}
# (what the message names, YAML that cannot be these options)
WRONG = [
    ("stepz", "stepz: 3"),
    ("FREE", "FREE: [lr]"),
    ("steps", "steps: many"),
    ("steps", "steps: [1, 2]"),
    ("steps", "steps: {a: 1}"),
    ("steps", "steps: 1.5"),
    ("lr", "lr: .nan"),
    ("lr", "lr: -.inf"),
    ("lr", "lr: 2024-01-01"),
    ("lr", "lr: ''"),
    ("betas", "betas: 1"),
    ("betas", "optim: {betas: [1, 2, 3]}"),
    ("betas", "betas: [a, b]"),
    ("buckets", "buckets: perhaps"),
    ("windows", "windows: 5"),
    ("windows", "windows: [1]"),
    ("flop", "windows: {flop: 1}"),
    ("flip", "windows: {flip: .inf}"),
    ("scale", "windows: {scale: [.nan, 1]}"),
    ("base", "base: ${oc.env:HOME}"),
    ("base", "base: ${data}"),
    ("base", "base: a${oc.decode:x}b"),
    ("scale", "windows: {scale: ['${lr}', 1]}"),
    ("__class__", "__class__: x"),
    ("options.yaml", f"steps: {'9' * 5000}"),
    ("options.yaml", f"{'x' * 100000}: 1"),
    ("options.yaml", f"base: {{{'x' * 5000}: 1}}"),
]
ODD: dict[str, Callable[[Path], object]] = {
    "missing": lambda file: None,
    "folder": Path.mkdir,
    "pipe": os.mkfifo,
    "endless": lambda file: file.symlink_to(ENDLESS),
    "loop": lambda file: file.symlink_to(file),
    "nowhere": lambda file: file.symlink_to("nowhere"),
}
WORDS = [
    ("steps", "steps"),
    ("steps", "steps="),
    ("steps", "steps=x"),
    ("unknown option", "="),
    ("stepz", "stepz=3"),
    ("lr", "lr=nan"),
    ("lr", "lr=inf"),
    ("lr", "lr=[1"),
    ("lr", "lr='"),
    ("lr", "lr=\0"),
    ("lr", "lr=!!python/name:os.system"),
    ("lr", "lr=${oc.env:HOME}"),
    ("base", "base=${oc.env:HOME}"),
    ("base", "base=${oc.create:{}}"),
    ("lr", f"lr={'[' * 3000}"),
    ("windows", "windows.flip.x=1"),
    ("windows", "windows=x"),
    ("unknown option", "..=1"),
    ("unknown option", "a[0]=1"),
    ("x" * 20, f"{'x' * 5000}=1"),
    ("steps", f"steps={'9' * 5000}"),
    ("\\x1b", "lr=\x1b[31m"),
]
RUN = (
    *("batch=0", "batch=-1", "frames=0", "steps=0", "steps=-1", "accumulate=0", "accumulate=3"),
    *("workers=-1", "threads=-2", "keep=-1", "minutes=-1", "seed=-1", "seed=99999999999999999999"),
    *("lr=-1", "warmup=-5", "weight_decay=-1", "ema=-1", "ema=1", "ema=2", "clip_norm=0"),
    *("clip_norm=-1", "betas=[2,3]", "betas=[-1,0.5]", "dtype=fp8", "optimizer=rm", "device=meta"),
    *("optim.name=x", "fsdp=true", "save_every=0", "sample_every=0", "log_every=0", "height=0"),
    *("variant=IX", "lora=-1", "lora_alpha=-1", "base=nowhere.safetensors", "dropout=2"),
    *("semantic_frame=x", "run.patience=-1", "sheet.steps=0"),
)
RECIPE = [
    ("steps", "steps=x"),
    ("stepz", "stepz=3"),
    ("cfg_scale", "cfg_scale=nan"),
    ("cfg_scale", "cfg_scale=${oc.env:HOME}"),
    ("seed", "seed=3"),
    ("steps", "steps"),
    ("steps", "steps=[1"),
]


def _prepared(words: list[str]) -> object:
    return prepare(read(PrepareConfig, None, ["filters.text=0", "filters.shots=none", *words]))


def _cached(words: list[str]) -> object:
    return build_cache(read(CacheConfig, None, [f"base={NANO}", *words]))


def _rendered(words: list[str]) -> object:
    return render(read(RenderConfig, None, words[1:]))


def _heldout(words: list[str]) -> object:
    return write_heldout(read(HeldoutConfig, None, words))


def _assembled(words: list[str]) -> object:
    return assemble(read(AssembleConfig, None, [f"base={NANO}", *words[1:]]))


def _ablated(words: list[str]) -> object:
    return ablate(read(AblationConfig, None, words))


# command -> what runs it, and words that it refuses
COMMANDS: dict[str, tuple[Callable[[list[str]], object], tuple[str, ...]]] = {
    "prepare": (
        _prepared,
        (
            *("size=0", "size=-5", "size=x", "max_fps=0", "max_fps=nan", "max_frames=0"),
            *("least_frames=-1", "workers=-1", "longest_minutes=-1", "shard_mb=-1"),
            *("families=['(']", "families=5", "filters.sketch=x", "filters.shots=x"),
            *("filters.device=x", "split.test_share=2", "split.test_share=-1", "split.length=0"),
            *("filters=x", "filters.models=[]", "filters.caption_model=nowhere"),
        ),
    ),
    "cache": (
        _cached,
        (
            *("count=0", "held_out=-1", "shard_items=0", "precision=fp8", "sketch=x", "frames=0"),
            *("height=0", "height=63", "device=x", "workers=-1", "threads=-1", "seed=-1"),
            *("autoencoder=x",),
        ),
    ),
    "photographs": (_rendered, ("clips=-1", "frames=0", "size=0", "fps=0", "seed=-1")),
    "heldout": (_heldout, ("count=0", "per_clip=0", "stride=0", "height=-1", "data=nowhere")),
    "assemble": (_assembled, ("dtype=fp8", "recipe.steps=x", "recipe.stepz=1", "recipe.eta=nan")),
    "ablate": (_ablated, ("rectify.stepz=1", "photographs.clps=9", "sampling=5")),
}
BEGUN = [(name, BROKEN[name]) for name in ("bracket", "list", "bytes", "deep", "python_object")]
ACCEPTED = [
    ("", []),
    ("# only a comment\n", ["lr=1e-3"]),
    ("\ufefflr: 0.5\n", []),
    ("windows: {scale: [0.5, 1]}\n", ["windows.flip=0.1"]),
    ("base: ~/models/\u72d0\u72f8 $HOME {x}.safetensors\n", []),
    ("lr: &a 0.5\nweight_decay: *a\n", ["betas=[0.5,0.6]"]),
]
