"""Pictures of pictures (grids, heat maps, overlays) and pictures for people, with words (figures, bars)."""

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, Int
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional as F

from phosphene.core.errors import Mistake
from phosphene.core.pictures.files import resize, single, to_pil

# matplotlib's inferno at 0, 1/9, ..., 1 (Smith & van der Walt 2015), and ColorBrewer's RdBu with blue first.
INFERNO = "000004 1b0c42 4b0c6b 781c6d a52c60 cf4446 ed6925 fb9a06 f7d03c fcffa4"
BLUE_WHITE_RED = "2166ac 67a9cf d1e5f0 f7f7f7 fddbc7 ef8a62 b2182b"

# Okabe & Ito 2008: eight colours that people with any colour vision tell apart, each with a name.
PALETTE = (
    ("orange", "e69f00"), ("sky blue", "56b4e9"), ("green", "009e73"), ("yellow", "f0e442"),
    ("blue", "0072b2"), ("red", "d55e00"), ("pink", "cc79a7"), ("grey", "999999"),
)  # fmt: skip

INK, SOFT, HAIRLINE, TRACK, BAR, ACCENT = "#1f2328", "#6b7280", "#e5e7eb", "#f1f3f5", "#b6c2cf", "#c8553d"
BLOCK_LIGHT = "#f6d9cf"
NIGHT, NIGHT_INK, NIGHT_SOFT, NIGHT_ACCENT = "#141517", "#f3f1ed", "#a2a6ad", "#ee8d70"  # the page's, after dark
TITLE_SIZE, TEXT_SIZE, LEADING = 24, 15, 1.4  # px, px, line height over size
MARGIN, GAP, CAPTION_GAP = 32, 24, 8  # px
CHECK = 8  # px of a square of the checkerboard behind transparent pictures

# What Pillow's built-in font cannot draw and that has a usual plain spelling.
PLAIN = str.maketrans(
    {"–": "-", "—": "-", "−": "-", "→": "->", "←": "<-", "×": "x", "≥": ">=", "≤": "<=", "≈": "~", "ß": "ss"}
    | {"α": "alpha", "β": "beta", "ε": "epsilon", "λ": "lambda", "μ": "mu", "σ": "sigma", "æ": "ae", "ø": "o"}
)


# Pictures of pictures


def grid(pictures: Float[Tensor, "n c h w"], columns: int | None = None, gap: int = 2) -> Float[Tensor, "1 c gh gw"]:
    """All pictures in one, row by row, `gap` px apart; about square unless `columns` says otherwise.

    Between them it is white, or where they have alpha, nothing.
    """
    n, channels, h, w = pictures.shape
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    sheet = pictures.new_ones(1, channels, rows * (h + gap) - gap, columns * (w + gap) - gap)
    sheet[:, 3:] = 0
    for i, picture in enumerate(pictures):
        top, left = i // columns * (h + gap), i % columns * (w + gap)
        sheet[0, :, top : top + h, left : left + w] = picture
    return sheet


def heat(
    values: Float[Tensor, "n h w"], signed: bool, scale: Float[Tensor, " n"] | None = None
) -> Float[Tensor, "n 3 h w"]:
    """Numbers as colours, each map on its own scale unless one is given.

    Args:
        signed: blue for negative, near white for 0, red for positive, symmetric about 0; otherwise from black for
            0 (and less) over purple and orange to yellow.
        scale: what is the strongest colour, for each map; by default its own (`scales`).
    """
    values = values.detach().float().nan_to_num()
    values = _divided(values, scale)
    if signed:
        return _coloured((values.clamp(-1, 1) + 1) / 2, BLUE_WHITE_RED)
    return _coloured(values.clamp(0, 1), INFERNO)


def categories(numbers: Int[Tensor, "n h w"]) -> Float[Tensor, "n 3 h w"]:
    """Whole numbers as the colours of `PALETTE`."""
    colours = torch.tensor([list(bytes.fromhex(colour)) for _, colour in PALETTE]) / 255
    return colours[numbers].permute(0, 3, 1, 2)


