"""What people bring: about two hundred small networks, each asked in ten ways, right or refused in one sentence.

What is right is what plain PyTorch says (`plain.py`). Afterwards every network is, bit by bit, what it was.
"""

import re
import warnings
from functools import cache

import numpy as np
import pytest
import torch

import phosphene
from phosphene.attribution.maps import found as maps_of
from phosphene.attribution.question import question
from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from tests.small import levels
from tests.zoo.behaviours import BEHAVIOURS
from tests.zoo.case import Case, stirred
from tests.zoo.inputs import INPUTS
from tests.zoo.layers import LAYERS
from tests.zoo.outputs import OUTPUTS
from tests.zoo.plain import Plain, unchanged

CASES = {case.name: case for case in [*INPUTS, *OUTPUTS, *LAYERS, *BEHAVIOURS]}
WINDOW, STEPS, RADIUS = 8, 4, 8 / 255


def opened(case: Case, dtype=torch.float32):
    """The model and the network, as a user makes them."""
    torch.manual_seed(0)
    model = stirred(case.build())
    model = model.double() if dtype == torch.float64 else model
    if case.training:
        model.train()
    return model, lambda: Network(model, **case.facts, **({} if case.size is None else {"size": case.size}))


@cache
def brought(name: str, dtype=torch.float32):
    """A network of the zoo, once; or the sentence with which it is refused at once."""
    model, network = opened(CASES[name], dtype)
    with unchanged(model):
        try:
            return model, network()
        except Mistake as mistake:
            return model, mistake


@cache
def twin(name: str, dtype=torch.float32) -> Plain:
    """The same in plain PyTorch."""
    return Plain(CASES[name], dtype)


def picture(case: Case, dtype=torch.float32):
    """A random picture of 8-bit values: as it is given, and as numbers in [0, 1]."""
    whole = (255 * levels(1, case.channels, *case.shape)).round()
    given = whole[0].permute(1, 2, 0).byte().numpy() if case.channels == 3 else whole / 255
    return given, whole.to(dtype) / 255


def near(found, expected, within: float, largest=None) -> None:
    """Fail unless two results differ by less than a part of the largest expected number.

    What is not finite in plain PyTorch must not have come out at all.
    """
    found = found.detach() if isinstance(found, torch.Tensor) else torch.from_numpy(np.asarray(found))
    found, expected = found.double(), expected.detach().double()
    assert expected.isfinite().all(), "plain PyTorch says what is not finite, and this was not refused"
    assert found.shape == expected.shape
    scale = float(expected.abs().max() if largest is None else largest)
    apart = float((found - expected).abs().max())
    assert apart <= within * scale, f"{apart / (scale or 1):.2g} of the largest number apart"


def map_is(result, expected, within: float, largest=None) -> None:
    """The same of a map, which says so where it is zero everywhere."""
    near(result.values, expected, within, largest)
    if not expected.any():
        assert result.numbers[0]["nothing"]


# ---------------------------------------------------------------------------------------------------- the ten ways


def options(case: Case):
    """What is asked: one class; of probabilities the logarithm."""
    return {"target": case.target} | ({"score": "log-p"} if case.head == "probabilities" else {})


def predict(case, network, plain, photo, x):
    top = phosphene.predict(network, photo).numbers[0]["top"]
    numbers = plain.numbers(x).detach()
    if case.head == "numbers":
        return near([one["logit"] for one in sorted(top, key=lambda one: one["class"])], numbers[0], case.near)
    p = plain.log_p(numbers).exp()[0]
    assert p.isfinite().all(), "plain PyTorch says what is not finite, and this was not refused"
    assert len(top) == min(5, len(p))
    assert [one["p"] for one in top] == sorted((one["p"] for one in top), reverse=True)
    near([one["p"] for one in top], p[[one["class"] for one in top]], case.near)
    return None


def gradient(case, network, plain, photo, x):
    result = phosphene.gradient(network, photo, **options(case))
    map_is(result, plain.gradient(x), case.near)
    near(result.numbers[0]["value"], plain.score(x)[0], case.near)


