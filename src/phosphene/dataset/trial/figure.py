"""A trial's results as one picture: how often each was right, with intervals, and who was taken for what."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int
from PIL import Image, ImageDraw

from phosphene.core.pictures.typesetting import (
    ACCENT,
    BAR,
    GAP,
    HAIRLINE,
    INK,
    LEADING,
    MARGIN,
    SOFT,
    TEXT_SIZE,
    TITLE_SIZE,
    TRACK,
    width_of,
    wrapped,
    write,
)
from phosphene.dataset.trial.agreement import Share
from phosphene.dataset.trial.results import CHANCE, Person, Results, two_digits

NAMES, TRACK_WIDTH, BAR_HEIGHT, ROW = 250, 420, 18, 34  # px
CELL, SIDE = 36, 230  # px of a matrix: a cell, the names of its rows
LINE = round(TEXT_SIZE * LEADING)


def drawn(results: Results) -> Image.Image:
    """The figure: a block for each person."""
    blocks = [_block(one, results) for one in results.people]
    width = max(block.width for block in blocks) + 2 * MARGIN
    title = wrapped(_title(results), TITLE_SIZE, width - 2 * MARGIN, 3)
    top = MARGIN + round(len(title) * TITLE_SIZE * LEADING) + GAP // 2
    height = top + sum(block.height + GAP for block in blocks) - GAP + MARGIN
    sheet = Image.new("RGB", (width, height), "white")
    write(ImageDraw.Draw(sheet), (MARGIN, MARGIN), title, TITLE_SIZE, INK)
    for block in blocks:
        sheet.paste(block, (MARGIN, top))
        top += block.height + GAP
    return sheet


def _title(results: Results) -> str:
    if results.groups:
        return f"What is it? People and {results.of['network']}, the same choices"
    hint = {"exemplars": "exemplars", "synthetic": "synthetic pictures", "none": "nothing"}[results.of["hint"]]
    return f"Which of two photographs excites a unit of {results.of['network']} more? Shown beforehand: {hint}"


def _block(person: Person, results: Results) -> Image.Image:
    """Bars, and below them the two matrices."""
    if person.network is None:
        shares = [(person.name, person.share), *person.layers.items()]
        words = "The line is chance, one half; intervals are of 95 %."
    else:
        own, free = person.network
        shares = [(person.name, person.share), ("network, same choices", own), ("network, of all classes", free)]
        agreement = (("kappa", person.kappa), ("error consistency", person.consistency))
        words = "Agreement of the two: " + ", ".join(
            f"{name} {two_digits(value)}" for name, value in agreement
        ) + ". Intervals are of 95 %."  # fmt: skip
    width = NAMES + TRACK_WIDTH + 200
    tables = [
        _matrix(table, results.groups, f"{who}: truth in rows, answers in columns")
        for who, table in zip((person.name, "network, same choices"), person.tables, strict=False)
    ]
    width = max(width, sum(one.width for one in tables) + GAP)
    lines = wrapped(words, TEXT_SIZE, width, 2)
    bars = len(shares) * ROW + len(lines) * LINE + GAP // 2
    sheet = Image.new("RGB", (width, bars + max((one.height for one in tables), default=0)), "white")
    pen = ImageDraw.Draw(sheet)
    for i, (name, share) in enumerate(shares):
        _bar(pen, i * ROW, name, share, chance=CHANCE if person.network is None else None)
    write(pen, (0, len(shares) * ROW), lines, TEXT_SIZE, SOFT)
    left = 0
    for one in tables:
        sheet.paste(one, (left, bars))
        left += one.width + GAP
    return sheet


def _bar(pen: ImageDraw.ImageDraw, top: int, name: str, share: Share, chance: float | None) -> None:
    """A share as a bar, with its interval as a thin line."""
    write(pen, (0, top), wrapped(name, TEXT_SIZE, NAMES - 12, 1), TEXT_SIZE, INK)
    left, foot = NAMES, top + BAR_HEIGHT
    pen.rectangle((left, top, left + TRACK_WIDTH, foot), fill=TRACK)
    if share.value is not None:
        pen.rectangle((left, top, left + round(share.value * TRACK_WIDTH), foot), fill=BAR)
        low, high = (left + round(end * TRACK_WIDTH) for end in share.interval)
        middle = top + BAR_HEIGHT // 2
        pen.line((low, middle, high, middle), fill=INK, width=2)
        for end in (low, high):
            pen.line((end, middle - 4, end, middle + 4), fill=INK, width=2)
    if chance is not None:
        at = left + round(chance * TRACK_WIDTH)
        pen.line((at, top - 4, at, foot + 4), fill=ACCENT, width=2)
    write(pen, (left + TRACK_WIDTH + 12, top), [str(share)], TEXT_SIZE, SOFT)


def _matrix(table: Int[np.ndarray, "k k+1"], names: Sequence[str], title: str) -> Image.Image:
    """Counts, darker where there are more of the row's; the diagonal is framed. Columns have the rows' numbers."""
    k = len(names)
    beyond = bool(table[:, k].any())
    columns = k + beyond
    top = 2 * LINE + 6
    sheet = Image.new("RGB", (SIDE + columns * CELL + 1, top + k * CELL + GAP), "white")
    pen = ImageDraw.Draw(sheet)
    write(pen, (0, 0), wrapped(title, TEXT_SIZE, sheet.width, 1), TEXT_SIZE, INK)
    for j in range(columns):
        _centred(pen, SIDE + j * CELL, LINE + 6, str(j + 1) if j < k else "else", 13, SOFT)
    for i, name in enumerate(names):
        at = top + i * CELL
        write(pen, (0, at + 8), wrapped(f"{i + 1} {name}", 13, SIDE - 10, 1), 13, INK)
        of = table[i].sum()
        for j in range(columns):
            left, count = SIDE + j * CELL, int(table[i, j])
            part = count / of if of else 0.0
            strong = tuple(int(ACCENT[c : c + 2], 16) for c in (1, 3, 5))
            red, green, blue = (round(255 + part * (one - 255)) for one in strong)
            edge = INK if i == j else HAIRLINE
            pen.rectangle((left, at, left + CELL - 3, at + CELL - 3), fill=(red, green, blue), outline=edge)
            if count:
                _centred(pen, left, at + 8, str(count), 14, "white" if part > 0.6 else INK)
    return sheet


def _centred(pen: ImageDraw.ImageDraw, left: int, top: int, words: str, size: int, ink: str) -> None:
    write(pen, (left + int(CELL - 2 - width_of(words, size)) // 2, top), [words], size, ink)