def overlay(
    photo: Float[Tensor, "n 3 h w"],
    values: Float[Tensor, "n vh vw"],
    alpha: float = 0.6,
    signed: bool = False,
    scale: Float[Tensor, " n"] | None = None,
) -> Float[Tensor, "n 3 h w"]:
    """The heat map of `values`, scaled to the photo's size, over the photo in grey.

    Args:
        alpha: how much of the heat map there is, 0 to 1.
    """
    values = F.interpolate(values[:, None].float(), photo.shape[2:], mode="bilinear")[:, 0]
    grey = photo.mean(1, keepdim=True)
    return (1 - alpha) * grey + alpha * heat(values, signed, scale)


def scales(values: Float[Tensor, "n ..."]) -> Float[Tensor, " n"]:
    """Where each map's scale ends: at the 99.5 % quantile of |values|, so that one wild pixel does not turn the rest
    dark; at their maximum where that is 0, and at 1 where there is nothing."""
    sizes = values.abs().flatten(1)
    rank = math.ceil(0.995 * sizes.shape[1])
    quantile, largest = sizes.kthvalue(rank, dim=1).values, sizes.amax(1)  # torch.quantile ends at 2^24 values
    scale = torch.where(quantile > 0, quantile, largest)
    return torch.where(scale > 0, scale, 1.0)


def _divided(values: Float[Tensor, "n ..."], scale: Float[Tensor, " n"] | None) -> Float[Tensor, "n ..."]:
    """Numbers over each map's scale, its own unless one is given."""
    return values / (scales(values) if scale is None else scale).view(-1, *[1] * (values.dim() - 1))


def _coloured(values: Float[Tensor, "n h w"], table: str) -> Float[Tensor, "n 3 h w"]:
    """[0, 1] to the colours of `table`, evenly spaced, linear in between."""
    colours = torch.tensor([list(bytes.fromhex(c)) for c in table.split()], device=values.device) / 255
    place = values * (len(colours) - 1)
    below = place.floor().long().clamp(max=len(colours) - 2)
    return torch.lerp(colours[below], colours[below + 1], (place - below)[..., None]).permute(0, 3, 1, 2).contiguous()


# Pictures for people


def figure(
    panels: Sequence[tuple[str, Float[Tensor, "*one c _ _"]]],
    title: str = "",
    columns: int | None = None,
    side: int = 320,
) -> Image.Image:
    """Pictures with a caption below each and a title above all, on white.

    Args:
        panels: (caption, picture); captions break into at most three lines. Small pictures (a third of `side` and
            less) keep their pixels as squares, others are scaled smoothly.
        columns: at most four unless given.
        side: the width of a panel in px; a tall picture is narrower.
    Raises:
        Mistake: there are no panels.
    """
    if not panels:
        raise Mistake("a figure needs at least one panel, (caption, picture)")
    columns = min(len(panels), columns or math.ceil(len(panels) / math.ceil(len(panels) / 4)))
    images = [_panel(single(picture), side) for _, picture in panels]
    captions = [_wrapped(caption, TEXT_SIZE, side, 3) for caption, _ in panels]
    rows = [slice(i, i + columns) for i in range(0, len(panels), columns)]
    heights = [max(i.height for i in images[r]) + _text_height(captions[r]) for r in rows]

    width = 2 * MARGIN + columns * (side + GAP) - GAP
    heading = _wrapped(title, TITLE_SIZE, width - 2 * MARGIN)
    top = MARGIN + (round(len(heading) * TITLE_SIZE * LEADING) + GAP - CAPTION_GAP if heading else 0)
    sheet = Image.new("RGB", (width, top + sum(heights) + (len(rows) - 1) * GAP + MARGIN), "white")
    pen = ImageDraw.Draw(sheet)
    _write(pen, (MARGIN, MARGIN), heading, TITLE_SIZE, INK)
    for row, height in zip(rows, heights, strict=True):
        foot = top + max(i.height for i in images[row])
        for column, (image, caption) in enumerate(zip(images[row], captions[row], strict=True)):
            left = MARGIN + column * (side + GAP)
            corner = (left, foot - image.height)
            sheet.paste(image, corner)
            pen.rectangle((left - 1, corner[1] - 1, left + image.width, foot), outline=HAIRLINE)
            _write(pen, (left, foot + CAPTION_GAP), caption, TEXT_SIZE, SOFT)
        top += height + GAP
    return sheet


