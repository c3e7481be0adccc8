"""What units look for: the same pictures as a loop by hand, row by row, and they excite their units."""

import pytest
import torch

import phosphene
from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.optimization.ascent import Ascent
from phosphene.core.optimization.constraints import box
from phosphene.core.optimization.engine import argmin
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.objectives import gradient
from phosphene.core.optimization.optimizers import sign
from phosphene.core.optimization.parameterizations import Fourier, Pixels
from phosphene.core.optimization.priors import total_variation
from phosphene.core.optimization.settings import Settings
from phosphene.core.optimization.terms import channel
from phosphene.core.optimization.transforms import roll
from phosphene.core.units.spelling import parse_units
from phosphene.features import visualize
from phosphene.features.visualize import parts_of
from phosphene.models.torchvision import import_torchvision
from tests.small import convnet


def by_hand(network, unit, size, steps, rate):
    """Adam on Fourier coefficients, the network run whole, the activation read by a hook of its own."""
    layer, index = unit
    image = Fourier([index], (size, size), seed=0, dtype=torch.float64)
    (theta,) = image.parameters
    adam, kept = torch.optim.Adam([theta], rate), []
    hook = network.model.get_submodule(layer).register_forward_hook(lambda m, i, o: kept.append(o))
    for _ in range(steps):
        adam.zero_grad()
        network.model((image() - 0.5) / 0.2)
        (-kept.pop()[0, index].mean()).backward()
        adam.step()
    picture = image().detach()
    network.model((picture - 0.5) / 0.2)
    hook.remove()
    return picture, kept.pop()[0, index].mean().item()


def test_without_transforms_it_is_adam_on_fourier_coefficients():
    run = visualize(convnet(), ["conv2:3"], size=20, steps=5, robustness="none")
    picture, value = by_hand(convnet(), ("conv2", 3), 20, 5, 0.05)
    torch.testing.assert_close(run.image, picture.float(), rtol=0, atol=1e-7)
    assert run.numbers[0]["value"] == pytest.approx(value, rel=1e-9)


UNITS = [
    "conv3:4",
    "conv1:0",
    "conv2:1 - 0.5*logits:0",
    "conv1:2",
    "logits:zebra",
    "conv2:1@2,3",
    "conv2",
    "conv2:1",
    "conv3:v=[1,-2,0.5,0,3]",
    "2*conv2:3 + logits:1",
    "logits:0",
    "conv3:w=[1,1,1,1,1]^2",
    "conv3:u=[0,0,1,0,0]",
]


@pytest.mark.parametrize("robustness", ["strong", "lucid", "none"])
def test_every_row_of_mixed_units_equals_its_single_run(robustness):
    network, options = convnet(), {"size": 24, "steps": 4, "robustness": robustness}
    pictures = list(visualize(network, UNITS, **options))[-1].pictures
    for row, unit in enumerate(UNITS):
        alone = list(visualize(network, [unit], **options))[-1].pictures
        torch.testing.assert_close(pictures[row], alone[0], rtol=0, atol=1e-9)


def test_every_row_of_tokens_and_heads_equals_its_single_run():
    facts = {"image_size": 24, "patch_size": 8, "num_layers": 1, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 4}
    network = Network(import_torchvision().models.VisionTransformer(**facts).double(), size=24)
    block = "encoder.layers.encoder_layer_0"
    head = f"{block}.self_attention.scaled_dot_product_attention"
    units = [
        f"{block}:3",
        f"{block}:1@class",
        f"{head}:1@2,0",
        f"{block}:2@1,2 - {head}:0",
        f"{block}:1@9",
        f"{head}:0@3",
    ]
    pictures = list(visualize(network, units, steps=3))[-1].pictures
    for row, unit in enumerate(units):
        alone = list(visualize(network, [unit], steps=3))[-1].pictures
        torch.testing.assert_close(pictures[row], alone[0], rtol=0, atol=1e-9)


def test_small_chunks_make_the_same_pictures():
    network, options = convnet(), {"size": 24, "steps": 3}
    torch.testing.assert_close(
        visualize(network, UNITS, batch=2, **options).image, visualize(network, UNITS, **options).image,
        rtol=0, atol=1e-6,
    )  # fmt: skip


