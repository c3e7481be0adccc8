"""Who fools whom, drawn: a square of percentages, darker where more is fooled."""

from PIL import Image, ImageDraw

from phosphene.adversarial.transfer import Count, Transfer
from phosphene.core.pictures.typesetting import (
    ACCENT,
    GAP,
    HAIRLINE,
    INK,
    LEADING,
    MARGIN,
    SOFT,
    TEXT_SIZE,
    TITLE_SIZE,
    width_of,
    wrapped,
    write,
)

CELL, SIDE, LINES = 132, 260, 3  # px of a cell, px of the names at the left, lines of a name
FRAME = 3  # px around what was tried on the network that it was made on
DARK = 0.9  # the share from which words are white
LINE = round(TEXT_SIZE * LEADING)


def drawn(table: Transfer, title: str) -> Image.Image:
    """The table: rows are the networks that examples were made on, columns those that they were tried on."""
    k = len(table.names)
    width = 2 * MARGIN + SIDE + k * CELL
    heading = wrapped(title, TITLE_SIZE, width - 2 * MARGIN, 3)
    under = wrapped(
        "Each row: made on this network, tried on those above; framed: on the one that they were made on. So many "
        "fool, of the pictures that both name rightly as they are; in brackets 95 % intervals. Noise: the same "
        "changes, their values shuffled.",
        TEXT_SIZE, width - 2 * MARGIN, 6,
    )  # fmt: skip
    first = MARGIN + round(len(heading) * TITLE_SIZE * LEADING)
    names = first + len(under) * LINE + GAP
    above = [wrapped(name, TEXT_SIZE, CELL - 12, LINES) for name in table.names]
    top = names + (max(map(len, above)) + 1) * LINE + GAP // 2
    sheet = Image.new("RGB", (width, top + k * CELL + MARGIN), "white")
    pen = ImageDraw.Draw(sheet)
    write(pen, (MARGIN, MARGIN), heading, TITLE_SIZE, INK)
    write(pen, (MARGIN, first), under, TEXT_SIZE, SOFT)
    write(pen, (MARGIN + SIDE + 6, names), ["tried on"], TEXT_SIZE, SOFT)
    write(pen, (MARGIN, top - LINE - 6), ["made on"], TEXT_SIZE, SOFT)
    cells = [zip(*rows, strict=True) for rows in zip(table.pairs, table.controls, strict=True)]
    for i, (name, own, row) in enumerate(zip(table.names, table.own, cells, strict=True)):
        write(pen, (MARGIN + SIDE + i * CELL + 6, top - len(above[i]) * LINE - 6), above[i], TEXT_SIZE, INK)
        down = wrapped(name, TEXT_SIZE, SIDE - 12, LINES)
        at = top + i * CELL + (CELL - (len(down) + 2) * LINE) // 2
        write(pen, (MARGIN, at), down, TEXT_SIZE, INK)
        right = [f"right about {own.percent} of {own.of}", own.brackets]
        write(pen, (MARGIN, at + len(down) * LINE), right, TEXT_SIZE, SOFT)
        for j, (one, noise) in enumerate(row):
            _cell(pen, (MARGIN + SIDE + j * CELL, top + i * CELL), one, noise, framed=i == j)
    return sheet


def _cell(pen: ImageDraw.ImageDraw, at: tuple[int, int], one: Count, noise: Count, *, framed: bool) -> None:
    part = one.share or 0.0
    strong = tuple(int(ACCENT[i : i + 2], 16) for i in (1, 3, 5))
    red, green, blue = (round(255 + part * (one - 255)) for one in strong)
    edge, outline = (FRAME, INK) if framed else (1, HAIRLINE)
    corner = at[0] + CELL - 4, at[1] + CELL - 4
    pen.rectangle((*at, *corner), fill=(red, green, blue), outline=outline, width=edge)
    ink = "white" if part > DARK else INK
    below = [f"{one.hits} of {one.of}", one.brackets, f"noise {noise.percent}"] if one.of else ["of none"]
    start = at[1] + (CELL - 4 - round(TITLE_SIZE * LEADING) - len(below) * LINE) // 2
    _centred(pen, at[0], start, one.percent, TITLE_SIZE, ink)
    for row, words in enumerate(below):
        _centred(pen, at[0], start + round(TITLE_SIZE * LEADING) + row * LINE, words, TEXT_SIZE, ink)


def _centred(pen: ImageDraw.ImageDraw, left: int, top: int, words: str, size: int, ink: str) -> None:
    write(pen, (left + int(CELL - 4 - width_of(words, size)) // 2, top), [words], size, ink)