def guided(case, network, plain, photo, x):
    expected, many = plain.guided(x)
    if not many:
        with pytest.raises(Mistake, match="rectifier"):
            phosphene.guided(network, photo, **options(case))
        return
    map_is(phosphene.guided(network, photo, **options(case)), expected, case.near)


def grad_cam(case, network, plain, photo, x):
    if case.layer is None:
        with pytest.raises(Mistake, match="places"):
            phosphene.grad_cam(network, photo, layer="logits", **options(case))
        return
    map_is(phosphene.grad_cam(network, photo, layer=case.layer, **options(case)), plain.grad_cam(x), case.near)


def integrated(case, network, plain, photo, x):
    result = phosphene.integrated(network, photo, steps=STEPS, **options(case)).result
    map_is(result, plain.integrated(x, STEPS), case.near)


def occlusion(case, network, plain, photo, x):
    result = phosphene.occlusion(network, photo, window=WINDOW, stride=WINDOW, **options(case)).result
    expected = plain.occlusion(x, WINDOW, WINDOW)
    score = float(plain.score(x).abs().max())  # the difference of two scores is as exact as they are
    map_is(result, expected, case.near, max(float(expected.abs().max()), score if case.near > 1e-3 else 0.1 * score))


def lrp(case, network, plain, photo, x):
    result = phosphene.lrp(network, photo, composite="epsilon", epsilon=0.0, **options(case))
    facts = result.numbers[0]
    near(facts["value"], plain.score(x)[0], case.near)
    assert facts["relevance"] == pytest.approx(float(result.values.sum()), rel=1e-3, abs=1e-6)
    assert facts["relevance"] + facts["lost"] == pytest.approx(facts["value"])
    assert np.isfinite(result.values).all()
    if case.rectified and case.head != "probabilities":
        # means are stabilized by 1e-6, which is not little beside the means of these small networks
        near(result.values.sum(1), plain.input_times_gradient(x), max(0.03, case.near))


def visualize(case, network, plain, photo, x):
    unit = f"{case.layer or 'logits'}:0"
    for preset in ("plain", "default"):
        result = phosphene.visualize(network, [unit], preset=preset, steps=2, size=case.shape[0]).result
        shown = result.image
        assert shown.shape[:2] == (1, case.channels) and shown.min() >= 0 and shown.max() <= 1
        if case.layer is not None and tuple(shown.shape[2:]) == case.shape:
            near(result.numbers[0]["value"], torch.tensor(plain.channel(shown)), case.near, largest=1)


def invert(case, network, plain, photo, x):
    layer = case.layer or "logits"
    result = phosphene.invert(network, photo, layer=layer, steps=2).result
    assert result.image.min() >= 0 and result.image.max() <= 1
    if case.layer is not None:
        near(result.numbers[0]["error"], torch.tensor(plain.code_distance(result.image, x.float())), 10 * case.near)


def pgd(case, network, plain, photo, x):
    label = plain.decided(x)
    target = {"target": f"{label} up"} if case.head == "numbers" else {}
    result = phosphene.pgd(network, photo, eps=RADIUS, step_size=RADIUS, steps=1, random_start=False, **target).result
    moved, sure = plain.sign_step(x, RADIUS, label)
    expected = moved if plain.attacked(moved, label) > plain.attacked(x, label) else x
    made = x + torch.from_numpy(result.values).to(x)  # of many channels the image is three
    assert ((made - expected).abs() < 0.5 / 255)[sure].all()
    if case.channels == 3:
        assert (result.image - made).abs().max() < 1e-5
    assert result.numbers[0]["before"][0]["class"] == label
    numbers, top = plain.numbers(made).detach(), result.numbers[0]["after"]
    after = numbers if case.head == "numbers" else plain.log_p(numbers).exp()
    said = [one["logit" if case.head == "numbers" else "p"] for one in top]
    near(said, after[0][[one["class"] for one in top]], 10 * case.near)


RECIPES = {
    one.__name__: one
    for one in (predict, gradient, guided, grad_cam, integrated, occlusion, lrp, visualize, invert, pgd)
}


