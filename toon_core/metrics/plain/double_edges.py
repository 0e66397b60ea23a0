"""Whether a frame shows the lines of both keys at once, as a cross-fade does."""

import torch
from torch import Tensor

from ..frames import check_frames, check_keys
from ..line_map import LINE, line_map, near

APART = 3  # pixels: a line of one key with none of the other within them is that key's own
WITHIN = 1  # pixels around a line in which the frame's line counts as the same
FAINT = 0.2  # share of the key's contrast at which its line is still seen
LEAST = 16  # pixels of lines that both keys must have of their own
ASIDE = 6  # pixels that the lines are put off for the share found by chance


def double_edges(frames: Tensor, first: Tensor, last: Tensor) -> Tensor:
    """Share of both keys' own lines that stand in each frame together, in [0, 1]: -> (f).

    frames (f 3 h w), usually the inner ones, first and last (3 h w), all in [0, 1]. The smaller of
    two shares: of the lines of first that last does not have and of those of last that first does
    not have, each as far as it is found in the frame within 1 pixel at a fifth of its contrast or
    more. A drawing that moved has left the lines of the first and not reached those of the last;
    a fade has both. Shares are over chance: found = (share - chance) / (1 - chance), with chance
    the share when the same lines are put 6 pixels aside, so that hatching everywhere counts as
    little. NaN where a key has hardly a line of its own (a hold). Made for pictures of about 128
    rows; scale larger ones down. ValueError for other shapes and values.
    """
    check_frames(frames)
    check_keys(frames, first, last)
    keys = line_map(torch.stack([first, last]).to(frames))
    shown = near(line_map(frames), WITHIN)
    own = (keys > LINE) & (near(keys, APART).flip(0) < LINE / 2)
    if (own.sum(dim=(1, 2)) < LEAST).any():
        return shown.new_full((len(frames),), torch.nan)
    shares = [_over_chance(shown, key, lines) for key, lines in zip(keys, own, strict=True)]
    return torch.minimum(*shares)


def _over_chance(shown: Tensor, key: Tensor, own: Tensor) -> Tensor:
    """Share of the key's own lines (h w) that the frames (f h w) show: -> (f)."""
    rows, columns = own.nonzero(as_tuple=True)
    needed = FAINT * key[rows, columns]
    share = (shown[:, rows, columns] >= needed).float().mean(dim=1)
    chance = []
    for down, right in ((ASIDE, 0), (-ASIDE, 0), (0, ASIDE), (0, -ASIDE)):
        y, x = rows + down, columns + right
        inside = (y >= 0) & (y < own.shape[0]) & (x >= 0) & (x < own.shape[1])
        if inside.any():
            found = shown[:, y[inside], x[inside]] >= needed[inside]
            chance.append(found.float().mean(dim=1))
    expected = torch.stack(chance).mean(dim=0) if chance else torch.zeros_like(share)
    return ((share - expected) / (1 - expected).clamp(min=0.05)).clamp(0, 1)
