"""How a clip is sampled in the memory that there is: chosen once the models are loaded, said to
the user before the first step."""

from __future__ import annotations

from dataclasses import dataclass

# Of what a pass is estimated to take: fragments, and what libraries take for themselves.
SPARE = 1.5


@dataclass(frozen=True)
class Plan:
    """batched: all branches of the guidance in one pass; packed: joined copies of projections
    beside the weights; streamed: bytes of weights that stay on the CPU and are sent at each use,
    of `weights` in all."""

    branches: int
    batched: bool
    packed: bool
    weights: float
    streamed: float

    @property
    def words(self) -> str:
        way = "1 branch"
        if self.branches > 1:
            way = f"{self.branches} branches {'at once' if self.batched else 'one by one'}"
        if not self.streamed:
            return f"All weights have room on the device ({_size(self.weights)}), {way}."
        return (
            f"{_size(self.streamed)} of {_size(self.weights)} of weights did not fit and are sent "
            f"to the device at each use, which is slow; {way}. Less memory: close other programs, "
            "a smaller picture, or weight_dtype = fp8_e4m3fn in Toon Load Model."
        )


def choose(
    *,
    free: float,
    one: float,
    branches: int,
    copies: float,
    weights: float,
    loaded: float,
) -> Plan:
    """free: bytes left beside the loaded weights; one: what a pass of one branch takes; copies:
    of the joined projections; weights, loaded: bytes of the models, and of them on the device."""
    batched = free > SPARE * one * branches
    passes = branches if batched else 1
    streamed = max(0.0, weights - loaded)
    packed = not streamed and free > SPARE * one * passes + copies
    return Plan(branches, batched, packed, weights, streamed)


def _size(count: float) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"