def asked(case: Case, recipe: str) -> None:
    """Ask, where there is no number to compare with."""
    _, network = brought(case.name)
    if isinstance(network, Mistake):
        raise network
    photo, _ = picture(case)
    further = {
        "visualize": {"units": [f"{case.layer or 'logits'}:0"], "steps": 1, "size": case.shape[0]},
        "integrated": {"steps": 2}, "occlusion": {"window": WINDOW, "stride": WINDOW}, "invert": {"steps": 1},
        "pgd": {"steps": 1}, "grad_cam": {"layer": case.layer},
    }.get(recipe, {})  # fmt: skip
    photos = () if recipe == "visualize" else (photo,)
    result = getattr(phosphene, recipe)(network, *photos, **further).result
    assert result.image.isfinite().all()


def is_one_sentence(mistake: Mistake) -> None:
    said = str(mistake)
    assert said and "\n" not in said and len(said) < 500, said
    assert not re.search(r"Traceback|autograd\.grad|does not require grad|allow_unused", said), said


def zoo():
    """Every network in every way; marked as slow but for its gradient and, where that says less, what it sees."""
    for case in CASES.values():
        plainly = case.head == "softmax" and case.refusal("gradient") is None
        fast = ("gradient",) if plainly else ("predict", "gradient")
        for recipe in RECIPES:
            yield pytest.param(
                case, recipe, id=f"{case.name}-{recipe}", marks=() if recipe in fast else (pytest.mark.slow,)
            )


@pytest.mark.slow
@pytest.mark.parametrize(("case", "recipe"), list(zoo()))
def test_it_is_right_or_refused_in_one_sentence_and_the_model_comes_back_as_it_was(case, recipe):
    refusal = case.refusal(recipe)
    model, network = brought(case.name)
    with unchanged(model), warnings.catch_warnings(action="ignore"):
        if refusal is not None:
            with pytest.raises(Mistake, match=re.compile(refusal, re.IGNORECASE)) as raised:
                asked(case, recipe)
            return is_one_sentence(raised.value)
        try:
            if isinstance(network, Mistake):
                raise network
            if case.random or case.head == "unknown":
                return asked(case, recipe)
            return RECIPES[recipe](case, network, twin(case.name), *picture(case))
        except Mistake as mistake:
            is_one_sentence(mistake)
            if not (case.random or {recipe, "*"} & set(case.may)):
                raise
    return None


EXACT = {
    "gradient": (phosphene.gradient, {}, lambda plain, x: plain.gradient(x)),
    "guided": (phosphene.guided, {}, lambda plain, x: plain.guided(x)[0]),
    "integrated": (phosphene.integrated, {"steps": STEPS}, lambda plain, x: plain.integrated(x, STEPS)),
    "occlusion": (phosphene.occlusion, {"window": WINDOW, "stride": WINDOW},
                  lambda plain, x: plain.occlusion(x, WINDOW, WINDOW)),
}  # fmt: skip
"""Recipes, their options, and what is right: of these, a layer is named by nobody."""


def in_float64():
    """Every network that there is in float64 and that is right in this way."""
    for case in CASES.values():
        for recipe in EXACT:
            sure = case.refusal(recipe) is None and not {recipe, "*"} & set(case.may)
            if sure and case.double and not case.random and case.head != "unknown":
                yield pytest.param(case, recipe, id=f"{case.name}-{recipe}")


@pytest.mark.slow
@pytest.mark.parametrize(("case", "recipe"), list(in_float64()))
def test_in_float64_it_is_right_to_nine_digits(case, recipe):
    explainer, further, right = EXACT[recipe]
    model, network = brought(case.name, torch.float64)
    _, x = picture(case, torch.float64)
    plain = twin(case.name, torch.float64)
    with unchanged(model), warnings.catch_warnings(action="ignore"):
        if recipe == "guided" and not plain.guided(x)[1]:
            return
        asked = question(network.planned(explainer.about.purpose), x, **options(case))
        values = maps_of(explainer.method, asked, x, **further).values
        near(values, right(plain, x), 1e-9, None if recipe != "occlusion" else plain.score(x).abs().max())
