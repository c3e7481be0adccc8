"""What the README and its kin print: commands, blocks of Python, links; and stand-ins for what readers bring."""

import contextlib
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.torch import save_file
from skimage import data

from phosphene.core.pictures.film import write_film

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
PAGES += tuple(sorted((ROOT / "src").rglob("*.md")))

VALUES = {"PHOTO": "cat.jpg", "SPEC": "embedded:photo", "NAME": "gradient", "captum:NAME": "captum:Saliency"}
"""What stands for the words in capitals of a line that tells how a command is used."""

NOT_TYPED = {
    "make": "it installs, and runs these tests; continuous integration does it",
    "pip": "it installs",
    ".venv/bin/pip": "it installs",
    "PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu": "it installs",
    ".venv/bin/python": "it measures or trains for minutes to hours",
    "python": "it measures or trains for minutes to hours",
}
"""The first words of lines that no test types, and why."""

SAMPLES = ("astronaut", "brick", "camera", "coffee", "coins", "grass", "gravel", "hubble_deep_field", "moon", "rocket")


@dataclass(frozen=True)
class Block:
    """A fenced or indented block of a page: its language, if it says one, its text, and where it is."""

    language: str
    text: str
    where: str


def blocks(page: Path) -> list[Block]:
    """Those of a page, in order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in re.finditer(r"^```(\w*)\n((?:.*\n)*?)```$|\n\n((?:    .*\n)+)", text, re.MULTILINE):
        where = f"{page.name}:{text[: match.start()].count(chr(10)) + 1}"
        body = match[2] if match[3] is None else re.sub(r"^    ", "", match[3], flags=re.MULTILINE)
        found.append(Block(match[1] or "", body, where))
    return found


def sentences(page: Path) -> str:
    """A page without its blocks, with the bars within tables' cells as bars."""
    text = re.sub(r"^```\w*\n(?:.*\n)*?```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return text.replace("\\|", "|")


def spans(page: Path) -> list[str]:
    """What stands in `code` in a page's sentences and tables."""
    return [" ".join(one.split()) for one in re.findall(r"`([^`]+)`", sentences(page))]


def lines(page: Path) -> list[str]:
    """What a page has its reader type into a shell, in order: the lines of its blocks and of its table of commands."""
    shells = "\n".join(block.text for block in blocks(page) if not block.language)
    rows = re.findall(r"^\| `(phosphene .*?)` \|", sentences(page), re.MULTILINE)
    return [line for line in (one.partition("  #")[0].strip() for one in shells.splitlines()) if line] + rows


def commands(page: Path) -> list[str]:
    """Those, and the commands that its sentences mention."""
    first = {*NOT_TYPED, "phosphene"}
    return list(dict.fromkeys([*lines(page), *(one for one in spans(page) if " " in one and one.split()[0] in first)]))


def is_usage(command: str) -> bool:
    """Whether a line tells how a command is used, with words in capitals for what is given."""
    return any(word.strip("[]") in VALUES for word in command.split())


def typed(command: str) -> list[list[str]]:
    """The words after `phosphene` that a reader types: without what stands in brackets, and with it."""
    plain = re.sub(r"\[(.*?)\]", "", command)
    whole = command.replace("[", "").replace("]", "")
    return [
        [VALUES.get(word, word) for word in shlex.split(line)[1:]] for line in dict.fromkeys([plain.strip(), whole])
    ]


def links(page: Path) -> list[str]:
    """The files that a page shows or refers to, relative to it."""
    found = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    return [link.partition("#")[0] for link in found if "://" not in link and not link.startswith("#")]


def reader(folder: Path) -> None:
    """Put into a folder what a reader has there: a photograph, others, a film, the files of Python that pages print,
    and what three of these make: the weights of mynet.py, and the pictures of parts.py and faces.py."""
    Image.fromarray(data.chelsea()).resize((150, 100)).save(folder / "cat.jpg")
    (folder / "photos").mkdir()
    for name in SAMPLES:
        Image.fromarray(getattr(data, name)()).convert("RGB").resize((72, 72)).save(folder / "photos" / f"{name}.png")
    for name, sample in (("tabby", "chelsea"), ("goldfish", "coffee")):
        (folder / "labelled" / name).mkdir(parents=True)
        for i in range(8):
            part = Image.fromarray(getattr(data, sample)()).crop((10 * i, 5 * i, 10 * i + 200, 5 * i + 200))
            part.resize((64, 64)).save(folder / "labelled" / name / f"{i}.png")
    frames = [np.asarray(Image.fromarray(data.chelsea()).resize((72, 48)).rotate(3 * i)) for i in range(4)]
    write_film(folder / "film.mp4", lambda: frames, [i / 10 for i in range(5)])
    written = {}
    for block in [block for page in PAGES for block in blocks(page)]:
        if named := re.match(r"# (\w+\.py)\n", block.text):
            written[named[1]] = block.text
            (folder / named[1]).write_text(block.text)
    made: dict = {}
    exec(written["mynet.py"], made)
    save_file(made["build"]()[0].state_dict(), folder / "mynet.safetensors")
    with contextlib.chdir(folder):
        exec(written["parts.py"], {})
        exec(written["faces.py"], {})
