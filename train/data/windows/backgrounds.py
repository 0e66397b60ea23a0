"""Backgrounds painted by rule: flat colours and patterns, and scenes of hills, rooms and skies.

Every painter draws a whole picture on a canvas.
"""

import numpy as np
from PIL import Image

from train.data.windows.canvas import Canvas, Colour

Rng = np.random.Generator
GREEN, BLUE, BROWN = 0.33, 0.57, 0.08


def flat(rng: Rng, canvas: Canvas) -> None:
    """One colour; sometimes pure white."""
    canvas.fill((255, 255, 255) if rng.random() < 0.15 else canvas.colour())


def gradient(rng: Rng, canvas: Canvas) -> None:
    """A linear gradient in any direction or a round one."""
    first, last = np.array(canvas.colour()), np.array(canvas.colour())
    height, width = canvas.shape
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / height
    if rng.random() < 0.3:
        ramp = np.hypot(y - rng.uniform(0.2, 0.8), x - rng.uniform(0.2, 0.8))
    else:
        angle = rng.uniform(0, 2 * np.pi)
        ramp = x * np.cos(angle) + y * np.sin(angle)
    ramp = ((ramp - ramp.min()) / (np.ptp(ramp) + 1e-6))[..., None]
    canvas.cover(Image.fromarray((first * (1 - ramp) + last * ramp).round().astype(np.uint8)))


def stripes(rng: Rng, canvas: Canvas) -> None:
    """Slanted stripes."""
    canvas.fill(canvas.colour())
    colour, step = canvas.colour(), rng.uniform(0.08, 0.3)
    slant, share = rng.uniform(-0.8, 0.8), rng.uniform(0.3, 0.7)
    for left in np.arange(-1, 2, step):
        right = left + step * share
        corners = [left, 0], [right, 0], [right + slant, 1], [left + slant, 1]
        canvas.polygon(np.array(corners), colour)


def rays(rng: Rng, canvas: Canvas) -> None:
    """Rays from one point, as behind a comic hero."""
    canvas.fill(canvas.colour())
    colour, count = canvas.colour(), int(rng.integers(5, 14))
    centre = rng.uniform(0.25, 0.75, 2)
    turn = rng.uniform(0, np.pi)
    for k in range(count):
        angles = turn + 2 * np.pi * (np.array([k, k + 0.5]) / count)
        tips = centre + 2 * np.stack([np.cos(angles), np.sin(angles)], -1)
        canvas.polygon(np.vstack([centre, tips]), colour)


def dots(rng: Rng, canvas: Canvas) -> None:
    """Polka dots, in a grid or scattered."""
    canvas.fill(canvas.colour())
    colours = [canvas.colour() for _ in range(int(rng.integers(1, 4)))]
    step = rng.uniform(0.1, 0.3)
    radius = step * rng.uniform(0.15, 0.4)
    jitter = step * rng.choice([0, 0.3])
    for row, y in enumerate(np.arange(0, 1 + step, step)):
        for x in np.arange(row % 2 * step / 2, 1 + step, step):
            dx, dy = rng.uniform(-1, 1, 2) * jitter
            canvas.disc(x + dx, y + dy, radius, colours[rng.integers(len(colours))])


def checks(rng: Rng, canvas: Canvas) -> None:
    """Chequers or tiles."""
    colours = canvas.colour(), canvas.colour()
    canvas.fill(colours[0])
    count = int(rng.integers(3, 9))
    for row in range(count):
        for column in range(row % 2, count, 2):
            left, top = column / count, row / count
            canvas.box(left, top, left + 1 / count, top + 1 / count, colours[1])


def blobs(rng: Rng, canvas: Canvas) -> None:
    """Soft blobs: coarse colour noise enlarged smoothly, sometimes cut into flat steps."""
    cells = int(rng.integers(2, 7))
    coarse = np.array([canvas.colour() for _ in range(cells * cells)], np.uint8)
    image = Image.fromarray(coarse.reshape(cells, cells, 3))
    image = image.resize(canvas.shape[::-1], Image.Resampling.BICUBIC)
    if rng.random() < 0.4:
        image = image.quantize(int(rng.integers(3, 7)), Image.Quantize.FASTOCTREE).convert("RGB")
    canvas.cover(image)


