"""A network that measures: where its weights are, how it is opened, what it makes of a clip."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Network:
    """`files` and `label` take the folder of networks: the weight files, a ValueError where they
    are absent, and what a report says of them, which changes with their content. `advice`: how to
    get it. `load` gives the network itself (on the CPU); `look` what it makes of a clip, once for
    all metrics."""

    name: str
    advice: str
    files: Callable[[Path], list[Path]]
    label: Callable[[Path], str]
    load: Callable[[Path], Any]
    look: Callable[[Any, "View"], Any] | None = None


@dataclass
class Loaded:
    """Those of the networks `known`, by name, whose weights are in the folder `models` or in their
    packages; each is loaded to `device` when it is first asked for."""

    models: Path
    known: Mapping[str, Network]
    device: str = "cpu"
    _modules: dict[str, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def found(self) -> dict[str, Network]:
        return {name: net for name, net in self.known.items() if _there(net, self.models)}

    @cached_property
    def labels(self) -> dict[str, str]:
        """What a report says of each network that is there."""
        return {name: network.label(self.models) for name, network in self.found.items()}

    def __contains__(self, name: str) -> bool:
        return name in self.found

    def __getitem__(self, name: str) -> Any:
        """The network itself; ValueError names a file that is not what its name says."""
        if name not in self._modules:
            network = self.found[name].load(self.models)
            if isinstance(network, torch.nn.Module):
                network = network.to(self.device).eval().requires_grad_(False)
            elif hasattr(network, "to"):
                network = network.to(self.device)
            self._modules[name] = network
        return self._modules[name]


class View:
    """The frames of a clip on the networks' device, and what each network made of them.

    `keys`: the two pictures (3 h w) that the frames begin and end at; `chosen`: the inner frames
    that slow networks look at; `sketched`: the frames with a sketch.
    """

    def __init__(
        self,
        networks: Loaded,
        frames: Tensor,
        keys: tuple[Tensor, Tensor],
        chosen: Sequence[int],
        sketched: Sequence[int],
    ) -> None:
        self.networks = networks
        # Channels last is the faster layout for these convolutions on a CPU.
        self.frames = frames.to(networks.device, memory_format=torch.channels_last)
        self.chosen, self.sketched = chosen, sketched
        self._keys = keys
        self._seen: dict[str, Any] = {}

    def __call__(self, name: str) -> Any:
        """What the network of that name made of the clip."""
        if name not in self._seen:
            look = self.networks.found[name].look
            assert look is not None
            self._seen[name] = look(self.networks[name], self)
        return self._seen[name]

    @cached_property
    def between_keys(self) -> Tensor:
        """The frames with the keys themselves as ends: a wrong end has a measure of its own."""
        first, last = (key.to(self.frames)[None] for key in self._keys)
        return torch.cat([first, self.frames[1:-1], last])


def chosen_frames(count: int, every: bool = False) -> list[int]:
    """Inner frames that networks look at: 3, 6, 9, 12 of 16 frames; all of short clips."""
    if count <= 6 or every:
        return list(range(1, count - 1))
    return [round(i * (count - 1) / 5) for i in range(1, 5)]


def file_label(path: Path) -> str:
    """A file's name and the beginning of its hash."""
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            sha.update(piece)
    return f"{path.name}, sha256 {sha.hexdigest()[:12]}"


def _there(network: Network, models: Path) -> bool:
    try:
        return bool(network.files(models))
    except ValueError:
        return False
