"""Random networks of the smallest size, saved as the official files are."""

import json
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
