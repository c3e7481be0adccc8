"""Who fools whom, drawn: a square of percentages, darker where more is fooled."""

from PIL import Image, ImageDraw

from phosphene.adversarial.transfer import Transfer
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

CELL, SIDE, LINES = 120, 240, 3  # px of a cell, px of the names at the left, lines of a name


def drawn(table: Transfer, title: str) -> Image.Image:
    """The table: rows are the networks that examples were made on, columns those that they were tried on."""
    k = len(table.names)
    width = 2 * MARGIN + SIDE + k * CELL
    heading = wrapped(title, TITLE_SIZE, width - 2 * MARGIN, 3)
    under = wrapped(
        "Each row: made on this network, tried on those above. So many fool, of the pictures that both name rightly.",
        TEXT_SIZE, width - 2 * MARGIN, 4,
    )  # fmt: skip
    line = round(TEXT_SIZE * LEADING)
    first = MARGIN + round(len(heading) * TITLE_SIZE * LEADING)
    names = first + len(under) * line + GAP
    top = names + LINES * line + GAP // 2
    sheet = Image.new("RGB", (width, top + k * CELL + MARGIN), "white")
    pen = ImageDraw.Draw(sheet)
    write(pen, (MARGIN, MARGIN), heading, TITLE_SIZE, INK)
    write(pen, (MARGIN, first), under, TEXT_SIZE, SOFT)
    for i, (name, right) in enumerate(zip(table.names, table.accuracies.tolist(), strict=True)):
        across = wrapped(name, TEXT_SIZE, CELL - 12, LINES)
        write(pen, (MARGIN + SIDE + i * CELL + 6, top - len(across) * line - 6), across, TEXT_SIZE, INK)
        down = [*wrapped(name, TEXT_SIZE, SIDE - 12, LINES), f"right about {100 * right:.1f} %"]
        write(pen, (MARGIN, top + i * CELL + (CELL - len(down) * line) // 2), down, TEXT_SIZE, INK)
        for j in range(k):
            _cell(pen, (MARGIN + SIDE + j * CELL, top + i * CELL), float(table.rates[i, j]))
    return sheet


def _cell(pen: ImageDraw.ImageDraw, at: tuple[int, int], rate: float) -> None:
    known = rate == rate
    strong = tuple(int(ACCENT[i : i + 2], 16) for i in (1, 3, 5))
    part = rate if known else 0.0
    red, green, blue = (round(255 + part * (one - 255)) for one in strong)
    pen.rectangle((*at, at[0] + CELL - 2, at[1] + CELL - 2), fill=(red, green, blue), outline=HAIRLINE)
    words = f"{100 * rate:.0f} %" if known else "-"
    left = at[0] + (CELL - width_of(words, TITLE_SIZE)) // 2
    ink = "white" if part > 0.6 else INK
    write(pen, (int(left), at[1] + (CELL - TITLE_SIZE) // 2), [words], TITLE_SIZE, ink)
