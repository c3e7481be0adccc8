"""Blocks: the value and the gradient of the whole picture, with memory for a part of it."""

from collections import OrderedDict
from dataclasses import replace

import pytest
import torch
from torch import nn

from phosphene.core.errors import Mistake, Note
from phosphene.core.networks.network import Network
from phosphene.core.optimization.constraints import box
from phosphene.core.optimization.engine import NotFinite, argmin
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.lbfgs import lbfgs
from phosphene.core.optimization.objectives import gradient
from phosphene.core.optimization.parameterizations import Pixels
from phosphene.core.optimization.terms import code_distance
from phosphene.core.optimization.transforms import roll
from phosphene.style import blocks
from phosphene.style.blocks import Additive, by_blocks, of_code
from phosphene.style.parts import of_style
from phosphene.style.terms import targets
from tests.small import Tokens, noise

NOW = Key(0).at(0)


def network_of(mode="zeros", padding=1, ceil=False):
    """Three depths, seen at borders as the mode says, with a pool that may count a last odd pixel."""
    torch.manual_seed(3)

    def conv(before, behind, stride=1):
        return nn.Conv2d(before, behind, 3, stride, padding, padding_mode=mode)

    steps = OrderedDict(
        one=conv(3, 5), relu1=nn.Softplus(), pool=nn.MaxPool2d(2, ceil_mode=ceil),
        two=conv(5, 6), relu2=nn.Tanh(), mean=nn.AvgPool2d(2, ceil_mode=ceil),
        three=conv(6, 4, 2), all=nn.AdaptiveAvgPool2d(1), flat=nn.Flatten(),
    )  # fmt: skip
    return Network(nn.Sequential(steps).double(), size=32)


LAYERS = ["relu1", "relu2", "three"]


STATISTICS = {"gram": 1.0, "spread": 0.5, "wasserstein": 2.0}


def regions(y, region):
    """Two of a layer's positions, with soft edges between them."""
    one = noise(*y.shape[2:], seed=7).flatten()
    return [replace(region, weight=one), replace(region, weight=1 - one)]


def parts_and_term(network, x, weighted=False, smooth=False):
    """Every statistic of sums at every layer and a content, in parts to be added up, and as a term of the picture."""
    seen = network.read(x, LAYERS)
    styles = targets(network, [noise(1, 3, 41, 37, seed=5)], LAYERS, STATISTICS, smooth=smooth)
    if weighted:
        styles = [replace(one, regions=regions(seen[one.layer], one.regions[0])) for one in styles]
    code = network.read(noise(*x.shape, seed=2), [LAYERS[1]])[LAYERS[1]]
    term = sum((one.term for one in styles), start=0.7 * code_distance(LAYERS[1], code))
    return [0.7 * of_code(LAYERS[1], code), *map(of_style, styles)], term


def assert_same(found, expected):
    torch.testing.assert_close(found.values, expected.values, rtol=1e-11, atol=0)
    apart = (found.gradients - expected.gradients).norm() / expected.gradients.norm()
    assert apart < 1e-11 and expected.gradients.norm() > 0


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("size", [(96, 80), (93, 131), (61, 200)])
@pytest.mark.parametrize("how", [{}, {"mode": "reflect", "ceil": True}, {"mode": "replicate"}, {"padding": 0}])
def test_value_and_gradient_are_those_of_the_undivided_picture(how, size, weighted, recwarn):
    network, x = network_of(**how), noise(2, 3, *size)
    parts, term = parts_and_term(network, x, weighted, smooth=weighted and size[0] == 93)
    objective = by_blocks(network, parts, pixels=56 * 72)
    assert_same(objective(x, torch.arange(2), NOW), gradient(network, term)(x, torch.arange(2), NOW))
    assert not recwarn.list


