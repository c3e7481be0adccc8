"""The training of a style network: what it makes small, that it learns, goes on from anywhere, and borrows."""

import copy
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from phosphene.core.errors import Mistake
from phosphene.core.optimization.training.pictures import Examples
from phosphene.style.style_net import Shape
from phosphene.style.training import Course, Look, StyleTraining, smaller, variation
from tests.small import convnet, levels, noise

COURSE = Course((16,) * 3, crops=(14, 16), content_weight=0.5, peak=0.02, batch=4, decay=0.5)
SHAPE = Shape(8, 1)


def examples(many, seed=0, side=16):
    rough = levels(many, 3, 5, 5, seed=seed)
    whole = F.interpolate(rough, (side, side), mode="bicubic").clamp(0, 1)
    return Examples((whole * 255).round().byte(), torch.zeros(many).long())


def style(size=24, seed=3):
    """Stripes: nothing of it is in the pictures."""
    ramp = (torch.arange(size) // 3 % 2).float()
    return torch.stack([ramp.expand(size, size), 1 - ramp.expand(size, size), noise(size, size, seed=seed).float()])[
        None
    ]


def look(network=None, layers=("conv1", "conv2"), styles=None):
    network = network or convnet(torch.float32)
    return Look.of(network, "conv2", layers, [style()] if styles is None else styles)


def begun(course=COURSE, seed=0, shape=SHAPE, **how):
    return StyleTraining(look(**how), examples(24), examples(8, 50), course, shape, seed)


def run(training, batches=None):
    for count, _ in enumerate(training, start=1):
        if count == batches:
            break
    return training


def test_what_is_made_small_is_its_formula():
    network = convnet()
    x, y, wanted = noise(2, 3, 16, 16), noise(2, 3, 16, 16, seed=1), style().double()
    own = look(network)
    content, found = own.losses(y, own.features(x))
    for row in range(2):
        read, there, other = (
            network.read(one, ["conv1", "conv2"]) for one in (y[row : row + 1], x[row : row + 1], wanted)
        )
        apart = (read["conv2"] - there["conv2"]).square().sum() / there["conv2"].square().sum()
        total = torch.zeros((), dtype=torch.float64)
        for layer in ("conv1", "conv2"):
            a, b = read[layer][0].flatten(1), other[layer][0].flatten(1)
            grams = [one @ one.T / one.shape[1] for one in (a, b)]
            total = total + (grams[0] - grams[1]).square().sum() / grams[1].square().sum()
            spreads = [torch.cat([one.mean(1), (one.var(1, correction=0) + 1e-8).sqrt()]) for one in (a, b)]
            total = total + (spreads[0] - spreads[1]).square().sum() / spreads[1].square().sum()
        assert content[row].item() == pytest.approx(apart.item(), rel=1e-6)
        assert found[row].item() == pytest.approx(total.item() / 2, rel=1e-6)


def test_the_whole_loss_weighs_content_style_and_variation():
    training = StyleTraining(look(convnet()), examples(24), examples(8, 50), replace(COURSE, tv=0.3), SHAPE)
    x = noise(2, 3, 16, 16)
    with torch.no_grad():
        whole, content, found = training._losses(training.model, x)
        tv = variation(training.model(x))
    torch.testing.assert_close(whole, 0.5 * content + found + 0.3 * tv)


def test_in_three_epochs_the_loss_of_held_out_pictures_falls():
    training = run(begun(replace(COURSE, content_weight=0.02)))
    one, *_, last = training.epochs
    assert last.held < one.held and last.style < one.style and last.loss < one.loss
    assert training.best_epoch == last


def test_several_styles_are_blended_by_their_shares():
    one, other = style(), levels(1, 3, 24, 24, seed=9)
    network = convnet(torch.float32)
    both = Look.of(network, "conv2", ["conv1"], [one, other], [3, 1]).styles[0].regions[0].sums
    grams = [Look.of(network, "conv2", ["conv1"], [x]).styles[0].regions[0].sums.gram for x in (one, other)]
    torch.testing.assert_close(both.gram, 0.75 * grams[0] + 0.25 * grams[1])


def values(training):
    return [*training.model.state_dict().values(), *training.best[1].values()]


@pytest.mark.slow
@pytest.mark.parametrize("at", [1, 8, 13])
def test_a_training_that_was_stopped_goes_on_to_the_same_bytes(at, tmp_path):
    course = replace(COURSE, sides=(16, 20, 16))
    whole, file = run(begun(course)), tmp_path / "kept"
    file.write_bytes(run(begun(course), at).saved())
    again = begun(course)
    again.resume(file)
    run(again)
    assert all(torch.equal(a, b) for a, b in zip(values(whole), values(again), strict=True))
    assert [replace(one, seconds=0) for one in whole.epochs] == [replace(one, seconds=0) for one in again.epochs]


@pytest.mark.parametrize(
    ("other", "what"),
    [
        ({"styles": [levels(1, 3, 24, 24)]}, "the style is another one"),
        ({"layers": ("conv1",)}, "style layers is conv1 conv2 there, and conv1 now"),
        ({"shape": Shape(8, 2)}, "shape is 8 1 2 2 there, and 8 2 2 2 now"),
        ({"course": replace(COURSE, tv=0.5)}, "tv is 0.2 there, and 0.5 now"),
    ],
)
def test_another_training_does_not_go_on_from_it(other, what, tmp_path):
    file = tmp_path / "kept"
    file.write_bytes(begun().saved())
    with pytest.raises(Mistake, match=what):
        begun(**other).resume(file)


def test_it_begins_with_the_weights_that_are_given_and_goes_on_with_no_others(tmp_path):
    first, file = run(begun()), tmp_path / "kept"
    further = StyleTraining(look(), examples(24), examples(8, 50), COURSE, SHAPE, start=first.best[1])
    for name, value in first.best[1].items():
        assert torch.equal(further.model.state_dict()[name], value)
        assert torch.equal(further.average.state_dict()[name], value)
    file.write_bytes(further.saved())
    with pytest.raises(Mistake, match="the start is another one"):
        begun().resume(file)


def test_the_network_comes_back_as_it_was():
    network = convnet(torch.float32)
    before = copy.deepcopy(network.model.state_dict())
    run(begun(network=network), 3)
    assert all(torch.equal(before[name], value) for name, value in network.model.state_dict().items())
    assert all(one.grad is None and one.requires_grad for one in network.model.parameters())


def test_without_a_style_it_learns_to_make_small_pictures_large():
    course = Course((16,) * 3, crops=(16, 16), content_weight=1.0, tv=0.0, peak=0.01, batch=4, decay=0.5)
    training = run(begun(course, shape=Shape(8, 1, 0, 1), styles=[]))
    assert training.epochs[-1].style == 0 and training.epochs[-1].content < training.epochs[0].content
    assert training.model(smaller(examples(2).pictures / 255, 2)).shape == (2, 3, 16, 16)
