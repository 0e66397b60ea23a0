"""`BucketWindows`: windows in the clips' own aspects, all of one shape in a batch."""

import copy

import numpy as np
from torch.utils.data import Dataset

from toon_core.images import MULTIPLE
from train.data.buckets import bucket_shape
from train.data.windows import ClipWindows

DRAW = 1 << 20  # apart from the draws of items, whose third number is an attempt


class BucketWindows(Dataset):
    """Items n * batch ... of batch n share the shape of one aspect bucket, of about as many pixels
    as the given windows have.

    The bucket of batch n depends on (seed, n) alone. It is drawn by the weight of its clips, so
    that each clip is seen as often as without buckets.
    """

    def __init__(self, windows: ClipWindows, batch: int) -> None:
        self.seed, self.batch, self.items = windows.seed, batch, len(windows)
        area = windows.shape[0] * windows.shape[1]
        self.parts: list[ClipWindows] = []
        for bucket, picker in windows.picker.by_bucket().items():
            part = copy.copy(windows)
            part.picker = picker
            part.shape = bucket_shape(bucket, area, MULTIPLE)
            self.parts.append(part)
        weights = np.array([part.picker.weights.sum() for part in self.parts])
        self.weights = weights / weights.sum()

    def stamp(self) -> str:
        return self.parts[0].stamp()

    def __len__(self) -> int:
        return self.items

    def __getitem__(self, index: int) -> dict:
        rng = np.random.default_rng([self.seed, index // self.batch, DRAW])
        return self.parts[rng.choice(len(self.parts), p=self.weights)][index]