def test_blocks_are_no_larger_than_they_may_be_and_read_twice_but_for_the_last():
    network, x, sizes = network_of(), noise(2, 3, 120, 150), []
    parts, _ = parts_and_term(network, x)
    objective = by_blocks(network, parts, pixels=72 * 72)
    objective(x, torch.arange(2), NOW)  # what is found out once is found out now
    network.model.register_forward_pre_hook(lambda module, inputs: sizes.append(tuple(inputs[0].shape[2:])))
    objective(x, torch.arange(2), NOW)
    assert max(height * width for height, width in sizes) <= 72 * 72
    assert len(sizes) % 2 == 1 and sum(height * width for height, width in sizes) > 1.5 * 120 * 150
    assert sorted(sizes[1 : len(sizes) // 2 + 1]) == sorted(sizes[len(sizes) // 2 + 1 :])


def test_a_picture_that_fits_is_read_once():
    network, x, sizes = network_of(), noise(1, 3, 60, 60), []
    parts, term = parts_and_term(network, x)
    assert_same(by_blocks(network, parts)(x, ROW, NOW), gradient(network, term)(x, ROW, NOW))
    network.model.register_forward_pre_hook(lambda module, inputs: sizes.append(tuple(inputs[0].shape[2:])))
    by_blocks(network, parts)(x, ROW, NOW)
    assert sizes == [(60, 60)]


ROW = torch.arange(1)


def test_a_transform_is_one_of_the_whole_picture():
    network, x = network_of(), noise(2, 3, 93, 80)
    parts, term = parts_and_term(network, x)
    found = by_blocks(network, parts, roll(9), pixels=64 * 64)(x, torch.arange(2), NOW)
    assert_same(found, gradient(network, term, roll(9))(x, torch.arange(2), NOW))


def test_a_row_has_the_code_of_its_problem():
    network, x = network_of(), noise(3, 3, 80, 70)
    code = network.read(noise(3, 3, 80, 70, seed=2), [LAYERS[1]])[LAYERS[1]]
    rows = torch.tensor([2, 0])
    found = by_blocks(network, [of_code(LAYERS[1], code)], pixels=50 * 50)(x[rows], rows, NOW)
    assert_same(found, gradient(network, code_distance(LAYERS[1], code))(x[rows], rows, NOW))


@pytest.mark.slow
def test_steps_of_an_optimizer_over_blocks_are_those_over_the_whole_picture():
    network, x = network_of(), noise(1, 3, 80, 64)
    parts, term = parts_and_term(network, x)

    def ascend(objective):
        return list(argmin(Pixels(x), objective, optimizer=lbfgs(3), constraint=box(), steps=4))[-1].pictures

    whole = ascend(gradient(network, term))
    torch.testing.assert_close(ascend(by_blocks(network, parts, pixels=50 * 50)), whole, rtol=0, atol=1e-9)
    assert (whole - x).abs().max() > 1e-3


def gram_of(network, layer):
    return of_style(*targets(network, [noise(1, 3, 64, 64, seed=5)], [layer], {"gram": 1.0}))


class Squeezed(nn.Module):
    """Channels scaled by what they are on average, as squeeze-excite does, but not in the first layer."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x):
        x = torch.relu(self.first(x))
        return self.second(x * torch.sigmoid(4 * x.mean((2, 3), keepdim=True))).mean((2, 3))


@pytest.mark.parametrize("of", [Squeezed, Tokens])
def test_what_depends_on_the_whole_picture_is_read_as_a_whole_which_is_said(of):
    network = Network(of().double(), size=32)
    layer = "second" if of is Squeezed else "mix"
    part, x = gram_of(network, layer), noise(1, 3, 96, 64)
    with pytest.warns(Note, match="can't be read by blocks; a smaller picture takes less memory"):
        found = by_blocks(network, [part], pixels=40 * 40)(x, ROW, NOW)
    assert_same(found, by_blocks(network, [part], pixels=1e9)(x, ROW, NOW))


def test_before_a_layer_that_looks_at_everything_there_are_blocks(recwarn):
    network = Network(Squeezed().double(), size=32)
    part, x = gram_of(network, "relu"), noise(1, 3, 96, 64)
    assert_same(by_blocks(network, [part], pixels=40 * 40)(x, ROW, NOW), by_blocks(network, [part])(x, ROW, NOW))
    assert not recwarn.list


def test_where_memory_runs_out_blocks_get_smaller_until_none_fits(monkeypatch):
    network, x, read = network_of(), noise(1, 3, 120, 120), Network.read
    parts, term = parts_and_term(network, x)
    expected = gradient(network, term)(x, ROW, NOW)

    def short(most):
        def reading(it, pictures, *rest, **how):
            if pictures.shape[2] * pictures.shape[3] > most:
                raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate")
            return read(it, pictures, *rest, **how)

        monkeypatch.setattr(Network, "read", reading)

    objective = by_blocks(network, parts)
    _ = blocks.margins_of(network, LAYERS)
    short(90 * 90)
    with pytest.warns(Note, match="memory ran out, so it goes on by blocks of 7200 pixels"):
        assert_same(objective(x, ROW, NOW), expected)
    short(10 * 10)
    with pytest.warns(Note), pytest.raises(Mistake, match="the smallest block of a picture of 120 x 120 px has"):
        objective(x, ROW, NOW)


def test_tokens_have_a_content_too():
    network, x = Network(Tokens().double(), size=32), noise(1, 3, 32, 32)
    code = network.read(noise(1, 3, 32, 32, seed=2), ["mix"])["mix"]
    found = by_blocks(network, [of_code("mix", code)])(x, ROW, NOW)
    assert_same(found, gradient(network, code_distance("mix", code))(x, ROW, NOW))


def test_a_content_may_count_in_a_region_alone():
    network, x = network_of(), noise(1, 3, 80, 70)
    code, seen = (network.read(one, [LAYERS[1]])[LAYERS[1]] for one in (noise(1, 3, 80, 70, seed=2), x))
    weight = noise(*seen.shape[2:], seed=3)
    found = by_blocks(network, [of_code(LAYERS[1], code, weight)], pixels=50 * 50)(x, ROW, NOW)
    expected = (weight * (seen - code).square()).sum() / (weight * code.square()).sum()
    torch.testing.assert_close(found.values.item(), expected.item(), rtol=1e-12, atol=0)


def test_each_part_by_itself_comes_along():
    network, x = network_of(), noise(2, 3, 80, 70)
    parts, _ = parts_and_term(network, x)
    seen = by_blocks(network, parts, pixels=50 * 50)(x, torch.arange(2), NOW)
    assert list(seen.outputs) == ["distance to the code of relu2", *(f"style of {layer}" for layer in LAYERS)]
    torch.testing.assert_close(sum(seen.outputs.values()), seen.values)


def test_what_is_not_finite_is_told():
    part = Additive(
        "relu1", lambda y, place, rows: [y.sum((1, 2, 3))], lambda sums, rows: 1e400 * sums[0], "a far too large part"
    )
    with pytest.raises(NotFinite, match="step 0: a far too large part is not finite"):
        by_blocks(network_of(), [part])(noise(1, 3, 32, 32), ROW, NOW)
