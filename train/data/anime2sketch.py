"""The generator of Anime2Sketch, built to fit its published weights (netG.pth).

A U-Net of nested blocks as in pix2pix (Isola et al., "Image-to-image translation with conditional
adversarial networks", 2017, section 6.1.1), with instance norm: every block halves the picture,
holds the next block inside, and doubles it again beside what came in. Its depth and width are
read from the weights, whose names the nesting gives.
"""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn


class Block(nn.Module):
    """One level; `inner` None is the deepest, `outer` the one that makes the picture."""

    def __init__(
        self, given: int, width: int, made: int, inner: nn.Module | None, outer: bool = False
    ) -> None:
        super().__init__()
        self.outer = outer
        down = nn.Conv2d(given, width, 4, stride=2, padding=1)
        up = nn.ConvTranspose2d(2 * width if inner else width, made, 4, stride=2, padding=1)
        # In place on purpose: what the skip carries is the activated picture, as it was trained.
        layers: list[nn.Module] = [down] if outer else [nn.LeakyReLU(0.2, inplace=True), down]
        if inner is not None:
            layers += [inner] if outer else [nn.InstanceNorm2d(width), inner]
        layers += [nn.ReLU(), up, nn.Tanh() if outer else nn.InstanceNorm2d(made)]
        self.model = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """(n given h w) -> (n made h w), with the input before it unless it is the outermost."""
        y = self.model(x)
        return y if self.outer else torch.cat([x, y], dim=1)


class Generator(nn.Module):
    """(n 3 s s) in [-1, 1] -> (n 1 s s) in [-1, 1]; widths from the outermost block inwards."""

    def __init__(self, widths: list[int]) -> None:
        super().__init__()
        block = None
        for level in reversed(range(1, len(widths))):
            block = Block(widths[level - 1], widths[level], widths[level - 1], block)
        self.model = Block(3, widths[0], 1, block, outer=True)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.model(pictures)


def load_anime2sketch(path: Path) -> Generator:
    """From .pth (weights only) or .safetensors; ValueError where it is no such generator."""
    try:
        state = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
        state = {name.removeprefix("module."): value for name, value in state.items()}
        net = Generator(_widths(state))
        net.load_state_dict(state)
    except Exception as error:
        raise ValueError(f"{path}: no weights of Anime2Sketch's generator ({error})") from error
    return net.eval().requires_grad_(False)


def _widths(state: dict[str, Tensor]) -> list[int]:
    """Of the convolutions that go down, in the order of depth: deeper names are longer."""
    names = [name for name, value in state.items() if name.endswith("weight")]
    down = sorted((name for name in names if _goes_down(name)), key=len)
    return [len(state[name]) for name in down]


def _goes_down(name: str) -> bool:
    """Outermost `model.model.0`; below it every block's `...model.1`."""
    place = name.removesuffix(".weight")
    return place == "model.model.0" or (place.count("model") > 2 and place.endswith("model.1"))