def clouds(rng: Rng, canvas: Canvas) -> None:
    """A sky with clouds."""
    _sky(rng, canvas)
    for _ in range(int(rng.integers(3, 8))):
        _cloud(canvas, rng.random(), rng.uniform(0.05, 0.95), rng.uniform(0.04, 0.12))


def hills(rng: Rng, canvas: Canvas) -> None:
    """Rolling hills under a sky, with trees at times."""
    _sky(rng, canvas)
    for _ in range(int(rng.integers(0, 4))):
        _cloud(canvas, rng.random(), rng.uniform(0.05, 0.4), rng.uniform(0.03, 0.08))
    hue = GREEN + rng.normal(0, 0.12)
    layers = int(rng.integers(1, 4))
    for layer in range(layers):
        level = 0.45 + 0.45 * (layer + rng.random() * 0.6) / layers
        canvas.polygon(_ridge(rng, level), canvas.colour(hue))
        if rng.random() < 0.5:
            for _ in range(int(rng.integers(1, 5))):
                _tree(canvas, rng.random(), level + 0.08, rng.uniform(0.05, 0.13))


def room(rng: Rng, canvas: Canvas) -> None:
    """A wall and a floor, with a window, pictures, a rug or a shelf."""
    canvas.fill(canvas.colour())
    floor = rng.uniform(0.6, 0.85)
    if rng.random() < 0.3:
        _wallpaper(canvas, floor)
    canvas.box(-0.1, floor, 1.1, 1.1, canvas.colour(BROWN if rng.random() < 0.5 else None))
    canvas.box(-0.1, floor - 0.03, 1.1, floor, canvas.colour())
    if rng.random() < 0.6:
        _window(canvas, rng.uniform(0.05, 0.65), rng.uniform(0.08, 0.25))
    for _ in range(int(rng.integers(0, 3))):
        left, top = rng.uniform(0, 0.85), rng.uniform(0.05, 0.4)
        canvas.box(left, top, left + rng.uniform(0.08, 0.2), top + 0.15, canvas.colour())
    if rng.random() < 0.4:
        canvas.disc(rng.uniform(0.3, 0.7), (floor + 1) / 2, 0.3, canvas.colour(), flat=0.2)
    if rng.random() < 0.4:
        left, top = rng.uniform(-0.1, 0.8), floor - rng.uniform(0.1, 0.4)
        canvas.box(left, top, left + rng.uniform(0.15, 0.4), floor + 0.05, canvas.colour())


def city(rng: Rng, canvas: Canvas) -> None:
    """A row of houses with windows."""
    _sky(rng, canvas)
    ground, left = rng.uniform(0.8, 0.95), -0.05
    lit = canvas.colour(0.15)
    while left < 1:
        right = left + rng.uniform(0.12, 0.3)
        top = rng.uniform(0.15, 0.65)
        canvas.box(left, top, right, ground + 0.1, canvas.colour())
        for y in np.arange(top + 0.05, ground - 0.08, 0.12):
            for x in np.arange(left + 0.03, right - 0.05, 0.07):
                canvas.box(x, y, x + 0.035, y + 0.06, lit)
        left = right
    canvas.box(-0.1, ground, 1.1, 1.1, canvas.colour())


def sea(rng: Rng, canvas: Canvas) -> None:
    """The sea under a sky, in waves."""
    _sky(rng, canvas)
    hue, top = BLUE + rng.normal(0, 0.04), rng.uniform(0.4, 0.7)
    for level in np.linspace(top, 1.0, int(rng.integers(2, 6))):
        canvas.polygon(_ridge(rng, level, swing=0.02, waves=rng.uniform(3, 9)), canvas.colour(hue))


