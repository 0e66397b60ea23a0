"""The repeated blocks of the networks: units of sharding and of gradient checkpointing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from torch import nn

from toon_core.layers.stages import Stage


def blocks(module: nn.Module) -> Iterator[nn.Module]:
    """The stages of the UNet and of the sketch encoder, in order."""
    return (m for m in module.modules() if isinstance(m, Stage))


def set_checkpointing(networks: Iterable[nn.Module], on: bool) -> None:
    """Let every block, and the decoder's, keep only its input and compute the rest again in the
    backward pass."""
    for network in networks:
        for module in network.modules():
            if hasattr(module, "checkpointing"):
                module.checkpointing = on
