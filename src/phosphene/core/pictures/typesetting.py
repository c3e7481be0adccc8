"""Words on pictures: sizes, colours and lines that are broken to fit."""

import unicodedata
from collections.abc import Sequence

from PIL import ImageDraw, ImageFont

INK, SOFT, HAIRLINE, TRACK, BAR, ACCENT = "#1f2328", "#6b7280", "#e5e7eb", "#f1f3f5", "#b6c2cf", "#c8553d"
BLOCK_LIGHT = "#f6d9cf"
NIGHT, NIGHT_INK, NIGHT_SOFT, NIGHT_ACCENT = "#141517", "#f3f1ed", "#a2a6ad", "#ee8d70"  # the page's, after dark
TITLE_SIZE, TEXT_SIZE, LEADING = 24, 15, 1.4  # px, px, line height over size
MARGIN, GAP, CAPTION_GAP = 32, 24, 8  # px

# What Pillow's built-in font cannot draw and that has a usual plain spelling.
PLAIN = str.maketrans(
    {"–": "-", "—": "-", "−": "-", "→": "->", "←": "<-", "×": "x", "≥": ">=", "≤": "<=", "≈": "~", "ß": "ss"}
    | {"α": "alpha", "β": "beta", "ε": "epsilon", "λ": "lambda", "μ": "mu", "σ": "sigma", "æ": "ae", "ø": "o"}
)


def text_height(captions: Sequence[list[str]]) -> int:
    lines = max(len(caption) for caption in captions)
    return CAPTION_GAP + round(lines * TEXT_SIZE * LEADING) if lines else 0


def write(pen: ImageDraw.ImageDraw, at: tuple[int, int], lines: Sequence[str], size: int, ink: str) -> None:
    for i, line in enumerate(lines):
        pen.text((at[0], at[1] + i * size * LEADING), line, fill=ink, font=ImageFont.load_default(size))


def width_of(text: str, size: int) -> float:
    return ImageFont.load_default(size).getlength(text)


def wrapped(text: str, size: int, width: int, most: int = 2) -> list[str]:
    """`text` in at most `most` lines of `width` px, broken at spaces, in a word where it must be; "…" if cut."""
    lines = [line for part in _drawable(text).split("\n") for line in _broken(part.split(), size, width)]
    if len(lines) <= most:
        return lines
    last = lines[most - 1]
    while last and width_of(last + "…", size) > width:
        last = last[:-1]
    return [*lines[: most - 1], last.rstrip() + "…"]


def _ending(text: str, size: int, width: int) -> str:
    """`text` on one line of `width` px; what does not fit is cut off at its beginning, as names differ at their end."""
    text = _drawable(text)
    cut = 0
    while cut < len(text) and width_of("…" * (cut > 0) + text[cut:], size) > width:
        cut += 1
    return "…" * (cut > 0) + text[cut:]


def _broken(words: list[str], size: int, width: int) -> list[str]:
    lines: list[str] = []
    while words:
        word = words.pop(0)
        if lines and width_of(f"{lines[-1]} {word}", size) <= width:
            lines[-1] += f" {word}"
            continue
        cut = len(word)
        while cut > 1 and width_of(word[:cut], size) > width:
            cut -= 1
        lines.append(word[:cut])
        if word[cut:]:
            words.insert(0, word[cut:])
    return lines


def _drawable(text: str) -> str:
    """`text` in the letters that Pillow's built-in font has: no accents, Greek spelled out, ? for what is left."""
    bare = unicodedata.normalize("NFKD", text.translate(PLAIN))
    kept = "".join(c for c in bare if not unicodedata.combining(c))
    return "".join(c if c.isascii() or c in "©«°±·»‘’“”‹›" else "?" for c in kept)