def test_pictures_come_in_the_order_of_the_units():
    run = visualize(convnet(), UNITS, size=16, steps=1)
    said = [
        "conv3:4",
        "conv1:0",
        "conv2:1 - 0.5*logits:0",
        "conv1:2",
        "logits:1",
        "conv2:1@2,3",
        "conv2",
        "conv2:1",
        "conv3:v",
        "2*conv2:3 + logits:1",
        "logits:0",
        "conv3:w^2",
        "conv3:u",
    ]
    assert [numbers["unit"] for numbers in run.numbers] == said
    assert list(run.names) == list(run.result.names)
    assert run.names[:4] == ["conv3-4", "conv1-0", "conv2-1-0.5_logits-0", "conv1-2"]
    assert run.image.shape == (13, 3, 16, 16)


def test_the_reported_values_are_those_of_the_units_in_their_order():
    network = convnet()
    run = visualize(network, UNITS, size=16, steps=1, robustness="none")
    y = network.read(list(run)[-1].pictures, ["conv2", "conv3", "logits"])
    conv2, logits = y["conv2"].mean((2, 3)), y["logits"]
    found = {numbers["unit"]: numbers["value"] for numbers in run.numbers}
    assert found["conv2:1 - 0.5*logits:0"] == pytest.approx(float(conv2[2, 1] - 0.5 * logits[2, 0]), abs=1e-12)
    assert found["conv2"] == pytest.approx(float(y["conv2"][6].square().mean() / 2), abs=1e-12)
    assert found["2*conv2:3 + logits:1"] == pytest.approx(float(2 * conv2[9, 3] + logits[9, 1]), abs=1e-12)
    assert found["logits:0"] == pytest.approx(float(logits[10, 0]), abs=1e-12)


def test_a_range_is_all_of_its_units_and_none_twice():
    assert [n["unit"] for n in visualize(convnet(), ["conv1:2-4", "conv1:3"], size=16, steps=0).numbers] == [
        "conv1:2", "conv1:3", "conv1:4",
    ]  # fmt: skip


def test_a_neuron_moves_what_it_sees_and_nothing_else():
    network = convnet()
    evaluate = Ascent().objective(network, parts_of(parse_units(network, "conv2:1@2,3"), 1.0, "logit"))
    x = torch.rand(1, 3, 16, 16, dtype=torch.float64)
    slope = evaluate(x, torch.zeros(1, dtype=torch.long), Key(step=0)).gradients
    seen = slope.abs().sum((0, 1)) > 0
    expected = torch.zeros(16, 16, dtype=torch.bool)
    expected[2:7, 4:9] = True  # conv2: 5 x 5 px, every 2 px, from -2 on
    assert (seen <= expected).all()
    assert seen.sum() > 12


@pytest.mark.slow
def test_a_units_picture_excites_it_more_and_a_negative_one_less():
    network = phosphene.load(precision="float32")
    for negative in (False, True):
        run = visualize(network, ["mixed4a:3"], size=48, steps=24, negative=negative, robustness="none")
        first, *_, last = [step.values.item() for step in run]
        assert last < first  # what is descended
        start, end = (first, last) if negative else (-first, -last)
        assert run.numbers[0]["value"] == pytest.approx(end, rel=1e-5)
        assert (end < start) if negative else (end > 2 * start)


def test_the_reported_value_is_the_units_activation_on_the_picture():
    network = phosphene.load()
    run = visualize(network, ["mixed4a:3"], size=48, steps=3, robustness="none")
    read = network.read(run.image, ["mixed4a"])["mixed4a"][0, 3].mean().item()
    assert run.numbers[0]["value"] == pytest.approx(read, rel=1e-4)


def test_a_class_can_be_asked_for_by_its_probability():
    run = visualize(convnet(), ["logits:zebra"], size=16, steps=2, score="p", robustness="none")
    assert 0 < run.numbers[0]["value"] < 1


def test_another_seed_is_another_picture_and_the_same_seed_the_same():
    one, two, three = (visualize(convnet(), ["conv1:0"], size=16, steps=2, seed=s).image for s in (1, 2, 1))
    assert torch.equal(one, three)
    assert not torch.equal(one, two)


