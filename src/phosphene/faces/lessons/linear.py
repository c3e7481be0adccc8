"""The linear lesson: why a change that nobody sees fools a classifier, from ten numbers to pictures; `deep` goes on."""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.adversarial.linear import (
    Linear,
    Shortest,
    W,
    X,
    expected_radius,
    in_levels,
    radius_of_one_deviation,
    shortest,
    softmax_regression,
)
from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.optimization.keys import Key
from phosphene.core.pictures.colours import signed_picture
from phosphene.core.pictures.fitting import enlarge
from phosphene.core.pictures.sheets import grid
from phosphene.core.units.labelled import LabelledPictures
from phosphene.faces.lessons.drawing import falling, pictured
from phosphene.faces.tour.guide import Section

TITLE = "Why a change that nobody sees fools a classifier"
LEAD = "A lesson in six steps, from ten numbers to a deep network."

DECAY = 0.3
"""Of the linear classifier's weights: with it the ten classes of CIFAR-10 can be told by their weights."""

MOST_CLASSES, EXAMPLES = 12, 6
"""Of classes whose weights are shown, and of pictures that are attacked."""

DIMENSIONS = (10, 30, 100, 300, 1000, 3072, 10_000, 30_000, 150_528)
NAMED = {10: "the ten numbers above", 3072: "32 x 32 pixels", 150_528: "224 x 224 pixels"}
MODELS = 20
"""Random linear models of each dimension."""

