"""Aspect buckets: the shapes that clips of like aspect are trained in together."""

import math

# Width over height, as film and comic pages have them.
RATIOS = {
    "1:2": 1 / 2,
    "9:16": 9 / 16,
    "2:3": 2 / 3,
    "3:4": 3 / 4,
    "1:1": 1.0,
    "4:3": 4 / 3,
    "3:2": 3 / 2,
    "8:5": 8 / 5,
    "16:9": 16 / 9,
    "2:1": 2.0,
    "12:5": 12 / 5,
}


def bucket_of(height: int, width: int) -> str:
    """The bucket of the nearest aspect, by the logarithm of the ratio."""
    aspect = math.log(width / height)
    return min(RATIOS, key=lambda name: abs(math.log(RATIOS[name]) - aspect))


def bucket_shape(name: str, area: int, multiple: int) -> tuple[int, int]:
    """Height and width of a bucket of about `area` pixels, in multiples that the model takes."""
    height = math.sqrt(area / RATIOS[name])
    high = max(1, round(height / multiple))
    wide = max(1, round(height * RATIOS[name] / multiple))
    return high * multiple, wide * multiple