@pytest.mark.parametrize(
    ("units", "said"),
    [
        (["conv9:0"], "no layer 'conv9'; did you mean 'conv1'"),
        (["conv1:6"], "conv1 has channels 0 to 5, not 6"),
        (["conv1:0-99"], "conv1 has channels 0 to 5, not 99"),
        (["conv1:4-2"], "goes backwards"),
        (["zebra"], "no layer 'zebra'; for the class write logits:zebra"),
        (["conv1:"], "names no unit"),
        (["conv1:x"], "'x' is not a unit of conv1"),
        (["conv1:0@99,0"], "rows 0 to 15"),
        (["conv1:-1"], "is not a unit of conv1"),
        (["logits:crane"], r"2 .*lass.*3 "),
        (["logits:cat"], "did you mean 'tabby cat'"),
        (["logits:4"], "classes 0 to 3, not 4|channels 0 to 3, not 4"),
        (["fc:0@0,0"], "no rows and columns"),
        ([], "no unit was given"),
    ],
)
def test_a_unit_that_is_not_there_is_answered_with_what_is(units, said):
    with pytest.raises(Mistake, match=said):
        visualize(convnet(), units)


def test_a_position_that_a_small_picture_does_not_have_is_a_mistake():
    with pytest.raises(Mistake, match="conv1 has only 8 rows and 8 columns on pictures of this size"):
        visualize(convnet(), ["conv1:0@2,2", "conv1:0@15,15"], size=8, robustness="none").save("never.png")


@pytest.mark.parametrize(
    "options", [{"decay": 1e30}, {"size": 0}, {"size": -3}, {"steps": -1}, {"batch": 0}, {"size": 10**6}]
)
def test_impossible_numbers_are_mistakes(options):
    with pytest.raises(Mistake, match=next(iter(options))):
        list(visualize(convnet(), ["conv1:0"], **options))


@pytest.mark.slow
def test_inception_mixed4a_476_becomes_a_picture_that_excites_it(data):
    network = phosphene.load(f"{data}/models/inception5h.py:build")
    run = visualize(network, ["mixed4a:476"], steps=32, size=128, robustness="none")
    first, *_, last = [-step.values.item() for step in run]
    assert last > 10 * abs(first)
    others = network.read(run.image, ["mixed4a"])["mixed4a"][0].mean((1, 2))
    assert others.argmax() == 476


# ------------------------------------------------------------------------------------------- nouns instead of words


def test_in_python_a_prior_a_transform_an_optimizer_and_a_parameterization_of_ones_own_are_used():
    network, side = convnet(), 16
    mine = {
        "prior": 0.5 * total_variation(2), "transform": roll(4), "optimizer": sign(0.02),
        "parameterization": lambda problems, size, *, seed, start, dtype, device: Pixels(
            torch.full((len(problems), 3, *size), 0.4, dtype=dtype)
        ),
        "constraint": box(0.3, 0.6),
    }  # fmt: skip
    run = visualize(network, "conv3:2", size=side, steps=3, seed=5, **mine)
    term, unit = total_variation(2), parse_units(network, "conv3:2")[0]

    def objective(pictures, rows, key):
        return gradient(network, -channel("conv3", [2]) + 0.5 * term, roll(4))(pictures, rows, key.child(0))

    start = torch.full((1, 3, side, side), 0.4, dtype=torch.float64)
    *_, expected = argmin(
        Pixels(start), objective, optimizer=sign(0.02), constraint=box(0.3, 0.6), steps=3, key=Key(5, [unit.key])
    )
    torch.testing.assert_close(run.image, expected.pictures.float())
    for name in mine:
        assert "given in Python" in run.result.recipe["arguments"][name]
    assert run.result.recipe["arguments"]["steps"] == 3


def test_a_preset_may_be_settings_of_ones_own():
    one = visualize(convnet(), "conv3:2", size=16, preset=Settings(steps=2, decay=0.5)).image
    other = visualize(convnet(), "conv3:2", size=16, steps=2, decay=0.5, robustness="none").image
    assert torch.equal(one, other)
