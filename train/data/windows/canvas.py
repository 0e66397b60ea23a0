"""A small drawing surface for cartoon backgrounds: flat shapes, sometimes with an ink outline."""

import colorsys

import numpy as np
from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
OVERSAMPLING = 2


def random_colour(rng: np.random.Generator, hue: float, mood: str) -> Colour:
    """A colour near `hue` (0..1) in a mood: "pastel", "vivid", "dark" or "grey"."""
    spans = {
        "pastel": ((0.1, 0.4), (0.85, 1.0)),
        "vivid": ((0.5, 0.9), (0.65, 1.0)),
        "dark": ((0.3, 0.8), (0.1, 0.45)),
        "grey": ((0.0, 0.12), (0.2, 0.98)),
    }
    (low_s, high_s), (low_v, high_v) = spans[mood]
    hue = (hue + rng.normal(0, 0.06)) % 1
    rgb = colorsys.hsv_to_rgb(hue, rng.uniform(low_s, high_s), rng.uniform(low_v, high_v))
    return tuple(round(255 * value) for value in rgb)


class Canvas:
    """Shapes in units of the picture's width and height (0..1, y down), antialiased at the end."""

    def __init__(self, rng: np.random.Generator, height: int, width: int):
        self.rng = rng
        self.shape = height, width
        self.height, self.width = height * OVERSAMPLING, width * OVERSAMPLING
        self.image = Image.new("RGB", (self.width, self.height))
        self.draw = ImageDraw.Draw(self.image)
        self.hue = rng.random()
        self.mood = str(rng.choice(["pastel", "vivid", "dark", "grey"], p=[0.4, 0.35, 0.17, 0.08]))
        inked = rng.random() < 0.4
        self.ink: Colour | None = random_colour(rng, rng.random(), "dark") if inked else None
        self.line = int(rng.integers(2, 5))

    def colour(self, hue: float | None = None) -> Colour:
        """A colour of the picture's mood near `hue`, else near or opposite to its main hue."""
        shift = self.rng.choice([0.0, 0.08, 0.33, 0.5])
        return random_colour(self.rng, self.hue + shift if hue is None else hue, self.mood)

    def fill(self, top: Colour, bottom: Colour | None = None) -> None:
        """Fill the picture with a colour or a vertical gradient."""
        if bottom is None:
            self.image.paste(top, (0, 0, self.width, self.height))
            return
        ramp = np.linspace(0, 1, self.height)[:, None, None]
        rows = np.array(top) * (1 - ramp) + np.array(bottom) * ramp
        self.cover(Image.fromarray(rows.round().astype(np.uint8)))

    def cover(self, image: Image.Image) -> None:
        """Fill the picture with an image, whose pixels become boxes of one colour."""
        self.image.paste(image.resize(self.image.size, Image.Resampling.NEAREST))

    def polygon(self, points: np.ndarray, colour: Colour) -> None:
        """A filled polygon; points (n 2) as x, y."""
        pixels = [(x * self.width, y * self.height) for x, y in points]
        self.draw.polygon(pixels, fill=colour)
        if self.ink:
            self.draw.line([*pixels, pixels[0]], fill=self.ink, width=self.line, joint="curve")

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        """A filled rectangle."""
        corners = [left, top], [right, top], [right, bottom], [left, bottom]
        self.polygon(np.array(corners), colour)

    def disc(self, x: float, y: float, radius: float, colour: Colour, flat: float = 1.0) -> None:
        """A filled ellipse; `radius` in picture heights, `flat` its height over its width."""
        x, y, radius = x * self.width, y * self.height, radius * self.height
        bounds = (x - radius, y - radius * flat, x + radius, y + radius * flat)
        self.draw.ellipse(bounds, fill=colour, outline=self.ink, width=self.line)

    def finish(self) -> np.ndarray:
        """The finished picture, (h w 3) uint8."""
        return np.asarray(self.image.reduce(OVERSAMPLING))
