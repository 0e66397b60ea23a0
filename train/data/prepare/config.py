"""Options of `train.prepare`."""

import re
from dataclasses import dataclass, field

from omegaconf import MISSING

from train.data.filters.base import FilterConfig
from train.data.motion import WindowRules
from train.data.prepare.splits import SplitConfig
from train.engine.options import option


@dataclass(frozen=True, kw_only=True)
class PrepareConfig:
    """What is read, how it is judged, and where it goes; ValueError for a wrong pattern."""

    data: str = MISSING  # folder of media, or a tar of one (.tar, .tar.gz, .tar.xz)
    out: str = MISSING  # folder of the shards and their index
    # Whose the clips are and on what terms; licence.txt in a folder of clips says so of all below.
    licence: str = ""
    # Short side of the stored frames, pixels; clips with alpha are fitted into squares of it.
    size: int = option(128, least=1)
    # Faster clips lose every second frame, or more, until they are near it.
    max_fps: float = option(30.0, least=1)
    # Longer clips are read in parts of so many, which bounds the memory, also of GIF, WebP and APNG
    # (of pictures wider than 2 to 1, in shorter ones); of a Lottie file the first part is taken.
    max_frames: int = option(900, least=1)
    least_frames: int = option(16, least=1)  # shorter pieces are dropped
    # Processes; 0: none beside the first, where a crashing reader ends the run. With them it costs
    # one clip, which the next command tries again.
    workers: int = option(2, least=0)
    # A clip that takes longer is dropped, until the same command has a higher limit; not with
    # workers=0.
    longest_minutes: float = option(120, least=0)
    shard_mb: int = option(256, least=0)  # size of a shard, MiB
    # Regular expressions: clips whose captions fit one stay on one side of the split, such as all
    # flags (train/configs/noto.yaml). Clips that move alike do so anyway.
    families: tuple[str, ...] = ()
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
