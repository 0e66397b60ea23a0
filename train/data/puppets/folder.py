"""A folder of puppet clips: frames that every recipe reads as they are, or Lottie files."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from omegaconf import MISSING
from PIL import Image
from tqdm import tqdm

from train.data.puppets.clip import Clip, clip, stage_clip
from train.data.puppets.levels import LEVELS
from train.data.puppets.lottie import lottie_text
from train.engine.files import atomic_write, write_text

MANIFEST = "puppets.json"
FORMATS = ("frames", "lottie")
SHOWN = 6  # frames of a clip on the sheet
LICENCE = "CC0 1.0 Universal (https://creativecommons.org/publicdomain/zero/1.0/)"


@dataclass(kw_only=True)
class PuppetsConfig:
    """What is made, and where it goes."""

    out: str = MISSING  # folder of the clips
    count: int = 1000  # clips
    seed: int = 0  # another number is another set
    level: int = -1  # 0 (one shape on a plain ground) to 5 (whole scenes); -1: all in turn
    frames: int = 16  # of a clip
    height: int = 128  # pixels
    width: int = 128  # pixels
    format: str = "frames"  # or lottie: vectors over a painted picture
    maps: bool = False  # with frames: motion and visibility as maps.npz beside them
    sheet: str = ""  # also a JPEG of the clips, six frames each


def write_set(config: PuppetsConfig) -> Path:
    """Write all clips that are not there yet. ValueError for options out of range, and where the
    folder holds clips of other options."""
    out = Path(config.out)
    _check(config, out / MANIFEST)
    for number in tqdm(range(config.count), "clips"):
        name = f"puppet_{number:06d}"
        if config.format == "lottie":
            _write_lottie(config, number, out, name)
        elif not (out / name).is_dir():
            unfinished = out / "unfinished" / name  # no clip of the folder above it
            write_frames(draw(config, number), unfinished)
            os.replace(unfinished, out / name)
    shutil.rmtree(out / "unfinished", ignore_errors=True)
    if config.sheet:
        clips = [draw(config, number) for number in range(config.count)]
        write_sheet(clips, Path(config.sheet))
    return out


def level_of(config: PuppetsConfig, number: int) -> int:
    return config.level if config.level >= 0 else number % LEVELS


def draw(config: PuppetsConfig, number: int) -> Clip:
    """Clip `number` of the set."""
    size = config.frames, config.height, config.width
    return clip(config.seed, number, level_of(config, number), *size, maps=config.maps)


def write_frames(made: Clip, folder: Path) -> None:
    """frame_000.png ..., prompt.txt, fps.txt, and maps.npz where the clip has maps."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for number, frame in enumerate(made.frames):
        Image.fromarray(frame).save(folder / f"frame_{number:03d}.png", compress_level=1)
    write_text(folder / "prompt.txt", made.prompt + "\n")
    write_text(folder / "fps.txt", f"{made.fps}\n")
    if made.maps is not None:
        packed = {
            name: value.astype(np.float16) if value.dtype == np.float32 else value
            for name, value in vars(made.maps).items()
        }
        atomic_write(folder / "maps.npz", lambda file: np.savez_compressed(file, **packed))


def _write_lottie(config: PuppetsConfig, number: int, out: Path, name: str) -> None:
    if (out / f"{name}.json").is_file():
        return
    size = config.height, config.width
    scene, prompt, fps = stage_clip(
        config.seed, number, level_of(config, number), config.frames, *size
    )
    write_text(out / f"{name}.txt", prompt + "\n")
    write_text(out / f"{name}.json", lottie_text(scene.stage, fps, *size, name))


def write_sheet(clips: list[Clip], file: Path, columns: int = 3) -> None:
    """Six frames a clip in a row, clips in columns."""
    rows = []
    for made in clips:
        picked = np.linspace(0, len(made.frames) - 1, SHOWN).round().astype(int)
        rows.append(np.concatenate(list(made.frames[picked]), 1))
    rows += [np.full_like(rows[0], 255)] * (-len(rows) % columns)
    page = np.concatenate([np.concatenate(rows[k::columns], 0) for k in range(columns)], 1)
    atomic_write(file, lambda f: Image.fromarray(page).save(f, "JPEG", quality=82))


def _check(config: PuppetsConfig, manifest: Path) -> None:
    """Ranges, and that the folder is new or holds clips of the same options."""
    if config.format not in FORMATS:
        raise ValueError(f"format={config.format}: expected one of {', '.join(FORMATS)}")
    if config.count < 1:
        raise ValueError(f"count={config.count}: expected 1 clip or more")
    if config.maps and config.format == "lottie":
        raise ValueError("maps=true goes with format=frames: Lottie files have no pixels")
    stage_level = 0 if config.level == -1 else config.level
    stage_clip(config.seed, 0, stage_level, config.frames, config.height, config.width)
    options = asdict(config) | {"licence": LICENCE}
    for name in ("out", "count", "sheet"):
        del options[name]
    if manifest.is_file() and json.loads(manifest.read_text(encoding="utf-8")) != options:
        raise ValueError(f"out={manifest.parent}: holds clips of other options; give a new folder")
    write_text(manifest, json.dumps(options, indent=2) + "\n")
    write_text(manifest.with_name("licence.txt"), LICENCE + "\n")
