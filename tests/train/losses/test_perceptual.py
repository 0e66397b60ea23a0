"""LPIPS and the distance of styles as losses: the published values, and which way gradients go."""

import logging
from pathlib import Path

import lpips as published
import pytest
import torch
from torch import nn

from toon_core.metrics.networks.imagenet import FILES
from train.losses.perceptual import PerceptualConfig, perceptual_loss, style_distance

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def alex(tmp_path_factory):
    """A models folder with a random AlexNet in torchvision's format, and the published package's
    LPIPS on the same trunk."""
    torch.manual_seed(0)
    net = published.LPIPS(net="alex", pnet_rand=True, verbose=False).eval()
    layers = {k.split(".", 1)[1]: v for k, v in net.net.state_dict().items()}
    folder = tmp_path_factory.mktemp("models")
    torch.save({f"features.{k}": v for k, v in layers.items()}, folder / FILES["alex"])
    return folder, net


def perceptual(net, folder, style=0.0):
    return perceptual_loss(PerceptualConfig(weight=1.0, net=net, models=str(folder), style=style))


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(1)
    a = torch.rand(2, 3, 64, 64, generator=generator) * 2 - 1
    return a, (a + 0.3 * torch.randn(a.shape, generator=generator)).clamp(-1, 1)


def test_the_published_distance_is_read_from_torchvisions_file(alex, images):
    folder, net = alex
    loss = perceptual("alex", folder)
    expected = net(*images).mean().item()
    assert expected > 1e-3
    assert loss(*images).item() == pytest.approx(expected, rel=1e-4)


def test_gradients_reach_the_images_and_nothing_else(alex, images):
    loss = perceptual("alex", alex[0])
    a, b = (x.clone().requires_grad_() for x in images)
    loss(a, b).backward()
    assert a.grad.abs().max() > 0 and a.grad.isfinite().all()
    assert b.grad is None
    assert not any(p.requires_grad for p in loss.parameters())


def test_a_step_along_the_gradient_brings_images_nearer(alex, images):
    loss, (a, b) = perceptual("alex", alex[0]), images
    a = a.clone().requires_grad_()
    before = loss(a, b)
    before.backward()
    after = loss(a - 0.05 * a.grad / a.grad.abs().max(), b)
    assert after < before


def test_style_is_blind_to_where_things_are_and_not_to_a_blur():
    generator = torch.Generator().manual_seed(2)
    maps = [torch.randn(2, 5, 8, 8, generator=generator), torch.randn(2, 3, 4, 4)]
    moved = [m.roll((1, 2), (2, 3)) for m in maps]
    blurred = [nn.functional.avg_pool2d(m, 3, 1, 1, count_include_pad=False) for m in maps]
    torch.testing.assert_close(style_distance(moved, maps), torch.zeros(2), atol=1e-5, rtol=0)
    assert style_distance(blurred, maps).min() > 0.3
    halved = [m * 0.5**0.5 for m in maps]  # Gram matrices of half the size
    torch.testing.assert_close(style_distance(halved, maps), torch.full((2,), 0.2))
    doubled = [m * 2 for m in maps]  # as far the other way, and never more than 1
    assert style_distance(maps, doubled).tolist() == style_distance(doubled, maps).tolist()
    assert style_distance([m * 1e3 for m in maps], maps).max() <= 1


def test_style_is_added_to_the_distance(alex, images):
    plain, both = perceptual("alex", alex[0]), perceptual("alex", alex[0], style=0.5)
    trunk = plain.measure.trunk
    added = style_distance(*(trunk((x + 1) / 2) for x in images)).mean()
    assert both(*images).item() == pytest.approx(plain(*images).item() + 0.5 * added.item())


def test_black_images_have_finite_gradients(alex):
    dark = torch.full((1, 3, 64, 64), -1.0, requires_grad=True)
    perceptual("alex", alex[0])(dark, torch.ones(1, 3, 64, 64)).backward()
    assert dark.grad.isfinite().all()


def test_half_precision_around_it_changes_nothing(alex, images):
    loss = perceptual("alex", alex[0])
    plain = loss(*images)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(loss(*images), plain)


def test_auto_says_which_network_it_took(alex, caplog):
    with caplog.at_level(logging.INFO, "toon.train"):
        loss = perceptual("auto", alex[0])
    assert "LPIPS v0.1 alex" in loss.label and loss.label in caplog.text


def test_auto_falls_to_hed_and_says_so(tmp_path, images):
    loss = perceptual("auto", tmp_path)
    assert loss.label.startswith("LPIPS-HED")
    a = images[0].clone().requires_grad_()
    loss(a, images[1]).backward()
    assert a.grad.abs().max() > 0


def test_a_missing_or_wrong_file_is_named(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=FILES["vgg"]):
        perceptual("vgg", tmp_path)
    torch.save({"features.0.weight": torch.zeros(3)}, tmp_path / FILES["vgg"])
    with pytest.raises(ValueError, match="is not torchvision's vgg"):
        perceptual("vgg", tmp_path)
    with pytest.raises(ValueError, match="expected one of auto"):
        perceptual("squeeze", tmp_path)
    assert perceptual("none", tmp_path) is None
    (tmp_path / FILES["vgg"]).unlink()
    monkeypatch.setattr("toon_core.metrics.networks.packages.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="perceptual.net=none"):
        perceptual("auto", tmp_path)
