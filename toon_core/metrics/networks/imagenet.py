"""LPIPS as published: heads on AlexNet or VGG16 trained on ImageNet, read from torchvision's files.

The files are looked for in a folder and never fetched.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from ..metric import LOWER, Comparison, Metric, mean
from ..network import Network, file_label
from .lpips import LPIPS, Net, load_heads
from .packages import package_file, package_label

# Of torchvision's files: the name's start, and the ReLU layers of `features` whose maps are taken.
FILES: dict[Net, str] = {"vgg": "vgg16-397923af.pth", "alex": "alexnet-owt-7be5be79.pth"}
TAKEN: dict[Net, tuple[int, ...]] = {"vgg": (3, 8, 15, 22, 29), "alex": (1, 4, 7, 9, 11)}
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's, RGB in [0, 1]


class ImagenetTrunk(nn.Module):
    """The five maps LPIPS compares, of torchvision's AlexNet or VGG16.

    `state` is the network's state dict; ValueError when a needed tensor is absent or misshapen."""

    mean: Tensor
    std: Tensor

    def __init__(self, net: Net, state: dict[str, Tensor]) -> None:
        super().__init__()
        from torchvision import models

        with torch.device("meta"):  # the classifier is never used
            model = {"vgg": models.vgg16, "alex": models.alexnet}[net](weights=None)
        self.features = model.features[: TAKEN[net][-1] + 1]
        needed = {f"features.{k}": v.shape for k, v in self.features.state_dict().items()}
        wrong = [k for k, shape in needed.items() if k not in state or state[k].shape != shape]
        if wrong:
            raise ValueError(f"{wrong[0]} is absent or misshapen")
        own = {k.removeprefix("features."): state[k] for k in needed}
        self.features.load_state_dict(own, assign=True)
        for layer in self.features:
            if isinstance(layer, nn.ReLU):
                layer.inplace = False  # the maps before are taken, and gradients pass
        self.taken = frozenset(TAKEN[net])
        self.register_buffer("mean", torch.tensor(MEAN).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(STD).view(3, 1, 1))

    def forward(self, frames: Tensor) -> list[Tensor]:
        """RGB frames (f 3 h w) in [0, 1] -> five maps (f d h' w')."""
        x, maps = (frames - self.mean) / self.std, []
        for i, layer in enumerate(self.features):
            x = layer(x)
            if i in self.taken:
                maps.append(x)
        return maps


def find_trunk(net: Net, folder: Path) -> Path | None:
    """torchvision's file of the network in `folder`, or None."""
    path = folder / FILES[net]
    return path if path.is_file() else None


def load_lpips(net: Net, folder: Path) -> LPIPS:
    """The published LPIPS v0.1; ValueError says which file must lie in `folder`."""
    path = find_trunk(net, folder)
    if path is None:
        raise ValueError(
            f"LPIPS {net}: no {FILES[net]} in {folder}; put torchvision's file of that name there"
        )
    state = torch.load(path, map_location="cpu", weights_only=True)
    try:
        trunk = ImagenetTrunk(net, state)
    except ValueError as error:
        raise ValueError(f"{path} is not torchvision's {net}: {error}") from error
    return LPIPS(trunk, load_heads(net)).eval().requires_grad_(False)


TITLES: dict[Net, str] = {"alex": "LPIPS (AlexNet)", "vgg": "LPIPS (VGG)"}


def _metric(net: Net, place: int) -> Metric:
    def distance(clip: Comparison) -> float:
        assert clip.networks is not None
        name = f"lpips_{net}"
        return mean(clip.networks[name].compare(clip.view(name), clip.true_view(name)))

    return Metric(
        key=f"lpips_{net}",
        title=TITLES[net],
        better=LOWER,
        digits=3,
        meaning="perceptual distance.",
        compute=distance,
        needs=("truth", f"lpips_{net}"),
        family="lpips",
        place=place,
        sampled=True,
    )


def _network(net: Net) -> Network:
    def files(models: Path) -> list[Path]:
        trunk = find_trunk(net, models)
        return [trunk, package_file("lpips", f"weights/v0.1/{net}.pth")] if trunk else []

    def label(models: Path) -> str:
        heads = f"LPIPS v0.1 heads ({package_label('lpips')})"
        return f"{net} ({file_label(models / FILES[net])}) with {heads}"

    return Network(
        name=f"lpips_{net}",
        advice=f"put {FILES[net]} (torchvision) into the models folder and install lpips",
        files=files,
        label=label,
        load=lambda models: load_lpips(net, models),
        look=lambda lpips, view: lpips.features(view.frames[view.chosen]),
    )


METRICS = (_metric("alex", 30), _metric("vgg", 31))
NETWORKS = (_network("alex"), _network("vgg"))
