"""Clips as layers: they compose to the clips, by (seed, index), and recipes train from them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import grid_sample

from train.data.filters.base import FilterConfig
from train.data.prepare.config import PrepareConfig
from train.data.prepare.run import prepare
from train.data.puppets.clip import clip
from train.data.puppets.folder import LICENCE
from train.data.resident import drawing
from train.data.resident.folder import LayersConfig, read_words, write_layers
from train.data.resident.layers import draw_layers
from train.data.resident.windows import ResidentWindows, _grid
from train.data.store import open_store

CPU = torch.device("cpu")
SIDE = 64


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("layers")
    return write_layers(
        LayersConfig(out=str(out), count=20, held_out=3, frames=6, side=SIDE, workers=1)
    )


def windows(folder: Path, split: str = "train", seed: int = 0, **own) -> ResidentWindows:
    options = {"frames": 4, "side": SIDE, "items": 100, "device": CPU, **own}
    return ResidentWindows(folder, split, seed=seed, **options)


@pytest.mark.parametrize("level", [0, 3, 5])
def test_layers_compose_to_the_clip(level: int) -> None:
    made = draw_layers(3, level, level, 5, SIDE)
    behind = torch.from_numpy(made.behind).movedim(-1, 0)[None].float().expand(5, -1, -1, -1)
    grid = _grid(torch.from_numpy(made.places), SIDE)
    behind = grid_sample(behind, grid, padding_mode="reflection", align_corners=False)
    layer = torch.from_numpy(made.figures).movedim(-1, 1).float()
    composed = layer[:, :3] + (1 - layer[:, 3:] / 255) * behind
    true = clip(3, level, level, 5, SIDE, SIDE)
    error = (composed - torch.from_numpy(true.frames).movedim(-1, 1).float()).abs()
    figure = (layer[:, 3:] == 255).expand_as(error)
    assert error[figure].max() <= 1  # of 255; behind it the picture is read at another size
    assert error.mean() < 2
    assert (made.prompt, made.fps) == (true.prompt, true.fps)


def test_an_item_hangs_on_seed_and_index(folder: Path) -> None:
    drawn = windows(folder, sketches=True)
    batch = drawn.batch_of(range(8, 14))
    assert batch["video"].shape == (6, 3, 4, SIDE, SIDE)
    assert batch["sketches"].shape == (6, 1, 4, SIDE, SIDE)
    assert batch["video"].min() >= -1 and batch["video"].max() <= 1
    one = drawn[10]
    assert torch.equal(one["video"], batch["video"][2])
    assert torch.allclose(one["sketches"], batch["sketches"][2], atol=1e-6)
    assert (one["prompt"], one["fs"]) == (batch["prompt"][2], batch["fs"][2])
    other = windows(folder, seed=1)[10]
    assert not torch.equal(one["video"], other["video"])
    assert {*drawn.words} <= {*read_words(folder, 20)[:17]} and len(drawn.words) == 17
    assert len(windows(folder, "test").words) == 3


def test_the_stamp_of_puppets_alone_never_changes(folder: Path) -> None:
    """Runs that were begun before there were cutouts go on."""
    facts = {"count": 20, "held_out": 3, "seed": 0, "frames": 6, "side": SIDE}
    assert json.loads((folder / "resident.json").read_text()) == facts
    assert windows(folder).stamp() == hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def test_what_chance_decides_shows(folder: Path) -> None:
    draws = drawing.draw(0, range(600), 17, 6, 4)
    told = draws.told.mean()
    assert 0.4 < told < 0.7  # others' colours, places and company say nothing of the clip
    assert 0.1 < (draws.second != 0).mean() < 0.2
    assert 0.4 < draws.mirrored.mean() < 0.6
    assert draws.first.frames.min() >= 0 and draws.first.frames.max() <= 5
    steps = np.abs(np.diff(draws.first.frames, axis=1))
    assert (steps == steps[:, :1]).all() and steps.max() == 1  # six frames have no room for two
    edges = np.abs(draws.first.maps[:, :, (0, 1), (0, 1)]) + np.abs(draws.first.maps[:, :, :, 2])
    assert edges.max() <= 1 + 1e-5  # a layer covers the window


def test_a_mirrored_window_is_the_mirror(folder: Path) -> None:
    """Of one draw, figures and the picture behind turn together."""
    drawn, draws = windows(folder), drawing.draw(0, range(1), 17, 6, 4)
    plain, turned = (np.array([flag]) for flag in (False, True))
    maps = drawing._maps(4, 1.0, np.zeros(2), np.zeros(2), False)[None]
    flipped = drawing._maps(4, 1.0, np.zeros(2), np.zeros(2), True)[None]
    made = []
    for mirrored, own in ((plain, maps), (turned, flipped)):
        first = drawing.Figure(**{**vars(draws.first), "maps": own})
        changed = {**vars(draws), "first": first, "mirrored": mirrored, "second": np.zeros(1)}
        made.append(drawn._composed(drawing.Draws(**changed)))
    assert torch.allclose(made[0].flip(-1), made[1], atol=1e-4)


def test_smaller_windows_are_the_same_ones(folder: Path) -> None:
    large, small = windows(folder)[3], windows(folder, side=SIDE // 2)[3]
    halved = torch.nn.functional.avg_pool2d(large["video"].transpose(0, 1), 2).transpose(0, 1)
    assert torch.allclose(halved, small["video"], atol=1e-5)


def test_refused(folder: Path, tmp_path: Path) -> None:
    for wrong in ({"frames": 7}, {"side": 48}, {"side": 2 * SIDE}):
        with pytest.raises(ValueError, match="its clips have 6 frames of 64 pixels"):
            windows(folder, **wrong)
    with pytest.raises(ValueError, match="holds clips of other options"):
        write_layers(LayersConfig(out=str(folder), count=21, held_out=3, frames=6, side=SIDE))
    with pytest.raises(ValueError, match="none is left"):
        write_layers(LayersConfig(out=str(tmp_path), count=4, held_out=4))
    for text in ("{}[", '{"count": 10, "frames": -1}', '{"colour": 1}'):
        (tmp_path / "resident.json").write_text(text)
        with pytest.raises(ValueError, match="no clips as layers"):
            windows(tmp_path)


def test_drawing_goes_on_where_it_was_stopped(folder: Path, tmp_path: Path) -> None:
    """By two processes as by one."""
    config = LayersConfig(out=str(tmp_path), count=20, held_out=3, frames=6, side=SIDE, workers=2)
    write_layers(config)
    (tmp_path / "words" / "00000016.json").unlink()
    with pytest.raises(ValueError, match="not all drawn"):
        windows(tmp_path)
    first = tmp_path / "words" / "00000000.json"
    before = first.stat().st_mtime_ns
    write_layers(config)
    assert first.stat().st_mtime_ns == before
    for name in ("figures", "behind", "places"):
        assert (tmp_path / f"{name}.bin").read_bytes() == (folder / f"{name}.bin").read_bytes()


@pytest.fixture(scope="module")
def store(lottie_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shards")
    options = {"data": str(lottie_folder), "out": str(out), "licence": "CC0, ours"}
    filters = FilterConfig(sketch="xdog", text=0)
    prepare(PrepareConfig(**options, size=SIDE, workers=0, filters=filters))
    return out


def test_prepared_figures_before_the_pictures_of_puppets(store: Path, tmp_path: Path) -> None:
    options = {"count": 20, "held_out": 3, "frames": 6, "side": SIDE, "workers": 1}
    config = LayersConfig(out=str(tmp_path / "all"), cutouts=str(store), share=1.0, **options)
    drawn = windows(write_layers(config))
    known = {record.caption for record in open_store(store).split("train")}
    assert {prompt for prompt, _ in drawn.words} <= known
    assert not {prompt for prompt, _ in windows(tmp_path / "all", "test").words} & known
    assert drawn.licences() == [LICENCE, "CC0, ours"]
    for index in range(4):  # something opaque that moves, over the puppets' pictures
        puppets = draw_layers(0, index, index, 6, SIDE)
        figures = drawn.figures[index].numpy()
        assert (figures[..., 3] == 255).any() and (figures[..., 3] == 0).any()
        assert (np.abs(np.diff(figures.astype(int), axis=0)) > 50).any()
        assert np.array_equal(drawn.behind[index].numpy(), puppets.behind)

    some = replace(config, out=str(tmp_path / "some"), share=0.5)
    share = np.mean([prompt in known for prompt, _ in windows(write_layers(some)).words])
    assert 0.2 < share < 0.8
    with pytest.raises(ValueError, match="holds clips of other options"):
        write_layers(replace(some, share=0.4))
    with pytest.raises(ValueError, match="holds clips of other options"):
        write_layers(replace(some, cutouts=""))


def test_clips_without_alpha_are_no_cutouts(clip_folders: Path, tmp_path: Path) -> None:
    config = LayersConfig(out=str(tmp_path), cutouts=str(clip_folders), frames=6, side=SIDE)
    with pytest.raises(ValueError, match="cutouts=.*none has alpha"):
        write_layers(config)
    with pytest.raises(ValueError, match="cutouts=nowhere: no such folder"):
        write_layers(replace(config, cutouts="nowhere"))
    assert not (tmp_path / "figures.bin").exists()
