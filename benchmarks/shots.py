"""Shots of many keys in figures: exactness, joins, fades, drift, distance from the truth, time.

    python benchmarks/shots.py [out=docs/shots.json] [apart=4,8,16] [puppets=6] [rife=true]
    python benchmarks/shots.py long=true
    python benchmarks/shots.py memory=true

Of true clips (the cast's, and puppets that nothing was trained on) every 4th, 8th or 16th frame is
a key, and a system gives the frames between. Systems: `shots`, this engine; `chain`, what a graph
of two-key nodes gives: each pair by itself, its 16 frames thinned by index, keys as the decoder
gives them; RIFE, and a cross-fade. long=true: one shot of 65 keys, four frames apart, and how far
its colours are from the truth's after 4, 16 and 64. memory=true: 4 and then 64 keys to 1,000 frames
in files, and the host memory that the process came to.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from nano_cast import cast  # noqa: E402
from PIL import Image  # noqa: E402

import toon_core  # noqa: E402
from toon_core.metrics.networks.rife import Rife  # noqa: E402
from toon_core.metrics.plain.colour_drift import colour_drift  # noqa: E402
from toon_core.metrics.plain.fade_score import fade_score  # noqa: E402
from toon_core.metrics.plain.jump import jump  # noqa: E402
from toon_core.shots.drawings import Drawings, digest  # noqa: E402
from toon_core.shots.identity import file_digest  # noqa: E402
from toon_core.shots.making import Job, Picture  # noqa: E402
from toon_core.shots.pipelined import PipelineMaker  # noqa: E402
from toon_core.shots.reading import read_sheet  # noqa: E402
from toon_core.shots.render import frame_name, render  # noqa: E402
from toon_core.shots.shot import Shot  # noqa: E402
from toon_core.shots.takes import Takes  # noqa: E402
from train.data.puppets.clip import clip  # noqa: E402
from train.engine.config import parse  # noqa: E402
from train.losses.perceptual import PerceptualConfig, perceptual_loss  # noqa: E402

NANO = ROOT / "weights" / "nano.safetensors"
HELD_OUT = 1_000_021  # seed of the puppets; training takes smaller ones

Fill = Callable[[Tensor, int, str], Tensor]  # true frames, keys apart, prompt -> all frames


@dataclass(kw_only=True)
class ShotsConfig:
    """What is measured."""

    out: str = ""  # a JSON file for the figures
    apart: str = "4,8,16"  # frames from key to key
    puppets: int = 6  # puppet clips of 33 frames
    cast: int = 8  # clips of the cast
    rife: bool = True
    long: bool = False
    memory: bool = False
    threads: int = 1


class Shots:
    """The engine, from files to files."""

    def __init__(self, maker: PipelineMaker) -> None:
        self.maker = maker

    def __call__(self, true: Tensor, apart: int, prompt: str) -> Tensor:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            keys = []
            for n in range(0, len(true), apart):
                save(true[n], folder / f"{n}.png")
                keys.append({"frame": n, "image": f"{n}.png"})
            sheet = {"version": 1, "length": len(true), "prompt": prompt, "keys": keys}
            shot = Shot.of(read_sheet(sheet), Drawings([folder]), self.maker)
            render(shot, self.maker, Takes(folder / "takes"), folder / "out")
            return torch.stack([read(folder / "out" / frame_name(i)) for i in range(len(true))])


def chain(maker: PipelineMaker) -> Fill:
    """Each pair by itself with one seed, its frames thinned by index, joined end to end."""

    def fill(true: Tensor, apart: int, prompt: str) -> Tensor:
        out = []
        for n in range(0, len(true) - 1, apart):
            first, last = (true[i : i + 1] * 2 - 1 for i in (n, n + apart))
            pictures = [Picture(digest(x), x, x) for x in (first, last)]
            job = Job(
                first=pictures[0], last=pictures[1], prompt=prompt, negative="", seed=123, fs=24
            )
            made = maker.make([job])[0].permute(0, 3, 1, 2).float() / 255
            out += [made[round(i * 15 / apart)] for i in range(apart)]
        return torch.stack([*out, made[-1]])

    return fill


def between(blend: Callable[[Tensor, Tensor, float], Tensor]) -> Fill:
    """A system that gives one frame at a time between two keys."""

    def fill(true: Tensor, apart: int, prompt: str) -> Tensor:
        out = []
        for n in range(0, len(true) - 1, apart):
            first, last = true[n], true[n + apart]
            out += [first, *(blend(first, last, i / apart) for i in range(1, apart))]
        return torch.stack([*out, true[-1]])

    return fill


def cross_fade(first: Tensor, last: Tensor, time: float) -> Tensor:
    return first + time * (last - first)


def save(picture: Tensor, path: Path) -> None:
    pixels = (picture * 255).round().to(torch.uint8).permute(1, 2, 0)
    Image.fromarray(pixels.numpy()).save(path)


def read(path: Path) -> Tensor:
    with Image.open(path) as image:
        return (
            torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
            .view(image.height, image.width, 3)
            .permute(2, 0, 1)
            .float()
            / 255
        )


@dataclass(frozen=True)
class Figures:
    """Of one system on one clip."""

    key: float  # largest difference of a key from its picture, of 255
    jump: list[float]  # beside each key (metrics.jump)
    fade: float  # share of changed blocks that are a blend (metrics.fade_score)
    distance: float  # LPIPS-HED of the inner frames from the truth
    seconds: float  # a segment

    @classmethod
    def of(cls, fill: Fill, true: Tensor, apart: int, prompt: str, measure: Any) -> Figures:
        begin = time.perf_counter()
        got = fill(true, apart, prompt)
        seconds = time.perf_counter() - begin
        keys = range(0, len(true), apart)
        inner = [i for i in range(len(true)) if i % apart]
        segments = [slice(n, n + apart + 1) for n in keys[:-1]]
        jumps = [j for s in segments for j in jump(got[s])]
        fades = [fade_score(got[s][1:-1], true[s.start], true[s.stop - 1]) for s in segments]
        return cls(
            key=255 * float((got[::apart] - true[::apart]).abs().max()),
            jump=[j for j in jumps if j == j],
            fade=float(torch.cat(fades).nanmean()),
            distance=float(measure(got[inner] * 2 - 1, true[inner] * 2 - 1).mean()),
            seconds=seconds / len(segments),
        )


def clips(config: ShotsConfig, apart: int) -> list[tuple[Tensor, str]]:
    """True frames, as many as keys so far apart need, and prompts."""
    found = [(c.frames, c.prompt) for c in cast()[: config.cast]]
    for index in range(config.puppets):
        made = clip(HELD_OUT, index, 2 + index % 4, 33, 128, 128)
        found.append((torch.from_numpy(made.frames).movedim(-1, 1).float() / 255, made.prompt))
    if apart >= 16:  # the cast's clips have 16 frames
        return [(f[: (len(f) - 1) // 15 * 15 + 1] if len(f) == 16 else f, p) for f, p in found]
    return [(f[: (len(f) - 1) // apart * apart + 1], p) for f, p in found]


def table(config: ShotsConfig, systems: dict[str, Fill]) -> dict[str, Any]:
    measure = perceptual_loss(PerceptualConfig(weight=1.0, net="hed"))
    rows: dict[str, Any] = {}
    for apart in map(int, config.apart.split(",")):
        for name, fill in systems.items():
            figures = []
            for true, prompt in clips(config, apart):
                own = 15 if len(true) == 16 and apart == 16 else apart
                figures.append(Figures.of(fill, true, own, prompt, measure))
            rows[f"{name}, every {apart}"] = row = {
                "key": max(f.key for f in figures),
                "jump": statistics.median(j for f in figures for j in f.jump),
                "fade": statistics.fmean(f.fade for f in figures if f.fade == f.fade),
                "distance": statistics.fmean(f.distance for f in figures),
                "seconds": statistics.median(f.seconds for f in figures),
            }
            told = ", ".join(f"{k} {v:.3g}" for k, v in row.items())
            print(f"{name}, every {apart}: {told}", flush=True)
    return rows


def drift(systems: dict[str, Fill]) -> dict[str, Any]:
    """Colour difference from the truth over the first 4, 16 and 64 keys of one long shot."""
    made = clip(HELD_OUT, 40, 3, 257, 128, 128)
    true = torch.from_numpy(made.frames).movedim(-1, 1).float() / 255
    rows = {}
    for name, fill in systems.items():
        off = colour_drift(fill(true, 4, made.prompt), true)
        rows[name] = {keys: float(off[4 * keys - 12 : 4 * keys + 1].mean()) for keys in (4, 16, 64)}
        print(name, {k: round(v, 2) for k, v in rows[name].items()}, flush=True)
    return rows


def memory(maker: PipelineMaker) -> dict[str, float]:
    """Most host memory of this process in MB, after a shot of 1,000 frames with 4 keys and then
    after one with 64."""
    quick = PipelineMaker(
        maker.model, replace(maker.recipe, steps=1, height=64, width=64), maker.identity
    )
    made = clip(HELD_OUT, 41, 3, 64, 512, 512)
    most = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for i, frame in enumerate(made.frames):
            Image.fromarray(frame).save(folder / f"{i}.png")
        for count in (4, 64):
            keys = [{"frame": 1000 * i // count, "image": f"{i}.png"} for i in range(count)]
            sheet = {"version": 1, "length": 1000, "exposure": 2, "keys": keys}
            shot = Shot.of(read_sheet(sheet), Drawings([folder]), quick, dense=False)
            seen: list[int] = []

            def look(part: float, key: object, x0: object, seen: list[int] = seen) -> None:
                seen.append(psutil.Process().memory_info().rss)

            render(shot, quick, Takes(folder / f"takes_{count}"), folder / f"out_{count}", look)
            look(1.0, None, None)
            most[str(count)] = max(seen) / 1e6
            print(f"{count} keys: {most[str(count)]:.0f} MB", flush=True)
    return most


def main(arguments: list[str]) -> None:
    config = parse(ShotsConfig, arguments, __doc__)
    torch.set_num_threads(config.threads)
    model = toon_core.load(NANO, dtype=torch.float32).eval()
    with tempfile.TemporaryDirectory() as notes:
        maker = PipelineMaker(
            model, model.config.recipe, file_digest(NANO, Path(notes) / "models.json")
        )
    systems: dict[str, Fill] = {"shots": Shots(maker), "chain": chain(maker)}
    if config.rife and not config.long:
        systems |= {"RIFE": between(Rife().between), "cross-fade": between(cross_fade)}
    if config.memory:
        made: dict[str, Any] = memory(maker)
    elif config.long:
        made = drift(systems)
    else:
        made = table(config, systems)
    if config.out:
        Path(config.out).write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    with torch.no_grad():
        main(sys.argv[1:])
