"""MobileNetV2's pooled features: likeness of two pictures, in place of CLIP_img.

Not the network of the literature: call what is measured with it CLIP_img-MobileNet.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .frames import check_frames
from .nsfwjs import KerasModel, read_nsfwjs

POOLING = "AveragePooling2D"  # what follows it is the classifier
# The one value of an option that the layers below are written for.
ONLY = {
    "activation": "linear",
    "axis": -1,
    "data_format": "channels_last",
    "depth_multiplier": 1,
    "dilation_rate": [1, 1],
    "negative_slope": 0,
    "threshold": 0,
}


class MobileNet(nn.Module):
    """Keras's layer list up to its pooling, run in its order.

    Sandler et al., "MobileNetV2: inverted residuals and linear bottlenecks", 2018. ValueError for
    a layer of another kind or with options that MobileNetV2 has not.
    """

    def __init__(self, model: KerasModel) -> None:
        super().__init__()
        first, *layers = model.layers
        if first["class_name"] != "InputLayer":
            raise ValueError(f"its first layer is {first['class_name']}, not InputLayer")
        self.size: tuple[int, int] = tuple(first["config"]["batch_input_shape"][1:3])
        self.start: str = first["name"]
        self.layers, self.inputs = nn.ModuleDict(), {}
        for layer in layers:
            name = layer["name"]
            self.inputs[name] = [node[0] for node in layer["inbound_nodes"][0]]
            self.layers[name] = _build(layer, model.weights)
            if layer["class_name"] == POOLING:
                return
        raise ValueError(f"it has no layer {POOLING}")

    @torch.no_grad()
    def image_features(self, frames: Tensor) -> Tensor:
        """RGB frames (f 3 h w) in [0, 1], any size -> unit vectors (f d); keep the truth's.

        The package's own preparation: [0, 1] as it is, the whole frame stretched to the size of
        the network, bilinear with aligned corners.
        """
        check_frames(frames)
        x = F.interpolate(frames.float(), self.size, mode="bilinear", align_corners=True)
        seen = {self.start: x}
        for name, layer in self.layers.items():
            seen[name] = layer(*(seen[source] for source in self.inputs[name]))
        return F.normalize(seen[name].flatten(1), dim=1)


class _Add(nn.Module):
    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a + b


def _padding(config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> nn.Module:
    (top, bottom), (left, right) = config["padding"]
    return nn.ZeroPad2d((left, right, top, bottom))


def _convolution(config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> nn.Module:
    kernel = weights["kernel"].permute(3, 2, 0, 1)  # Keras stores h w in out
    return _conv(config, kernel, weights.get("bias"))


def _depthwise(config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> nn.Module:
    kernel = weights["depthwise_kernel"].permute(2, 3, 0, 1)  # h w in 1
    return _conv(config, kernel, weights.get("bias"), groups=len(kernel))


def _conv(
    config: Mapping[str, Any], kernel: Tensor, bias: Tensor | None, groups: int = 1
) -> nn.Module:
    # Keras's "same" with a stride pads one side more; PyTorch refuses that pair of options.
    conv = nn.Conv2d(
        kernel.shape[1] * groups,
        len(kernel),
        (kernel.shape[2], kernel.shape[3]),
        stride=tuple(config["strides"]),
        padding=config["padding"],
        groups=groups,
        bias=bias is not None,
    )
    state = {"weight": kernel} | ({} if bias is None else {"bias": bias})
    conv.load_state_dict(state)
    return conv


def _normalisation(config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> nn.Module:
    norm = nn.BatchNorm2d(len(weights["gamma"]), eps=config["epsilon"])
    names = {"weight": "gamma", "bias": "beta"}
    names |= {"running_mean": "moving_mean", "running_var": "moving_variance"}
    norm.load_state_dict({own: weights[name] for own, name in names.items()}, strict=False)
    return norm


def _relu(config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> nn.Module:
    return nn.Hardtanh(0.0, config["max_value"])


def _pooling(config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> nn.Module:
    return nn.AvgPool2d(tuple(config["pool_size"]), tuple(config["strides"]))


LAYERS: dict[str, Callable[[Mapping[str, Any], Mapping[str, Tensor]], nn.Module]] = {
    "Add": lambda config, weights: _Add(),
    "BatchNormalization": _normalisation,
    "Conv2D": _convolution,
    "DepthwiseConv2D": _depthwise,
    "ReLU": _relu,
    "ZeroPadding2D": _padding,
    POOLING: _pooling,
}


def _build(layer: Mapping[str, Any], weights: Mapping[str, Tensor]) -> nn.Module:
    name, kind, config = layer["name"], layer["class_name"], layer["config"]
    if kind not in LAYERS:
        raise ValueError(f"layer {name} is {kind}, which MobileNetV2 has not")
    odd = [key for key, value in ONLY.items() if config.get(key, value) != value]
    if odd:
        raise ValueError(f"layer {name} has {odd[0]} {config[odd[0]]}, not {ONLY[odd[0]]}")
    start = f"{name}/"
    own = {key.removeprefix(start): w for key, w in weights.items() if key.startswith(start)}
    return LAYERS[kind](config, own)


def load_mobilenet(path: Path) -> MobileNet:
    """The network in the package file of nsfwjs; ValueError if it is not there."""
    model = read_nsfwjs(path)
    try:
        net = MobileNet(model)
    except (IndexError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"{path} does not hold the MobileNetV2 of nsfwjs: {error}") from error
    return net.eval().requires_grad_(False)