DEVIATION = 0.25
"""Of the pixels of photographs, about, in [0, 1]."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """What the lesson is about.

    Attributes:
        data: pictures with their classes.
        what: the data are, in words.
        network: a deep one, to compare with; `photo` is what it is shown.
        command: the line that says so.
        decay: how smooth the linear classifier is to be.
        seed: of which pictures are kept for the test, and of the random models.
        beside: another deep one, that is looked at in the same way; None for none.
    """

    data: LabelledPictures
    what: str
    network: Network
    photo: str
    command: str
    decay: float = DECAY
    seed: int = 0
    beside: Network | None = None

    @property
    def networks(self) -> list[Network]:
        """The deep ones."""
        return [self.network, *([self.beside] if self.beside else [])]

    @cached_property
    def numbers(self) -> list[int]:
        """The classes' numbers in the data."""
        return sorted(self.data.classes)

    def name(self, index: int) -> str:
        """What a class of the linear classifier is called."""
        number = self.numbers[index]
        return self.data.classes[number].split(",")[0].strip() or f"class {number}"

    @cached_property
    def labels(self) -> Tensor:
        """From 0 on without gaps."""
        return torch.searchsorted(torch.tensor(self.numbers), self.data.labels)

    @cached_property
    def halves(self) -> tuple[Tensor, Tensor]:
        """The rows to learn from and those to test with: a quarter of each class, at least one."""
        order = Key(self.seed).uniform(torch.arange(1), len(self.data))[0].argsort()
        by_class = [order[self.labels[order] == index] for index in range(len(self.numbers))]
        test = torch.cat([rows[: max(1, len(rows) // 4)] for rows in by_class])
        train = torch.cat([rows[max(1, len(rows) // 4) :] for rows in by_class])
        return train.sort().values, test.sort().values

    def pixels(self, rows: Tensor) -> Float[Tensor, "n 3 h w"]:
        """Pictures in [0, 1]."""
        return self.data.pixels(rows.tolist())

    @cached_property
    def model(self) -> Linear:
        """The linear classifier, trained."""
        train = self.halves[0]
        return softmax_regression(self.pixels(train), self.labels[train], len(self.numbers), self.decay)

    @cached_property
    def shortest(self) -> Shortest:
        """The shortest ways of the test pictures to another class."""
        return shortest(self.model, self.pixels(self.halves[1]))

    @property
    def shape(self) -> torch.Size:
        """Of one picture."""
        return self.data.pictures.shape[1:]


def check(data: LabelledPictures) -> None:
    """Raise a Mistake unless there are at least two classes, and two pictures of each."""
    if len(data.classes) < 2:
        only = next(iter(data.classes))
        raise Mistake(f"all pictures are of class {data.classes[only] or only}; a lesson needs two classes or more")
    for number, name in data.classes.items():
        if (many := int((data.labels == number).sum())) < 2:
            raise Mistake(f"class {name or number} has {many} picture; it needs one to learn from and one to test with")


# ----------------------------------------------------------------------------------------------------------- steps


def example(lesson: Lesson) -> Section:
    """The ten numbers of a lecture."""
    x, w = torch.tensor(X).double(), torch.tensor(W).double()
    changed = x + 0.5 * w.sign()
    before, after = float(x @ w), float(changed @ w)
    p, q = torch.tensor([before, after]).sigmoid().tolist()
    section = Section(
        "Ten numbers",
        f"The score of an input x is the sum of its numbers times the weights w, and its sigmoid is the probability of "
        f"class 1: {before:g} and {p:.4f}, so it is class 0. Now every number is moved by a half in the direction of "
        f"its weight's sign. None of them moves far, but each adds a half to the score, together {after - before:g}: "
        f"now the score is {after:g} and the probability {q:.2f}.",
        "Karpathy 2015, Breaking linear classifiers on ImageNet; Goodfellow et al. 2015, arXiv:1412.6572",
    )
    section.table = [
        ["", "score", "probability", *map(str, range(1, len(X) + 1))],
        ["w", "", "", *(f"{v:g}" for v in w.tolist())],
        ["x", f"{before:g}", f"{p:.4f}", *(f"{v:g}" for v in x.tolist())],
        ["x + .5 sign(w)", f"{after:g}", f"{q:.4f}", *(f"{v:g}" for v in changed.tolist())],
    ]
    return section


def templates(lesson: Lesson) -> Section:
    """A linear classifier of pictures, and its weights as pictures."""
    (train, test), model = lesson.halves, lesson.model
    right = [
        float((model(lesson.pixels(rows)).argmax(1) == lesson.labels[rows]).double().mean()) for rows in (train, test)
    ]
    height, width = lesson.shape[1:]
    many = len(lesson.numbers)
    section = Section(
        "A linear classifier of pictures",
        f"The same with {height} x {width} pixels of three colours, and a score for each of {many} classes. The data "
        f"are {lesson.what}. The classifier learnt from {len(train)} of them a moment ago and is right on "
        f"{100 * right[0]:.1f} % of those and on {100 * right[1]:.1f} % of {len(test)} others. A class's weights have "
        "the shape of a picture, so they can be looked at: lighter than grey in a colour where more of it speaks for "
        "the class, darker where it speaks against it."
        + (f" These are the first {MOST_CLASSES} classes." if many > MOST_CLASSES else ""),
        f"softmax regression: the least mean cross-entropy + {lesson.decay:g} / 2 |W|^2, which makes weights smooth",
        pairs=True,
    )
    pictures = signed_picture(model.weight.view(-1, *lesson.shape))
    for index in range(min(len(lesson.numbers), MOST_CLASSES)):
        one = train[lesson.labels[train] == index][:1]
        section.pictures += [
            pictured(f"{lesson.name(index)}, one of the data", lesson.pixels(one)),
            pictured(
                f"its weights, from {model.weight[index].min():.3f} to {model.weight[index].max():.3f}", pictures[index]
            ),
        ]
    return section


def attack(lesson: Lesson) -> Section:
    """The smallest changes, by the closed form and by a search."""
    test, found, model = lesson.halves[1], lesson.shortest, lesson.model
    rows = _chosen(lesson)
    some = Shortest(*(getattr(found, name)[rows] for name in vars(found)))
    pictures = lesson.pixels(test[rows])
    changed, levels = in_levels(model, pictures, some)
    after = model(changed).argmax(1).tolist()
    section = Section(
        "Fooling it", _fooling_words(lesson), "Moosavi-Dezfooli et al. 2016, arXiv:1511.04599, equation 8"
    )
    section.wide = True
    section.table = [
        ["picture", "nearest class", "margin / |w|1", "in the box", "search", "pixels at the edge", "shown"]
    ]
    for i, (source, target) in enumerate(zip(some.source.tolist(), some.target.tolist(), strict=True)):
        change = signed_picture((changed[i] - pictures[i])[None], torch.tensor([2 * int(levels[i]) / 255]))
        side_by_side = torch.cat([pictures[i : i + 1], change, changed[i : i + 1]]).float()
        opaque = torch.ones_like(side_by_side[:, :1])  # between them the page is seen
        three = grid(torch.cat([side_by_side, opaque], 1), 3)
        section.pictures.append(
            pictured(
                f"{lesson.name(source)}; the change of {levels[i]}/255, made visible; what is taken for "
                f"{lesson.name(after[i])}",
                enlarge(three, max(1, 128 // lesson.shape[1])),
            )
        )
        section.table.append(
            [
                lesson.name(source), lesson.name(target), *(f"{255 * float(one[i]):.3f}/255" for one in
                (some.free, some.boxed, some.searched)), f"{100 * float(some.at_edge[i]):.0f} %", f"{levels[i]}/255",
            ]
        )  # fmt: skip
    return section


def _chosen(lesson: Lesson) -> list[int]:
    """A test picture of each of some classes: of those that the classifier is right about, if there are any, the one
    whose distance is the median."""
    truth, found = lesson.labels[lesson.halves[1]], lesson.shortest
    right = truth == found.source
    rows = right.nonzero()[:, 0] if right.any() else torch.arange(len(truth))
    rows = rows[found.boxed[rows].argsort(stable=True)]
    each = [rows[truth[rows] == index] for index in truth[rows].unique().tolist()]
    step = max(1, len(each) / EXAMPLES)
    some = [each[int(i * step)] for i in range(min(EXAMPLES, len(each)))]
    return [int(one[len(one) // 2]) for one in some]


def _fooling_words(lesson: Lesson) -> str:
    found = lesson.shortest
    free, boxed = (255 * float(one.median()) for one in (found.free, found.boxed))
    apart = 255 * float((found.searched - found.boxed).nan_to_num(posinf=0, nan=0).abs().max())
    bound = float((found.at_edge > 0).double().mean())
    return (
        "The least change of any pixel that leads from a class s to a class t moves all of them by the same eps along "
        "sign(w_t - w_s). The margin between the two scores falls by eps |w_t - w_s|_1, so eps is margin / "
        f"|w_t - w_s|_1: in the median of {len(found.free)} test pictures {free:.2f} of 255 levels. Where a pixel "
        f"meets 0 or 1 the others have to go farther, as in {100 * bound:.0f} % of these pictures, and the median in "
        f"the box is {boxed:.2f} levels. A search that looks only at what the classifier says agrees to {apart:.0e} of "
        "a level."
    )


def dimension(lesson: Lesson) -> Section:
    """Why many dimensions make it easy."""
    measured = {d: radius_of_one_deviation(d, MODELS, Key(lesson.seed)) for d in DIMENSIONS}
    last = float(measured[DIMENSIONS[-1]].mean())
    section = Section(
        "Why many dimensions make it easy",
        "A score of d independent numbers of deviation 1 has the deviation |w|_2, which grows like the root of d, as "
        "most terms cancel; a step of eps along sign(w) moves it by eps |w|_1, which grows like d, as none do. So the "
        "step that moves the score by a whole deviation is |w|_2 / |w|_1, for random weights about sqrt(pi / (2 d)). "
        f"Ten numbers have to move a lot; of 224 x 224 pixels, whose deviation is about {DEVIATION:g}, each moves by "
        f"{255 * DEVIATION * last:.2f} of 255 levels.",
        f"{MODELS} random models of each dimension, w ~ N(0, 1)",
    )
    section.pictures = [
        pictured("the step that moves the score by one deviation; both axes are logarithmic", falling(measured))
    ]
    section.table = [["numbers", "", "measured", "sqrt(pi / 2d)", f"levels, pixels of deviation {DEVIATION:g}"]]
    section.table += [
        [
            f"{d:,}", NAMED.get(d, ""), f"{float(measured[d].mean()):.4f}", f"{expected_radius(d):.4f}",
            f"{255 * DEVIATION * float(measured[d].mean()):.2f}/255",
        ]
        for d in DIMENSIONS
    ]  # fmt: skip
    return section
