"""Windows of held-out clips with nano's frames for them: what guards_takes.py measures.

    python benchmarks/guards_windows.py FILE.pt [minutes=4.5]

Samples what FILE.pt does not hold yet, for so many minutes, and can be called again. A window is
sixteen true frames at 128 x 128; about 6 s of one core for each clip of nano's.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

from nano_cast import frames as cast_frames  # noqa: E402

from train.data.puppets.clip import clip as puppet  # noqa: E402
from train.eval.systems import NANO, Checkpoint, Sampling  # noqa: E402
from train.eval.testset import Clip  # noqa: E402

HELD_OUT = 1_000_011  # seed of the puppets; training takes smaller ones
SEEDS = (123, 124, 125, 126)  # of the takes
CAST, PUPPETS = 6, 6  # windows with a take for each seed
MORE = 8  # puppets, beside the rest of the cast, on which the rule that did best is tried again
HARD = 30  # puppets with a take of the first seed: pairs near and far


@dataclass(frozen=True, kw_only=True)
class Window:
    """The true frames (16 3 128 128) in [0, 1], the seeds of nano's, and whether the window is kept
    for a second trial."""

    clip: Clip
    seeds: tuple[int, ...]
    again: bool = False

    def takes(self, made: dict[str, Tensor]) -> list[Tensor]:
        return [made[f"{self.clip.name} {seed}"].float() / 255 for seed in self.seeds]


def windows() -> list[Window]:
    index = json.loads((ROOT / "cast" / "index.json").read_text(encoding="utf-8"))
    cast = [(name, entry) for name, entry in sorted(index.items())[:CAST]]
    many = [Window(clip=_cast(name, entry), seeds=SEEDS) for name, entry in cast]
    many += [Window(clip=_puppet(i, 2 + i % 4, 1 + i % 2), seeds=SEEDS) for i in range(PUPPETS)]
    rest = [_cast(name, entry) for name, entry in sorted(index.items())[CAST:]]
    rest += [_puppet(200 + i, 2 + i % 4, 1 + i % 2) for i in range(MORE)]
    many += [Window(clip=clip, seeds=SEEDS, again=True) for clip in rest]
    once = [_puppet(100 + i, i % 6, 1 + i // 6 % 3) for i in range(HARD)]
    return many + [Window(clip=clip, seeds=SEEDS[:1]) for clip in once]


def _cast(name: str, entry: dict) -> Clip:
    return Clip(name=name, frames=cast_frames(name), prompt=entry["prompt"], fps=entry["fps"])


def _puppet(index: int, level: int, stride: int) -> Clip:
    """Sixteen frames, `stride` apart in the clip."""
    made = puppet(HELD_OUT, index, level, frames=15 * stride + 1)
    shown = torch.from_numpy(made.frames[::stride]).permute(0, 3, 1, 2).float() / 255
    name = f"puppet {index} level {level} stride {stride}"
    return Clip(name=name, frames=shown, prompt=made.prompt, fps=max(1, made.fps // stride))


def main() -> None:
    file = Path(sys.argv[1])
    given = dict(word.split("=", 1) for word in sys.argv[2:])
    end = time.monotonic() + 60 * float(given.get("minutes", 4.5))
    made: dict[str, Tensor] = torch.load(file) if file.is_file() else {}
    nano = Checkpoint("nano", NANO)
    wanted = [(w.clip, seed) for w in windows() for seed in w.seeds]
    missing = [(c, seed) for c, seed in wanted if f"{c.name} {seed}" not in made]
    for done, (clip, seed) in enumerate(missing):
        if time.monotonic() > end:
            print(f"{len(missing) - done} of {len(wanted)} takes left; call again")
            break
        frames = nano.frames(clip, Sampling(seed=seed))
        made[f"{clip.name} {seed}"] = (frames * 255).round().byte()
    part = replace_file(file, made)
    print(f"{len(made)} takes in {part}")


def replace_file(file: Path, made: dict[str, Tensor]) -> Path:
    """A killed run leaves the takes of the one before."""
    part = file.with_suffix(".part")
    torch.save(made, part)
    part.replace(file)
    return file


if __name__ == "__main__":
    main()
