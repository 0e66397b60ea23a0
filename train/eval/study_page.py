"""The page of a user study: blind names, moving pictures, and the key that tells them apart."""

import hashlib
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor
from tqdm import tqdm

from train.engine.claim import claimed

from .clips import Clip, read_clip, read_testset
from .store import script_json, write_json
from .strips import COLUMNS, strip
from .systems import Sampling, System, read_spec, run_system

TEMPLATE = Path(__file__).with_name("study.html")
CRITERIA = {
    "motion_quality": ("Motion quality", "Which clip moves best?"),
    "temporal_coherence": ("Temporal coherence", "Which clip holds together best over time?"),
    "frame_fidelity": ("Frame fidelity", "Which clip's single pictures look best?"),
}


@dataclass(frozen=True, kw_only=True)
class Study:
    """What to show. `size` is the clips' shorter side in pixels."""

    testset: Path
    out: Path
    systems: tuple[str, ...]
    clips: int = 12
    seed: int = 123
    size: int = 256
    sampling: Sampling = Sampling()
    device: str = "cpu"


def make(study: Study) -> Path:
    """Write out/page and out/key.json -> the page; ValueError before long work.

    What is made already is kept, so an interrupted run goes on.
    """
    specs = [read_spec(system) for system in study.systems]
    names = [spec.name for spec in specs]
    if not 2 <= len(specs) <= 9 or len(set(names)) < len(names):
        raise ValueError(f"systems {names}: a study compares 2 to 9 of different names")
    if study.clips < 1 or study.size < 16:
        raise ValueError(f"clips {study.clips}, size {study.size}: at least 1 clip of size 16")
    folders = read_testset(study.testset)
    chosen = sorted(random.Random(study.seed).sample(folders, min(study.clips, len(folders))))
    for spec in specs:
        spec.check(chosen)
    clips = [read_clip(folder, study.size) for folder in chosen]
    systems = [spec.open(study.device) for spec in specs]
    with claimed(study.out, study.testset):
        return _made(study, clips, systems)


def _made(study: Study, clips: Sequence[Clip], systems: Sequence[System]) -> Path:
    media = study.out / "page" / "media"
    media.mkdir(parents=True, exist_ok=True)
    shown = [_show(clip, systems, study, media) for clip in tqdm(clips, "clips", unit="clip")]
    return _write(study, [system.name for system in systems], clips, shown)


def _show(clip: Clip, systems: Sequence[System], study: Study, media: Path) -> dict[str, str]:
    """{system: blind name} of the clip's pictures, which are made where they are missing."""
    keys = clip.frames[[0, -1]]
    _picture(keys, media / f"{_blind(study, clip.digest())}.webp")
    blind = {}
    for system in systems:
        made = f"{system.name} {clip.digest()} {system.fingerprint(clip, study.sampling)}"
        blind[system.name] = _blind(study, made)
        file = media / f"{blind[system.name]}.webp"
        if not file.is_file():
            _picture(run_system(system, clip, study.sampling), file)
    return blind


def _blind(study: Study, content: str) -> str:
    return hashlib.sha256(f"{study.seed} {content}".encode()).hexdigest()[:12]


def _picture(frames: Tensor, file: Path) -> None:
    """Frames (f 3 h w) in [0, 1] as a lossless strip, whole or not at all."""
    part = file.with_suffix(".part")
    strip(frames).save(part, "WEBP", lossless=True)
    part.replace(file)


def _write(
    study: Study, names: Sequence[str], clips: Sequence[Clip], shown: Sequence[dict[str, str]]
) -> Path:
    questions = [
        {
            "id": f"c{number:02d}",
            "prompt": clip.prompt,
            "keys": _blind(study, clip.digest()),
            "media": sorted(blind.values()),
            "frames": len(clip.frames),
            "height": clip.size[0],
            "width": clip.size[1],
        }
        for number, (clip, blind) in enumerate(zip(clips, shown, strict=True))
    ]
    facts = {"clips": questions, "criteria": CRITERIA, "columns": COLUMNS}
    facts["study"] = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]
    key = {
        "study": facts["study"],
        "systems": list(names),
        "clips": {q["id"]: clip.name for q, clip in zip(questions, clips, strict=True)},
        "media": {
            name: {"clip": q["id"], "system": system}
            for q, blind in zip(questions, shown, strict=True)
            for system, name in blind.items()
        },
        "seed": study.seed,
        "size": study.size,
    }
    write_json(study.out / "key.json", key)
    page = study.out / "page" / "index.html"
    html = TEMPLATE.read_text("utf-8").replace("@FACTS@", script_json(facts))
    page.write_text(html, encoding="utf-8")
    return page
