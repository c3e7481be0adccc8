"""Paint the picture that comes with the program, `painting:night`: `python -m training.painting`.

A night as van Gogh saw one (The Starry Night, 1889), of strokes that follow a flow: vortices in the sky, ridges on the
ground. Its motif is a few formulas, painted over three times, with ever smaller strokes where there is more to be seen;
each stroke is a bundle of bristles of slightly different colour, lit from the side. The same every time.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from PIL import Image, ImageDraw, ImageFilter
from scipy import ndimage

from phosphene.core.pictures.samples import PAINTINGS

WIDTH, HEIGHT, FINER = 1024, 768, 2
SAVED = (768, 576)

VORTICES = ((0.52, 0.30, 1.0, 0.20), (0.86, 0.42, -0.8, 0.15), (0.20, 0.22, -0.6, 0.11), (1.15, 0.18, 0.9, 0.14))
"""x, y, strength and radius; lengths are parts of the height here and below."""

LIGHTS = (
    (1.15, 0.18, 0.085), (0.20, 0.22, 0.04), (0.36, 0.10, 0.028), (0.70, 0.12, 0.032), (0.90, 0.10, 0.022),
    (0.10, 0.40, 0.025), (0.40, 0.42, 0.022), (1.02, 0.38, 0.024),
)  # fmt: skip
"""x, y and radius: a moon and stars."""

HOUSES = ((0.72, 0.78, 0.05), (0.82, 0.80, 0.04), (1.0, 0.775, 0.045), (0.62, 0.80, 0.035))
"""x, y and half the width."""

ROUNDS = ((20.0, 5200, 0.05), (12.0, 9000, 0.06), (7.5, 15000, 0.07))
"""Width of strokes in pixels, how many, and how much their colours differ."""

Map = Float[np.ndarray, "h w"]
Colours = Float[np.ndarray, "h w 3"]

Y, X = np.mgrid[0:HEIGHT, 0:WIDTH] / HEIGHT


def ridge(x: np.ndarray) -> np.ndarray:
    """Where the ground begins."""
    return 0.66 + 0.07 * np.sin(3.1 * x + 0.6) + 0.035 * np.sin(8 * x + 2) + 0.02 * np.sin(17 * x)


def tree() -> Bool[np.ndarray, "h w"]:
    """Where the cypress stands."""
    half = np.clip((Y - 0.30) * 0.16, 0, 0.06) * (1 + 0.25 * np.sin(31 * Y))
    return (np.abs(X - 0.165 - 0.012 * np.sin(20 * Y)) < half) & (Y > 0.30)


def flow() -> tuple[Map, Map]:
    """The direction of strokes, of length 1: across and down."""
    across, down = np.full_like(X, 0.55), 0.22 * np.sin(5 * X)
    for x, y, strength, radius in VORTICES:
        right, below = X - x, Y - y
        turn = 14 * strength * np.exp(-(right**2 + below**2) / (2 * radius**2))
        across, down = across - below * turn, down + right * turn
    slope = np.gradient(ridge(X[0]), 1 / HEIGHT)[None]
    ground, trunk = ridge(X) < Y, tree()
    across = np.where(trunk, 0.15 * np.sin(30 * Y), np.where(ground, 1.0, across))
    down = np.where(trunk, -1.0, np.where(ground, slope + 0.35 * np.sin(14 * (Y - ridge(X)) + 4 * X), down))
    length = np.hypot(across, down) + 1e-6
    return across / length, down / length


def laid(colours: Colours, colour: np.ndarray | list[float], part: Map) -> Colours:
    """A colour over others, as thick as it says."""
    return colours + (np.asarray(colour) - colours) * part[..., None]


def motif() -> Colours:
    """What is painted."""
    night = laid(np.tile([0.06, 0.13, 0.38], (HEIGHT, WIDTH, 1)), [0.28, 0.50, 0.72], np.clip(Y / 0.7, 0, 1))
    for x, y, strength, radius in VORTICES:
        far, angle = np.hypot(X - x, Y - y) / radius, np.arctan2(Y - y, X - x)
        bands = 0.5 + 0.5 * np.cos(2 * np.pi * 1.6 * far - np.sign(strength) * 2 * angle)
        night = laid(night, [0.75, 0.86, 0.90], 0.75 * bands * np.exp(-(far**2) / 1.6))
    for x, y, radius in LIGHTS:
        far = np.hypot(X - x, Y - y) / radius
        rings = 0.65 + 0.35 * (0.5 + 0.5 * np.cos(5.5 * far))
        night = laid(night, np.array([0.98, 0.80, 0.25]) * rings[..., None], np.exp(-((far / 2.1) ** 2)))
        night = laid(night, [1.0, 0.95, 0.62], 1 / (1 + np.exp(np.clip((far - 0.8) / 0.08, -50, 50))))
    return _village(np.where((ridge(X) < Y)[..., None], _land(), night))


def _land() -> Colours:
    depth = Y - ridge(X)
    near, stripe = np.clip(depth / 0.3, 0, 1), 0.5 + 0.5 * np.sin(38 * depth + 6 * X)
    land = laid(np.tile([0.10, 0.24, 0.34], (HEIGHT, WIDTH, 1)), [0.20, 0.34, 0.12], near)
    field = (stripe > 0.8) & (near > 0.25)
    return laid(land * (0.75 + 0.5 * stripe)[..., None], [0.72, 0.52, 0.13], field.astype(float))


def _village(colours: Colours) -> Colours:
    flames = 0.5 + 0.5 * np.sin(60 * X + 30 * Y)[..., None] * np.array([1.0, 1.0, 1.0])
    colours = laid(colours, np.array([0.05, 0.10, 0.07]) + flames * [0.10, 0.14, 0.03], tree().astype(float))
    for i, (x, y, half) in enumerate(HOUSES):
        away, above = np.abs(X - x), y - half - Y
        roof = (away < 1.15 * half - 1.1 * above) & (above >= 0) & (above < half)
        colours = laid(colours, [0.35, 0.40, 0.52], ((away < half) & (above < 0) & (y + 0.9 * half > Y)).astype(float))
        colours = laid(colours, [0.50, 0.20, 0.14], roof.astype(float))
        lit = (away < 0.22 * half) & (np.abs(Y - y) < 0.3 * half) & (i < 3)
        colours = laid(colours, [1.0, 0.85, 0.35], lit.astype(float))
    return np.clip(colours, 0, 1)


class Canvas:
    """What is painted on: colours, and how high the paint lies."""

    def __init__(self, ground: Colours, seed: int) -> None:
        under = Image.fromarray((255 * 0.55 * ground).astype(np.uint8)).resize((WIDTH * FINER, HEIGHT * FINER))
        self.colours = under.filter(ImageFilter.GaussianBlur(8))
        self.paint = Image.new("F", self.colours.size, 0.0)
        self.random = np.random.default_rng(seed)
        self._on, self._high = ImageDraw.Draw(self.colours), ImageDraw.Draw(self.paint)

    def stroke(self, path: Float[np.ndarray, "p 2"], width: float, colour: Float[np.ndarray, "3"]) -> None:
        """A bundle of bristles along a path, thinner at its ends."""
        along = np.gradient(path, axis=0)
        along /= np.linalg.norm(along, axis=1, keepdims=True) + 1e-6
        beside = np.stack([-along[:, 1], along[:, 0]], 1)
        taper = np.sin(np.linspace(0.25, np.pi - 0.25, len(path))) ** 0.5
        ragged = max(1, len(path) // 6) + 1
        for place in np.linspace(-0.5, 0.5, max(4, int(width * FINER / 2.2))):
            own = np.clip(colour * (1 + self.random.normal(0, 0.10)) + self.random.normal(0, 0.012, 3), 0, 1)
            first, last = self.random.integers(0, ragged, 2)
            line = ((path + beside * (place * width * taper)[:, None]) * FINER)[first : len(path) - last]
            if len(line) > 1:
                points = [tuple(point) for point in line]
                self._on.line(points, fill=tuple(int(255 * value) for value in own), width=3)
                self._high.line(points, fill=float(self.random.uniform(0.2, 1) * (1 - abs(place)) + 0.3), width=2)

    def lit(self) -> Image.Image:
        """The painting, lit from the upper left."""
        height = ndimage.gaussian_filter(np.asarray(self.paint), 1.0)
        shade = np.clip(-0.05 * (ndimage.sobel(height, 1) + ndimage.sobel(height, 0)), -0.16, 0.16)[..., None]
        return Image.fromarray((255 * np.clip(np.asarray(self.colours) / 255 + shade, 0, 1)).astype(np.uint8))


def along(across: Map, down: Map, x: float, y: float, length: float) -> Float[np.ndarray, "p 2"]:
    """The path of so many pixels that follows the flow through a point, both ways."""
    ways = []
    for sign in (-1, 1):
        here, way = np.array([x, y]), []
        for _ in range(int(length / 6)):
            row, column = (int(np.clip(here[axis], 0, (HEIGHT, WIDTH)[1 - axis] - 1)) for axis in (1, 0))
            here = here + 3 * sign * np.array([across[row, column], down[row, column]])
            way.append(here)
        ways.append(way)
    return np.array([*ways[0][::-1], [x, y], *ways[1]])


def painted(seed: int = 7) -> Image.Image:
    """The whole of it."""
    (across, down), what = flow(), motif()
    canvas = Canvas(what, seed)
    fine = ndimage.gaussian_filter(np.abs(what - ndimage.gaussian_filter(what, (12, 12, 0))).mean(2), 3)
    for width, many, differ in ROUNDS:
        seen = ndimage.gaussian_filter(what, (width / 3, width / 3, 0))
        for x, y in canvas.random.random((many, 2)) * [WIDTH, HEIGHT]:
            if width < 10 and fine[int(y), int(x)] < 0.03 and canvas.random.random() < 0.75:
                continue
            colour = seen[int(y), int(x)] + canvas.random.normal(0, differ, 3) * [1, 1, 1.2]
            accent = canvas.random.random()
            colour = 0.65 * colour if accent < 0.1 else colour
            colour = 0.7 * colour + 0.3 * np.array([0.95, 0.92, 0.75]) if accent > 0.9 else colour
            path = along(across, down, x, y, width * canvas.random.uniform(3.5, 6.5))
            if len(path) > 2:
                canvas.stroke(path, width * canvas.random.uniform(0.6, 1), colour)
    return canvas.lit()


def main(out: Path = PAINTINGS) -> None:
    """Write it where the program looks for it."""
    out.mkdir(exist_ok=True)
    painted().resize(SAVED, Image.Resampling.LANCZOS).save(out / "night.jpg", quality=90)


if __name__ == "__main__":
    main()