def bars(rows: Sequence[tuple[str, float]], width: int = 480, highlight: int | None = None) -> Image.Image:
    """Probabilities as horizontal bars: label, bar, percentage; a full bar is 100 %.

    Args:
        rows: (label, probability in [0, 1]), from the top.
        width: px of the whole chart.
        highlight: the row to set off by colour, from 0.
    Raises:
        Mistake: there are no rows, or a number is not in [0, 1].
    """
    if not rows or not all(0 <= p <= 1 for _, p in rows):
        raise Mistake(f"bars need probabilities from 0 to 1, got {[p for _, p in rows]}")
    line, number = 30, round(_width("100.0 %", TEXT_SIZE))
    longest = max(_width(_drawable(label), TEXT_SIZE) for label, _ in rows)
    label_width = min(math.ceil(longest), int(0.45 * width))
    start, stop = MARGIN // 2 + label_width + 12, width - MARGIN // 2 - number - 12
    sheet = Image.new("RGB", (width, len(rows) * line + MARGIN), "white")
    pen = ImageDraw.Draw(sheet)
    for i, (label, p) in enumerate(rows):
        top, strong = MARGIN // 2 + i * line, i == highlight
        ink = INK if strong else SOFT
        _write(pen, (MARGIN // 2, top + 5), _wrapped(label, TEXT_SIZE, label_width, 1), TEXT_SIZE, ink)
        pen.rectangle((start, top + 7, stop, top + line - 8), fill=TRACK)
        if p > 0:
            pen.rectangle((start, top + 7, start + p * (stop - start), top + line - 8), fill=ACCENT if strong else BAR)
        percent = _percent(p)
        _write(pen, (width - MARGIN // 2 - round(_width(percent, TEXT_SIZE)), top + 5), [percent], TEXT_SIZE, ink)
    return sheet


@dataclass(frozen=True)
class Legend:
    """What colours mean: a bar from the lowest to the highest value, zero in the middle, and the words at its ends."""

    bar: Float[Tensor, "1 3 1 w"]
    ends: tuple[str, str]


@dataclass(frozen=True)
class Marks:
    """Words beside a sheet, each with where it belongs in px of the sheet.

    Attributes:
        rows, columns: (where, what), at the left and on top.
        below: (left, top, width, name), below parts of it.
        above: (left, bottom, width, heading), above parts of it.
    """

    rows: Sequence[tuple[float, str]] = ()
    columns: Sequence[tuple[float, str]] = ()
    below: Sequence[tuple[float, float, float, str]] = ()
    above: Sequence[tuple[float, float, float, str]] = ()


def scale_bar(signed: bool) -> Float[Tensor, "1 3 1 w"]:
    """-1 to 1 from black to white or, signed, from blue to red."""
    values = torch.linspace(-1, 1, 255)
    return signed_colours(values[None, None]) if signed else (0.5 + 0.5 * values).expand(1, 3, 1, -1)


def signed_colours(values: Float[Tensor, "n h w"]) -> Float[Tensor, "n 3 h w"]:
    """-1 to 1 as blue over near white to red."""
    return _coloured((values.clamp(-1, 1) + 1) / 2, BLUE_WHITE_RED)


def plate(
    sheet: Float[Tensor, "1 3 h w"],
    title: str,
    words: Sequence[str],
    legend: Legend | None,
    marks: Marks,
) -> Image.Image:
    """One picture, pixel for pixel, with numbers along its sides, words and a legend below, a title above, on white.

    Args:
        words: paragraphs.
        legend: what its colours mean, where the words do not say it.
    """
    small, line = 13, round(13 * LEADING)
    labels = [_wrapped(text, small, 150, 1)[0] for _, text in marks.rows]
    left = MARGIN + (math.ceil(max(_width(text, small) for text in labels)) + 8 if labels else 0)
    foot = line + 4 if marks.below else 0
    width = max(left + sheet.shape[3] + MARGIN, 600)
    heading = _wrapped(title, TITLE_SIZE, width - 2 * MARGIN)
    paragraphs = [text for part in words for text in _wrapped(part, TEXT_SIZE, width - 2 * MARGIN, 3)]
    top = MARGIN + round(len(heading) * TITLE_SIZE * LEADING) + GAP - CAPTION_GAP + (line if marks.columns else 0)
    under = top + sheet.shape[2] + foot + GAP // 2
    ending = under + round(len(paragraphs) * TEXT_SIZE * LEADING) + (44 if legend else 0)
    page = Image.new("RGB", (width, ending + MARGIN), "white")
    pen = ImageDraw.Draw(page)
    _write(pen, (MARGIN, MARGIN), heading, TITLE_SIZE, INK)
    page.paste(to_pil(sheet), (left, top))
    for (y, _), text in zip(marks.rows, labels, strict=True):
        pen.text((left - 8, top + y), text, fill=SOFT, font=ImageFont.load_default(small), anchor="rm")
    for x, text in marks.columns:
        pen.text((left + x, top - 4), text, fill=SOFT, font=ImageFont.load_default(small), anchor="mb")
    for x, y, wide, name in marks.below:
        _write(pen, (round(left + x), round(top + y + 4)), _wrapped(name, small, round(wide), 1), small, SOFT)
    for x, y, wide, name in marks.above:
        heading = _wrapped(name, TEXT_SIZE, round(wide), 1)
        _write(pen, (round(left + x), round(top + y - TEXT_SIZE * LEADING)), heading, TEXT_SIZE, INK)
    _write(pen, (MARGIN, under), paragraphs, TEXT_SIZE, SOFT)
    if legend is None:
        return page
    start, y, long = MARGIN, ending - 34, legend.bar.shape[3]
    page.paste(to_pil(legend.bar.expand(1, 3, 14, -1)), (start, y))
    pen.rectangle((start - 1, y - 1, start + long, y + 14), outline=HAIRLINE)
    for x, text, anchor in ((0, legend.ends[0], "la"), (long / 2, "0", "ma"), (long, legend.ends[1], "ra")):
        pen.text((start + x, y + 18), text, fill=SOFT, font=ImageFont.load_default(small), anchor=anchor)
    return page


@dataclass(frozen=True)
class Block:
    """One stage of a network, as it is drawn.

    Attributes:
        name, kind, words: the three lines beside it.
        number: at the end of the first line.
        side: how many places there are along one side: the block's width.
        channels: the block's height and colour.
    """

    name: str
    kind: str
    words: str
    number: str
    side: float
    channels: int


def funnel(blocks: Sequence[Block], title: str = "", foot: str = "", width: int = 560) -> Image.Image:
    """A network from top to bottom: one block a row, as wide as its picture, as high and dark as it has channels.

    Both are on a logarithmic scale, so that 7 px can be seen beside 224 px. The letters are large enough for a phone.

    Raises:
        Mistake: there are no blocks.
    """
    if not blocks:
        raise Mistake("a network needs at least one stage to be drawn")
    margin, drawn, row, name_size, text_size = 24, 132, 84, 20, 17
    heading = _wrapped(title, TITLE_SIZE, width - 2 * margin)
    ending = _wrapped(foot, text_size, width - 2 * margin)
    top = margin + (round(len(heading) * TITLE_SIZE * LEADING) + CAPTION_GAP if heading else 0)
    below = round(len(ending) * text_size * LEADING) + CAPTION_GAP if ending else 0
    sheet = Image.new("RGB", (width, top + len(blocks) * row + below + margin), "white")
    pen = ImageDraw.Draw(sheet)
    _write(pen, (margin, margin), heading, TITLE_SIZE, INK)

    wide = _shares([block.side for block in blocks])
    many = _shares([block.channels for block in blocks])
    middle, boxes = margin + drawn / 2, []
    for i, (w, c) in enumerate(zip(wide, many, strict=True)):
        half, high = (8 + (drawn - 8) * w) / 2, 8 + 40 * c
        centre = top + (i + 0.5) * row
        boxes.append((middle - half, centre - high / 2, middle + half, centre + high / 2))
    for (left, _, right, foot_of), (next_left, next_top, next_right, _) in pairwise(boxes):
        pen.polygon([(left, foot_of), (right, foot_of), (next_right, next_top), (next_left, next_top)], fill=TRACK)
    x = margin + drawn + GAP
    for i, (block, box, c) in enumerate(zip(blocks, boxes, many, strict=True)):
        pen.rounded_rectangle(box, 3, fill=_between(BLOCK_LIGHT, ACCENT, c * c))
        y = round(top + i * row + (row - (name_size + 2 * text_size) * LEADING) / 2)
        end = width - margin - round(_width(block.number, name_size))
        _write(pen, (x, y), [_ending(block.name, name_size, end - x - 12)], name_size, INK)
        _write(pen, (end, y), [block.number], name_size, INK)
        lines = [*_wrapped(block.kind, text_size, width - margin - x, 1)]
        lines += _wrapped(block.words, text_size, width - margin - x, 1)
        _write(pen, (x, round(y + name_size * LEADING)), lines, text_size, SOFT)
    _write(pen, (margin, top + len(blocks) * row + CAPTION_GAP), ending, text_size, SOFT)
    return sheet


def _shares(numbers: Sequence[float]) -> list[float]:
    """Each number's logarithm as a part of the largest one's: 0 for 1, 1 for the largest."""
    largest = math.log(max(max(numbers), 2))
    return [math.log(max(n, 1)) / largest for n in numbers]


def _between(light: str, dark: str, share: float) -> tuple[int, ...]:
    pairs = zip(bytes.fromhex(light[1:]), bytes.fromhex(dark[1:]), strict=True)
    return tuple(round(a + share * (b - a)) for a, b in pairs)


@dataclass(frozen=True)
class Strip:
    """One row of a contact sheet: a heading, and captioned pictures side by side, equally high."""

    heading: str
    panels: Sequence[tuple[str, Float[Tensor, "*one c _ _"]]]


def contact(
    strips: Sequence[Strip], title: str = "", words: str = "", width: int = 1600, highest: int = 340
) -> Image.Image:
    """Many pictures on one dark sheet to share: strips that fill the width, each with a heading, captions below.

    Args:
        words: a line below the title.
        highest: px; a strip with few pictures does not grow beyond it, and begins at the left.
    Raises:
        Mistake: there are no pictures.
    """
    strips = [strip for strip in strips if strip.panels]
    if not strips:
        raise Mistake("a contact sheet needs at least one picture")
    margin, gap, heading_size, caption_size, title_size = 64, 16, 26, 19, 52
    inner = width - 2 * margin
    heading, under = _wrapped(title, title_size, inner), _wrapped(words, heading_size, inner)
    top = margin + round(len(heading) * title_size * 1.2) + round(len(under) * heading_size * LEADING) + 24
    placed = []
    y = top
    for strip in strips:
        shapes = [single(picture).shape[2:] for _, picture in strip.panels]
        aspects = [w / h for h, w in shapes]
        high = min(highest, (inner - gap * (len(aspects) - 1)) / sum(aspects))
        sides = [(max(1, round(high)), max(1, round(high * aspect))) for aspect in aspects]
        captions = [_wrapped(c, caption_size, w) for (c, _), (_, w) in zip(strip.panels, sides, strict=True)]
        placed.append((strip, y, sides, captions))
        lines = max(len(caption) for caption in captions)
        y += round(heading_size * 1.6) + round(high) + round(lines * caption_size * LEADING) + 52
    sheet = Image.new("RGB", (width, y + margin - 52), NIGHT)
    pen = ImageDraw.Draw(sheet)
    _write(pen, (margin, margin), heading, title_size, NIGHT_INK)
    _write(pen, (margin, margin + round(len(heading) * title_size * 1.25)), under, heading_size, NIGHT_SOFT)
    for strip, y, sides, captions in placed:
        _write(pen, (margin, y), _wrapped(strip.heading, heading_size, inner, 1), heading_size, NIGHT_ACCENT)
        x, y = margin, y + round(heading_size * 1.6)
        for (_, picture), (h, w), caption in zip(strip.panels, sides, captions, strict=True):
            sheet.paste(_scaled(single(picture), (h, w)), (x, y))
            _write(pen, (x, y + h + 8), caption, caption_size, NIGHT_SOFT)
            x += w + gap
    return sheet


def _scaled(picture: Float[Tensor, "1 c h w"], size: tuple[int, int]) -> Image.Image:
    """Scaled smoothly; pictures that grow to three times their size and more keep their pixels as squares."""
    picture = picture.detach().float()
    large = size[0] >= 3 * picture.shape[2] and picture.shape[2] < 48
    return _opaque(to_pil(F.interpolate(picture, size, mode="nearest-exact") if large else resize(picture, size)))


def _panel(picture: Float[Tensor, "1 c h w"], side: int) -> Image.Image:
    """Scaled to `side` px wide, or to half as much again in height if that comes first."""
    picture, (h, w) = picture.detach().float(), picture.shape[2:]
    scale = min(side / w, 1.5 * side / h)
    size = (max(1, round(scale * h)), max(1, round(scale * w)))
    return _opaque(to_pil(F.interpolate(picture, size, mode="nearest-exact") if scale >= 3 else resize(picture, size)))


def _opaque(image: Image.Image) -> Image.Image:
    """What is transparent over a light checkerboard of 8 px; other pictures as they are."""
    if image.mode != "RGBA":
        return image
    y, x = np.indices((image.height, image.width)) // CHECK
    board = Image.fromarray(np.where((x + y) % 2, 225, 250).astype(np.uint8)).convert("RGBA")
    return Image.alpha_composite(board, image).convert("RGB")


def _percent(p: float) -> str:
    return "< 0.1 %" if 0 < p < 0.0005 else f"{100 * p:.1f} %"


def _text_height(captions: Sequence[list[str]]) -> int:
    lines = max(len(caption) for caption in captions)
    return CAPTION_GAP + round(lines * TEXT_SIZE * LEADING) if lines else 0


def _write(pen: ImageDraw.ImageDraw, at: tuple[int, int], lines: Sequence[str], size: int, ink: str) -> None:
    for i, line in enumerate(lines):
        pen.text((at[0], at[1] + i * size * LEADING), line, fill=ink, font=ImageFont.load_default(size))


def _width(text: str, size: int) -> float:
    return ImageFont.load_default(size).getlength(text)


def _wrapped(text: str, size: int, width: int, most: int = 2) -> list[str]:
    """`text` in at most `most` lines of `width` px, broken at spaces, in a word where it must be; "…" if cut."""
    lines = [line for part in _drawable(text).split("\n") for line in _broken(part.split(), size, width)]
    if len(lines) <= most:
        return lines
    last = lines[most - 1]
    while last and _width(last + "…", size) > width:
        last = last[:-1]
    return [*lines[: most - 1], last.rstrip() + "…"]


def _ending(text: str, size: int, width: int) -> str:
    """`text` on one line of `width` px; what does not fit is cut off at its beginning, as names differ at their end."""
    text = _drawable(text)
    cut = 0
    while cut < len(text) and _width("…" * (cut > 0) + text[cut:], size) > width:
        cut += 1
    return "…" * (cut > 0) + text[cut:]


def _broken(words: list[str], size: int, width: int) -> list[str]:
    lines: list[str] = []
    while words:
        word = words.pop(0)
        if lines and _width(f"{lines[-1]} {word}", size) <= width:
            lines[-1] += f" {word}"
            continue
        cut = len(word)
        while cut > 1 and _width(word[:cut], size) > width:
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


def beside(left: Image.Image, right: Image.Image) -> Image.Image:
    """Two drawings side by side on white, tops aligned."""
    sheet = Image.new("RGB", (left.width + right.width, max(left.height, right.height)), "white")
    sheet.paste(left, (0, 0))
    sheet.paste(right, (left.width, 0))
    return sheet


def signed_picture(
    values: Float[Tensor, "n 3 h w"], scale: Float[Tensor, " n"] | None = None
) -> Float[Tensor, "n 3 h w"]:
    """Signed colours around mid grey, each picture on its own scale unless one is given."""
    return (0.5 + 0.5 * _divided(values.detach(), scale)).clamp(0, 1)


def grey_heat(values: Float[Tensor, "n h w"], scale: Float[Tensor, " n"] | None = None) -> Float[Tensor, "n 3 h w"]:
    """Sizes from black (0) to white, each map on its own scale unless one is given."""
    return _divided(values.detach(), scale).clamp(0, 1)[:, None].expand(-1, 3, -1, -1)
