"""Options of `train.prepare`."""

import re
from dataclasses import dataclass, field

from omegaconf import MISSING

from train.data.filters.base import FilterConfig
from train.data.motion import WindowRules
from train.data.splits import SplitConfig


@dataclass(frozen=True, kw_only=True)
class PrepareConfig:
    """What is read, how it is judged, and where it goes; ValueError for a wrong pattern."""

    data: str = MISSING  # folder of media, or a tar of one (.tar, .tar.gz, .tar.xz)
    out: str = MISSING  # folder of the shards and their index
    size: int = 128  # short side of the frames
    max_fps: float = 30.0
    max_frames: int = 900  # longer clips are read in parts of so many, which bounds the memory
    least_frames: int = 16
    workers: int = 2  # processes; 0: this one, where a crashing reader ends the run
    longest_minutes: float = 120  # of one clip, in a process of its own; then it is dropped
    shard_mb: int = 256
    families: tuple[str, ...] = ()  # patterns: clips whose captions fit one stay on one side
    split: SplitConfig = field(default_factory=SplitConfig)
    rules: WindowRules = field(default_factory=WindowRules)
    filters: FilterConfig = field(default_factory=FilterConfig)

    def __post_init__(self) -> None:
        for pattern in self.families:
            try:
                re.compile(pattern)
            except re.error as error:
                reason = f"families: {pattern!r} is no regular expression ({error})"
                raise ValueError(reason) from error
