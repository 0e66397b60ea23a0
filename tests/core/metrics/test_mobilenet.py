from pathlib import Path

import pytest
import torch
from tiny_networks import KERAS_LAYERS, save_mobilenet
from torch import Tensor
from torch.nn import functional as F

from toon_core.metrics.mobilenet import MobileNet, load_mobilenet
from toon_core.metrics.nsfwjs import exported, find_nsfwjs, nsfwjs_version, read_nsfwjs


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_mobilenet(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def net(package: Path) -> MobileNet:
    return load_mobilenet(package)


def test_a_minified_literal_is_read_and_not_run() -> None:
    script = (
        "!function(e){b.exports=e}({1:[function(e,a){a.exports={a_1:[-.5,.25,1e-3,0.5,7],B:!0,c:"
    )
    script += r'!1,d:null,e:"x:.5,!0,\"y:"}},{}]},{},[1]);'
    expected = {"a_1": [-0.5, 0.25, 1e-3, 0.5, 7], "B": True, "c": False, "d": None}
    assert exported(script) == expected | {"e": 'x:.5,!0,"y:'}
    for other in ("x.exports={a:f(1)}", "x.exports=require(1)", "let x = 1"):
        with pytest.raises(ValueError):
            exported(other)


def test_equals_the_layers_written_out(net: MobileNet, package: Path, clip: Tensor) -> None:
    w = read_nsfwjs(package).weights
    assert w["bn/moving_variance"].min() >= 0.1 and w["conv/kernel"].max() <= -0.5 + 255 * 0.004
    frames = clip[:2, :, :, 10:58]
    x = F.interpolate(frames, (16, 16), mode="bilinear", align_corners=True)
    x = F.conv2d(F.pad(x, (0, 1, 0, 1)), w["conv/kernel"].permute(3, 2, 0, 1), stride=2)
    mean, variance, gamma, beta = (
        w[f"bn/{name}"][:, None, None]
        for name in ("moving_mean", "moving_variance", "gamma", "beta")
    )
    x = ((x - mean) / (variance + 0.001).sqrt() * gamma + beta).clamp(0, 6)
    depthwise = w["depthwise/depthwise_kernel"].permute(2, 3, 0, 1)
    pooled = (x + F.conv2d(x, depthwise, padding=1, groups=8)).mean(dim=(2, 3))
    expected = pooled / pooled.norm(dim=1, keepdim=True)
    assert torch.allclose(net.image_features(frames), expected, atol=1e-5)


def test_the_package_file_is_found_and_named(package: Path, tmp_path: Path) -> None:
    assert find_nsfwjs(package.parent) == package
    assert find_nsfwjs(tmp_path) is None
    assert nsfwjs_version(package) == "4.4.0"


def test_a_bad_file_is_named(tmp_path: Path, package: Path) -> None:
    path = tmp_path / package.name
    for bad in (b"<html>", package.read_bytes()[:600], package.read_bytes()[:-200]):
        path.write_bytes(bad)
        with pytest.raises(ValueError, match=r"nsfwjs-4\.4\.0\.tgz does not hold the MobileNetV2"):
            load_mobilenet(path)
    path.write_bytes(b"<html>")
    with pytest.raises(ValueError, match=r"npm pack nsfwjs@4\.4\.0"):
        nsfwjs_version(path)
    with pytest.raises(ValueError, match="bytes of weights"):
        load_mobilenet(save_mobilenet(tmp_path, cut=7))


@pytest.mark.parametrize(
    ("place", "change", "words"),
    [
        (2, {"class_name": "SeparableConv2D"}, "conv is SeparableConv2D"),
        (4, {"config": {"max_value": 6, "negative_slope": 0.1}}, "relu has negative_slope 0.1"),
        (5, {"config": {"strides": [2, 2], "padding": "same"}}, "padding='same'"),
        (7, {"class_name": "Add"}, "no layer AveragePooling2D|Dense"),
    ],
)
def test_another_network_is_refused(tmp_path: Path, place: int, change: dict, words: str) -> None:
    layers = [dict(layer) for layer in KERAS_LAYERS]
    layers[place] |= change
    with pytest.raises(ValueError, match=words):
        load_mobilenet(save_mobilenet(tmp_path, layers))