def forest(rng: Rng, canvas: Canvas) -> None:
    """Tree trunks in two depths on a forest floor."""
    hue = GREEN + rng.normal(0, 0.08)
    canvas.fill(canvas.colour(hue), canvas.colour(hue))
    ground = rng.uniform(0.7, 0.9)
    for thick, count in ((0.03, 7), (0.07, 3)):
        bark = canvas.colour(BROWN)
        for x in rng.uniform(-0.05, 1.05, count):
            lean = rng.normal(0, 0.03)
            corners = [x, -0.1], [x + thick, -0.1], [x + 1.4 * thick + lean, ground + 0.03]
            base = [x - 0.4 * thick + lean, ground + 0.03]
            canvas.polygon(np.array([*corners, base]), bark)
    canvas.polygon(_ridge(rng, ground, swing=0.03), canvas.colour(hue))


def _sky(rng: Rng, canvas: Canvas) -> None:
    hue = BLUE + rng.normal(0, 0.05) if rng.random() < 0.6 else None
    canvas.fill(canvas.colour(hue), canvas.colour(hue) if rng.random() < 0.6 else None)
    if rng.random() < 0.35:
        canvas.disc(
            rng.random(), rng.uniform(0.08, 0.35), rng.uniform(0.05, 0.12), canvas.colour(0.14)
        )


def _ridge(rng: Rng, level: float, swing: float = 0.08, waves: float | None = None) -> np.ndarray:
    x = np.linspace(-0.1, 1.1, 40)
    waves = rng.uniform(0.5, 2.0) if waves is None else waves
    phases = rng.uniform(0, 2 * np.pi, 2)
    y = level + swing * np.sin(2 * np.pi * waves * x + phases[0])
    y = y + swing / 3 * np.sin(2 * np.pi * 2.3 * waves * x + phases[1])
    return np.vstack([np.stack([x, y], -1), [[1.1, 1.2], [-0.1, 1.2]]])


def _cloud(canvas: Canvas, x: float, y: float, radius: float) -> None:
    ink, canvas.ink = canvas.ink, None
    white = tuple(int(v) for v in canvas.rng.integers(225, 256, 3))
    for k in range(-2, 3):
        size = radius * (1 - 0.22 * abs(k)) * canvas.rng.uniform(0.85, 1.1)
        canvas.disc(x + 0.9 * k * radius, y - 0.3 * size, size, white, flat=0.8)
    canvas.ink = ink


def _tree(canvas: Canvas, x: float, foot: float, size: float) -> None:
    canvas.box(x - size / 8, foot - size, x + size / 8, foot, canvas.colour(BROWN))
    leaf: Colour = canvas.colour(GREEN)
    if canvas.rng.random() < 0.5:
        tip, half = foot - 2.5 * size, 0.6 * size
        left, right = [x - half, foot - 0.6 * size], [x + half, foot - 0.6 * size]
        canvas.polygon(np.array([[x, tip], right, left]), leaf)
    else:
        canvas.disc(x, foot - 1.4 * size, 0.75 * size, leaf)


def _window(canvas: Canvas, left: float, top: float) -> None:
    wide, high = canvas.rng.uniform(0.2, 0.35), canvas.rng.uniform(0.2, 0.35)
    frame, glass = canvas.colour(), canvas.colour(BLUE)
    canvas.box(left, top, left + wide, top + high, frame)
    for column in (0.06, 0.53):
        for row in (0.06, 0.53):
            x, y = left + column * wide, top + row * high
            canvas.box(x, y, x + 0.41 * wide, y + 0.41 * high, glass)


def _wallpaper(canvas: Canvas, floor: float) -> None:
    ink, canvas.ink = canvas.ink, None
    colour, step = canvas.colour(), canvas.rng.uniform(0.06, 0.15)
    for x in np.arange(0, 1, step):
        canvas.box(x, -0.1, x + step / 3, floor, colour)
    canvas.ink = ink


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
    canvas = Canvas(rng, height, width)
    painter(rng, canvas)
    return canvas.finish()
