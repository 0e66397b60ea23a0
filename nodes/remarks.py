"""What Toon Encode Keys says of its pictures: nothing of them is lost without a word."""

from __future__ import annotations

from ..toon_core.images import Fit, Size

NOTICEABLE = 0.005  # of a picture or a frame; what rounding takes is less


def transparent(name: str, part: float, fill: str) -> str:
    return f"{name} is transparent in {_percent(part)} of it, filled with {fill} (fill)."


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
            f"{name}, {_size(fit.source)}: {_percent(fit.cut)} of it is cut off in cropping to "
            f"{_size(fit.target)}. fit = pad keeps all of it."
        )
    if fit.bars > NOTICEABLE:
        said.append(
            f"{name}, {_size(fit.source)}: bars fill {_percent(fit.bars)} of the "
            f"{_size(fit.target)} frames and stay in the clip. fit = pad cuts them off."
        )
    return said


def _padded(first: Fit, last: Fit) -> list[str]:
    cut = [(name, f.cut) for name, f in (("first_image", first), ("last_image", last))]
    lost = [f"{_percent(part)} of {name}" for name, part in cut if part > NOTICEABLE]
    if not lost:
        return []
    return [
        f"The keys are of two shapes, {_size(first.source)} and {_size(last.source)}: the clip is "
        f"cut to {_size(first.kept)}, where both have picture, without {' and '.join(lost)}."
    ]


def _stretched(first: Fit, last: Fit) -> list[str]:
    (h, w), (last_h, last_w) = first.source, last.source
    change = (last_w * h) / (last_h * w)
    if abs(change - 1) < 2 * NOTICEABLE:
        return []
    return [
        f"The keys are of two shapes, {_size(first.source)} and {_size(last.source)}: last_image "
        "is stretched to the shape of first_image. fit = pad keeps its own."
    ]


def _size(size: Size) -> str:
    return f"{size[1]}x{size[0]}"


def _percent(part: float) -> str:
    return f"{part:.0%}" if part >= 0.01 else "less than 1%"
