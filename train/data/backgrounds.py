"""Backgrounds drawn by rule: flat, gradients, patterns and soft noise; scenes are in `scenery`.

Every painter takes (rng, height, width) and gives (h w 3) uint8.
"""

import numpy as np
from PIL import Image

from train.data.canvas import Canvas
from train.data.scenery import city, clouds, forest, hills, room, sea

Rng = np.random.Generator


def flat(rng: Rng, height: int, width: int) -> np.ndarray:
    """One colour; sometimes pure white."""
    canvas = Canvas(rng, 1, 1)
    colour = (255, 255, 255) if rng.random() < 0.15 else canvas.colour()
    return np.broadcast_to(np.array(colour, np.uint8), (height, width, 3))


def gradient(rng: Rng, height: int, width: int) -> np.ndarray:
    """A linear gradient in any direction or a round one."""
    canvas = Canvas(rng, 1, 1)
    first, last = np.array(canvas.colour()), np.array(canvas.colour())
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / height
    if rng.random() < 0.3:
        ramp = np.hypot(y - rng.uniform(0.2, 0.8), x - rng.uniform(0.2, 0.8))
    else:
        angle = rng.uniform(0, 2 * np.pi)
        ramp = x * np.cos(angle) + y * np.sin(angle)
    ramp = ((ramp - ramp.min()) / (np.ptp(ramp) + 1e-6))[..., None]
    return (first * (1 - ramp) + last * ramp).round().astype(np.uint8)


def stripes(rng: Rng, height: int, width: int) -> np.ndarray:
    """Slanted stripes."""
    canvas = Canvas(rng, height, width)
    canvas.fill(canvas.colour())
    colour, step = canvas.colour(), rng.uniform(0.08, 0.3)
    slant, share = rng.uniform(-0.8, 0.8), rng.uniform(0.3, 0.7)
    for left in np.arange(-1, 2, step):
        right = left + step * share
        corners = [left, 0], [right, 0], [right + slant, 1], [left + slant, 1]
        canvas.polygon(np.array(corners), colour)
    return canvas.finish()


def rays(rng: Rng, height: int, width: int) -> np.ndarray:
    """Rays from one point, as behind a comic hero."""
    canvas = Canvas(rng, height, width)
    canvas.fill(canvas.colour())
    colour, count = canvas.colour(), int(rng.integers(5, 14))
    centre = rng.uniform(0.25, 0.75, 2)
    turn = rng.uniform(0, np.pi)
    for k in range(count):
        angles = turn + 2 * np.pi * (np.array([k, k + 0.5]) / count)
        tips = centre + 2 * np.stack([np.cos(angles), np.sin(angles)], -1)
        canvas.polygon(np.vstack([centre, tips]), colour)
    return canvas.finish()


def dots(rng: Rng, height: int, width: int) -> np.ndarray:
    """Polka dots, in a grid or scattered."""
    canvas = Canvas(rng, height, width)
    canvas.fill(canvas.colour())
    colours = [canvas.colour() for _ in range(int(rng.integers(1, 4)))]
    step = rng.uniform(0.1, 0.3)
    radius = step * rng.uniform(0.15, 0.4)
    jitter = step * rng.choice([0, 0.3])
    for row, y in enumerate(np.arange(0, 1 + step, step)):
        for x in np.arange(row % 2 * step / 2, 1 + step, step):
            dx, dy = rng.uniform(-1, 1, 2) * jitter
            canvas.disc(x + dx, y + dy, radius, colours[rng.integers(len(colours))])
    return canvas.finish()


def checks(rng: Rng, height: int, width: int) -> np.ndarray:
    """Chequers or tiles."""
    canvas = Canvas(rng, height, width)
    colours = canvas.colour(), canvas.colour()
    canvas.fill(colours[0])
    count = int(rng.integers(3, 9))
    for row in range(count):
        for column in range(row % 2, count, 2):
            left, top = column / count, row / count
            canvas.box(left, top, left + 1 / count, top + 1 / count, colours[1])
    return canvas.finish()


def blobs(rng: Rng, height: int, width: int) -> np.ndarray:
    """Soft blobs: coarse colour noise enlarged smoothly, sometimes cut into flat steps."""
    canvas = Canvas(rng, 1, 1)
    cells = int(rng.integers(2, 7))
    coarse = np.array([canvas.colour() for _ in range(cells * cells)], np.uint8)
    image = Image.fromarray(coarse.reshape(cells, cells, 3))
    image = image.resize((width, height), Image.Resampling.BICUBIC)
    if rng.random() < 0.4:
        image = image.quantize(int(rng.integers(3, 7)), Image.Quantize.FASTOCTREE).convert("RGB")
    return np.asarray(image)


PAINTERS = {
    flat: 0.10,
    gradient: 0.10,
    stripes: 0.06,
    rays: 0.05,
    dots: 0.07,
    checks: 0.04,
    blobs: 0.10,
    clouds: 0.08,
    hills: 0.14,
    room: 0.12,
    city: 0.06,
    sea: 0.04,
    forest: 0.04,
}


def paint_background(rng: Rng, height: int, width: int) -> np.ndarray:
    """A background of a random kind, (h w 3) uint8."""
    kinds, weights = list(PAINTERS), np.array(list(PAINTERS.values()))
    painter = kinds[rng.choice(len(kinds), p=weights / weights.sum())]
    return painter(rng, height, width)
