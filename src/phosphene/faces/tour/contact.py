"""The tour on one picture, to share: `contact.png`."""

import json
from pathlib import Path

from phosphene.core.pictures.sheets import Strip, contact
from phosphene.core.pictures.writing import png_bytes
from phosphene.faces.tour.guide import Guide, Section, Shown

SHEET = "contact.png"
MOST_IN_A_STRIP = 7  # so that each is large enough to be looked at
HERO = ("pictures/photograph.png", "pictures/dream.png")


def contact_sheet(guide: Guide) -> Shown | None:
    """The best of the tour's pictures as one; its text chunk names the files that it is made of.

    None where there is nothing to share.
    """
    hero = [shown for section in guide.sections for shown in section.pictures if shown.file in HERO]
    rest = [
        (section, [s for s in _chosen(section) if s.file not in HERO]) for section in guide.sections if section.shared
    ]
    rows = [("The photograph, and what the network dreams into it", hero)]
    rows += [(section.title, chosen) for section, chosen in rest]
    if not any(shown for _, shown in rows):
        return None
    strips = [Strip(title, [(shown.caption, shown.picture) for shown in chosen]) for title, chosen in rows]
    photo = Path(guide.photo.removeprefix("skimage:")).name
    beside = f", beside {guide.beside.name}" if guide.beside else ""
    drawing = contact(strips, f"What {guide.network.name} sees in {photo}", f"made with phosphene{beside}")
    parts = [shown.file for _, chosen in rows for shown in chosen]
    text = None if guide.anonymous else {"phosphene": json.dumps({"command": "tour", "parts": parts})}
    return Shown("the tour on one sheet", SHEET, png_bytes(drawing, text))


def _chosen(section: Section) -> list[Shown]:
    """At most so many of a section's pictures, evenly from the first to the last; pairs stay together."""
    step = 2 if section.pairs else 1
    groups = [section.pictures[i : i + step] for i in range(0, len(section.pictures), step)]
    many = MOST_IN_A_STRIP // step
    if len(groups) > many:
        groups = [groups[round(i * (len(groups) - 1) / (many - 1))] for i in range(many)]
    return [shown for group in groups for shown in group]
