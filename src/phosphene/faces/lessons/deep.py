"""What the linear lesson says of deep networks: the form of a step that fools, and how linear they are."""

import torch
from jaxtyping import Float
from torch import Tensor

from phosphene.adversarial.linearity import TOLERANCE, Walk, fooled_by_a_step, walk
from phosphene.core.networks.network import Network
from phosphene.core.networks.preprocessing import shown
from phosphene.core.units.inputs import feed
from phosphene.core.units.labels import label
from phosphene.faces.lessons.drawing import lines, pictured
from phosphene.faces.lessons.linear import Lesson
from phosphene.faces.tour.guide import Section

LEVELS = (1, 2, 4, 8)
"""Radii of one step, of 255."""

SPOKEN = 2
"""Which of them the sentences speak of."""

FEW = 64
"""Pictures that a deep network is shown."""

FORMS = ("its sign", "itself, as long in l2", "itself, same largest change")


def one_step(lesson: Lesson) -> Section:
    """The fast gradient sign beside steps along the gradient itself that are as large."""
    test = lesson.halves[1]
    few = test[torch.linspace(0, len(test) - 1, min(FEW, len(test))).round().long()]
    radii = [level / 255 for level in LEVELS]
    found = [("the linear classifier", len(test), fooled_by_a_step(lesson.model, lesson.pixels(test), radii))]
    for network in lesson.networks:
        if network.head.has_probabilities:  # plain numbers are no class to be fooled about
            fed = torch.cat([feed(network, picture) for picture in lesson.pixels(few).split(1)])
            found.append((network.name, len(few), fooled_by_a_step(network.planned("reading"), fed, radii)))
    section = Section(
        "The sign, or the gradient itself?",
        "The fast gradient sign method takes one step of eps along the sign of the loss's gradient g. One often hears "
        "that this works slightly better than g itself. That depends on what counts as the same size. A step along g "
        "whose largest change is eps, too, moves nearly all pixels by less than that; one of the same l2 length, the "
        "root of all squared changes, moves some by more. Of a linear score no change of the same largest value does "
        f"more than the sign, and none of the same length more than g. {_measured(found[0])} Whatever a classifier "
        "says of a picture without any change counts as right here, and a deep network sees pictures enlarged to its "
        "input.",
        "Goodfellow et al. 2015, arXiv:1412.6572, section 4; Miyato et al. 2017, arXiv:1605.07725, for the l2 form",
    )
    section.table = [["fooled, % of pictures", "pictures", "a step along g", *(f"{level}/255" for level in LEVELS)]]
    for name, many, shares in found:
        for form, row in zip(FORMS, shares.tolist(), strict=True):
            section.table.append([name, str(many), form, *("-" if p != p else f"{100 * p:.1f}" for p in row)])
    return section


def _measured(found: tuple[str, int, Float[Tensor, "3 radii"]]) -> str:
    """What came out for the first of those that were fooled, in a sentence."""
    name, many, shares = found
    sign, long, peak = (100 * float(one) for one in shares[:, LEVELS.index(SPOKEN)])
    return (
        f"So it was measured: at {SPOKEN}/255 the sign fools {name} with {sign:.1f} % of {many} pictures, g of the "
        f"same largest change with {peak:.1f} %, and g of the same length with {long:.1f} %."
    )


def linearity(lesson: Lesson) -> Section:
    """How linear a deep network is."""
    walks = [(network, feed(network, lesson.photo)) for network in lesson.networks]
    seen = [walk(network, fed) for network, fed in walks]
    names = [[label(network, index) for index in one.classes] for (network, _), one in zip(walks, seen, strict=True)]
    section = Section(
        "How linear is a deep network?",
        f"Solid lines are scores of {lesson.network.name}, all pixels of the photograph moved by eps along the sign of "
        "the gradient; dashed ones are their tangents, which a linear network would follow. Here "
        f"{_straightness(names[0][0], seen[0])} So near a photograph the argument of the linear classifier holds; "
        "farther away the lines bend, and many small steps find more than one large one."
        + "".join(_of_another(*both) for both in zip(lesson.networks[1:], names[1:], seen[1:], strict=True)),
        "Goodfellow et al. 2015, arXiv:1412.6572, figure 4",
        [lesson.command],
    )
    network, fed = walks[0]
    section.pictures.append(pictured(f"what the network is fed: {names[0][0]}", shown(network, fed.float().cpu())))
    for network, own, one in zip(lesson.networks, names, seen, strict=True):
        caption = "scores along the sign of the gradient (to the right: away from the class); dashed: tangents"
        section.pictures.append(pictured(f"{network.name}: {caption}", lines(one, own)))
    return section


def _straightness(name: str, seen: Walk) -> str:
    """How far the score of the first class follows its tangent, in a sentence."""
    ahead, back = (255 * seen.near(way) for way in (True, False))
    return (
        f"the score of {name} stays within {100 * TOLERANCE:.0f} % of its tangent's change for {ahead:.2g}/255 ahead "
        f"and {back:.2g}/255 back, and a straight line explains {100 * seen.explained:.0f} % of it from -16/255 to "
        "16/255."
    )


def _of_another(network: Network, names: list[str], seen: Walk) -> str:
    """The same of the network beside it."""
    return f" Beside it {network.name}, along its own gradient: {_straightness(names[0], seen)}"
