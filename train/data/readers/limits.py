"""What every reader keeps to: shapes of pictures, frames of a part, frames per second."""

LONGEST_SIDE = 10  # times the shorter one
MOST_PIXELS = 8192 * 8192  # of a picture


def check_shape(width: int, height: int) -> None:
    """ValueError for a picture that no reader takes: it would be huge at its short side's size."""
    if max(width, height) > LONGEST_SIDE * min(width, height):
        raise ValueError(f"{width}x{height} pixels are too narrow, over {LONGEST_SIDE} to 1")
    if width * height > MOST_PIXELS:
        raise ValueError(f"{width}x{height} pixels are too many, over {MOST_PIXELS / 1e6:.0f} M")


def part_length(width: int, height: int, size: int, max_frames: int) -> int:
    """Frames of a part, of pictures whose short side is `size`: `max_frames`, and fewer where
    they are wider than 2 to 1, so that no part has more pixels than such ones have."""
    return max(1, min(max_frames, max_frames * 2 * size * size // (width * height)))


def frame_step(fps: float, max_fps: float) -> int:
    """Whole frame step that brings `fps` near `max_fps` or below; 1 where it is below already."""
    return max(1, round(fps / max_fps))
