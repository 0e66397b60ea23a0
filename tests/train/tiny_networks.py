"""Random networks of the smallest size, saved as the official files are."""

import base64
import io
import json
import re
import tarfile
from math import prod
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

CLIP_CONFIG = {
    "model_cfg": {
        "embed_dim": 16,
        "vision_cfg": {
            "image_size": 32,
            "layers": 2,
            "width": 32,
            "head_width": 16,
            "patch_size": 8,
        },
        "text_cfg": {
            "context_length": 77,
            "vocab_size": 49408,
            "width": 16,
            "heads": 2,
            "layers": 2,
        },
    },
    "preprocess_cfg": {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.3, 0.25]},
}


def save_clip(models: Path) -> Path:
    """MODELS/open_clip as OpenCLIP's model pages have it."""
    from open_clip.model import CLIP

    folder = models / "open_clip"
    folder.mkdir(parents=True)
    (folder / "open_clip_config.json").write_text(json.dumps(CLIP_CONFIG))
    cfg = CLIP_CONFIG["model_cfg"]
    torch.manual_seed(0)
    model = CLIP(cfg["embed_dim"], vision_cfg=cfg["vision_cfg"], text_cfg=cfg["text_cfg"])
    state = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(state, folder / "open_clip_model.safetensors")
    return folder


class TinyI3D(nn.Module):
    """Called as the TorchScript I3D of FVD is; checks what it is given."""

    def __init__(self, features: int = 400) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = nn.Conv3d(3, 8, (3, 16, 16), stride=(1, 16, 16))
        self.out = nn.Linear(8, features)

    def forward(self, x: Tensor, rescale: bool, resize: bool, return_features: bool) -> Tensor:
        assert x.shape[1] == 3 and x.shape[3] == 224 and x.shape[4] == 224
        assert not rescale and not resize and return_features
        assert float(x.min()) > -1.001 and float(x.max()) < 1.001
        return self.out(torch.relu(self.conv(x)).mean(dim=[2, 3, 4]))


def save_i3d(models: Path, features: int = 400) -> Path:
    path = models / "i3d_torchscript.pt"
    torch.jit.save(torch.jit.script(TinyI3D(features)), path)
    return path


def save_alexnet(models: Path) -> Path:
    """The convolutions only, as torchvision names them."""
    from torchvision.models import alexnet

    torch.manual_seed(0)
    state = {k: v for k, v in alexnet(weights=None).state_dict().items() if "features" in k}
    path = models / "alexnet-owt-7be5be79.pth"
    torch.save(state, path)
    return path


def _layer(kind: str, name: str, *inputs: str, **config: object) -> dict:
    nodes = [[[source, 0, 0, {}] for source in inputs]] if inputs else []
    return {"class_name": kind, "name": name, "config": config, "inbound_nodes": nodes}


# One block of MobileNetV2 with its shortcut, for pictures of 16 pixels.
KERAS_LAYERS = [
    _layer("InputLayer", "input", batch_input_shape=[None, 16, 16, 3]),
    _layer("ZeroPadding2D", "pad", "input", padding=[[0, 1], [0, 1]]),
    _layer("Conv2D", "conv", "pad", strides=[2, 2], padding="valid", use_bias=False),
    _layer("BatchNormalization", "bn", "conv", epsilon=0.001, axis=-1, scale=True),
    _layer("ReLU", "relu", "bn", max_value=6, negative_slope=0),
    _layer("DepthwiseConv2D", "depthwise", "relu", strides=[1, 1], padding="same"),
    _layer("Add", "add", "relu", "depthwise"),
    _layer("AveragePooling2D", "pool", "add", pool_size=[8, 8], strides=[8, 8], padding="valid"),
    _layer("Dense", "classes", "pool", units=5, activation="softmax"),
]
KERAS_WEIGHTS = {
    "conv/kernel": [3, 3, 3, 8],
    "depthwise/depthwise_kernel": [3, 3, 8, 1],
    **{f"bn/{name}": [8] for name in ("gamma", "beta", "moving_mean", "moving_variance")},
    "classes/kernel": [8, 5],
}


def save_mobilenet(models: Path, layers: list[dict] = KERAS_LAYERS, cut: int = 0) -> Path:
    """A package file as `npm pack nsfwjs` makes it; `cut` bytes are missing at the weights' end."""
    torch.manual_seed(0)
    specs = [
        {
            "name": name,
            "shape": shape,
            "dtype": "float32",
            "quantization": {
                "min": 0.1 if "var" in name else -0.5,
                "scale": 0.004,
                "dtype": "uint8",
            },
        }
        for name, shape in KERAS_WEIGHTS.items()
    ]
    values = torch.randint(0, 256, (sum(prod(s["shape"]) for s in specs) - cut,))
    manifest = [{"paths": ["group1-shard1of1"], "weights": specs}]
    model = {"modelTopology": {"model_config": {"config": {"layers": layers}}}}
    files = {
        "package.json": '{"name": "nsfwjs", "version": "4.4.0"}',
        "model.min.js": _minified(model | {"weightsManifest": manifest}),
        "group1-shard1of1.min.js": _minified(base64.b64encode(bytes(values.tolist())).decode()),
    }
    path = models / "nsfwjs-4.4.0.tgz"
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            folder = "package" if name == "package.json" else "package/dist/models/mobilenet_v2"
            entry, data = tarfile.TarInfo(f"{folder}/{name}"), text.encode()
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return path


def _minified(value: object) -> str:
    """A script that exports the value, as a minifier writes it."""
    text = json.dumps(value, separators=(",", ":"))
    text = re.sub(r'"(\w+)":', r"\1:", text).replace("true", "!0").replace("false", "!1")
    text = re.sub(r"(?<!\d)0\.", ".", text)
    return f"!function(e){{module.exports=e()}}({{1:[function(e,a,n){{a.exports={text}}},{{}}]}})"
