"""What Toon Encode Keys says of its pictures: nothing of them is lost without a word."""

from __future__ import annotations

from ..toon_core.images import Fit, Size

NOTICEABLE = 0.005  # of a picture or a frame; what rounding takes is less


def transparent(name: str, part: float, fill: str) -> str:
    return f"{name}: {_percent(part)} transparent, filled with {fill}."


def fits(first: Fit, last: Fit) -> list[str]:
    """Of keys that lost something by coming to the clip's size, or are not alone in it."""
    if first.mode == "stretch":
        return _stretched(first, last)
    if first.mode == "pad":
        return _padded(first, last)
    if first.source == last.source:
        return _cropped("Both keys", first)
    return [*_cropped("first_image", first), *_cropped("last_image", last)]


def _cropped(name: str, fit: Fit) -> list[str]:
    said = []
    if fit.cut > NOTICEABLE:
        said.append(
            f"{name}: {_percent(fit.cut)} cut off by the crop from {_size(fit.source)} to "
            f"{_size(fit.target)}; fit = pad keeps it."
        )
    if fit.bars > NOTICEABLE:
        said.append(
            f"{name}: bars fill {_percent(fit.bars)} of its frame; fit = pad cuts them off again."
        )
    return said


def _padded(first: Fit, last: Fit) -> list[str]:
    cut = [(name, f.cut) for name, f in (("first_image", first), ("last_image", last))]
    lost = [f"{_percent(part)} of {name}" for name, part in cut if part > NOTICEABLE]
    if not lost:
        return []
    return [
        f"Keys of two shapes: the clip is {_size(first.kept)}, where both have picture; cut off: "
        f"{', '.join(lost)}."
    ]


def _stretched(first: Fit, last: Fit) -> list[str]:
    (h, w), (last_h, last_w) = first.source, last.source
    if abs((last_w * h) / (last_h * w) - 1) < 2 * NOTICEABLE:
        return []
    return [
        "Keys of two shapes: last_image is stretched to that of first_image; fit = pad keeps its "
        "own."
    ]


def _size(size: Size) -> str:
    return f"{size[1]}x{size[0]}"


def _percent(part: float) -> str:
    return f"{part:.0%}" if part >= 0.01 else "less than 1%"
