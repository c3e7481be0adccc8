"""Randomized weights: of a copy, the same numbers in another order; what shows the picture alone does not notice."""

from copy import deepcopy

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from phosphene.attribution import gradient, guided
from phosphene.attribution.checks.curves import edges
from phosphene.attribution.checks.likeness import likeness
from phosphene.attribution.checks.randomization import depths, maps_needed, modules, randomization, randomized
from phosphene.attribution.maps import About, found
from phosphene.attribution.question import every, question
from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.pictures.files import open_photo
from tests.small import convnet, levels, linear, noise

PHOTO = levels(1, 3, 16, 16)
TWO = levels(2, 3, 16, 16, seed=5)


def run(recipe, network, pictures, target=2, unit=None, **options):
    asked = question(network, pictures, target=None if unit else target, unit=unit)
    maps = found(recipe.method, asked, pictures)
    *_, last = randomization(recipe.method, recipe.about, asked, pictures, maps.values, {}, **options)
    return last


def parts_of(network, many=7, **asked):
    pictures = levels(1, 3, *network.size)
    return depths(network.name, modules(question(network, pictures, **asked), pictures), many)


def state(network):
    return {name: value.clone() for name, value in network.model.state_dict().items()}


def test_a_randomized_network_has_the_same_numbers_in_another_order_and_the_original_is_untouched():
    network = convnet()
    before = state(network)
    other = randomized(network, ["conv2", "fc"])
    for name, value in network.model.state_dict().items():
        assert torch.equal(value, before[name])
        theirs = other.model.state_dict()[name]
        assert torch.equal(theirs.flatten().sort().values, value.flatten().sort().values)
        assert torch.equal(theirs, value) == (not name.startswith(("conv2.", "fc.")))


def test_a_randomized_network_is_fed_like_its_original():
    other = randomized(convnet(), [])
    torch.testing.assert_close(other.read(PHOTO, ["logits"])["logits"], convnet().read(PHOTO, ["logits"])["logits"])
    assert other.layers == convnet().layers and other.labels == convnet().labels


def test_a_layer_is_randomized_alike_alone_and_with_others_and_otherwise_by_another_seed():
    alone, both, again = (randomized(convnet(), names).model for names in (["conv2"], ["conv2", "fc"], ["conv2"]))
    assert torch.equal(alone.conv2.weight, both.conv2.weight) and torch.equal(alone.conv2.weight, again.conv2.weight)
    assert not torch.equal(alone.conv2.weight, randomized(convnet(), ["conv2"], seed=1).model.conv2.weight)


def test_a_model_that_cannot_be_copied_is_told():
    class Single(nn.Linear):
        def __deepcopy__(self, memo):
            raise RuntimeError("there is only one")

    network = Network(nn.Sequential(nn.Flatten(), Single(192, 2)), size=8)
    with pytest.raises(Mistake, match=r"can't be copied.*there is only one"):
        randomized(network, ["1"])


def test_depths_go_from_the_top_to_the_bottom():
    parts = parts_of(convnet(), target=1)
    assert [part.layers for part in parts] == [["fc"], ["conv3"], ["conv2"], ["conv1"]]
    assert [part.count for part in parts] == [1, 2, 3, 4]


def test_what_lies_above_a_unit_has_nothing_to_say_about_it():
    assert [part.layers for part in parts_of(convnet(), unit="conv2:1")] == [["conv2"], ["conv1"]]


@given(st.integers(2, 12), st.integers(1, 30))
def test_depths_share_all_layers_evenly_the_top_one_alone(many, layers):
    parts = depths("net", [str(i) for i in range(layers)], many)
    assert len(parts) == min(many, layers)
    assert [name for part in parts for name in part.layers] == [str(i) for i in range(layers)][::-1]
    assert [part.count for part in parts] == [sum(len(p.layers) for p in parts[: i + 1]) for i in range(len(parts))]
    assert len(parts[0].layers) == 1
    sizes = [len(part.layers) for part in parts[1:]]
    assert max(sizes, default=0) - min(sizes, default=0) <= 1


def test_layers_are_counted_at_the_level_where_there_are_enough():
    def block():
        return nn.Sequential(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.ReLU())

    few = Network(nn.Sequential(block(), block()), size=8)
    assert [p.layers for p in parts_of(few, target=0)] == [["1.1"], ["1.0"], ["0.1"], ["0.0"]]
    many = Network(nn.Sequential(*(block() for _ in range(8))), size=8)
    parts = parts_of(many, 8, target=0)
    assert [p.layers for p in parts] == [[str(i)] for i in range(7, -1, -1)]
    assert list(parts[0].modules) == ["7.0", "7.1"]


def test_layers_stand_in_the_order_in_which_they_run_not_in_which_they_are_written():
    class Backwards(nn.Module):
        def __init__(self):
            super().__init__()
            self.last, self.first = nn.Conv2d(4, 2, 1), nn.Conv2d(3, 4, 1)

        def forward(self, x):
            return self.last(self.first(x)).mean((2, 3))

    assert [p.layers for p in parts_of(Network(Backwards(), size=8), target=1)] == [["last"], ["first"]]


def test_a_network_without_weights_cannot_be_randomized():
    with pytest.raises(Mistake, match="no weights"):
        parts_of(Network(nn.AdaptiveAvgPool2d(2), size=8), target=1)


class Branches(nn.Module):
    """Two branches side by side; the first two channels of `joined` are the left one's."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.left, self.right, self.joined = nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 1), nn.Identity()
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        return self.fc(self.joined(torch.cat([self.left(x), self.right(x)], 1)).mean((2, 3)))


def test_a_unit_of_one_branch_has_nothing_to_do_with_the_other():
    network = Network(Branches(), size=8)
    assert [p.layers for p in parts_of(network, unit="joined:0")] == [["left"]]
    assert [p.layers for p in parts_of(network, unit="joined:3")] == [["right"]]
    assert [p.layers for p in parts_of(network, target=1)] == [["fc"], ["right"], ["left"]]


def test_where_a_unit_is_silent_all_layers_are_kept():
    network = convnet()
    nn.init.constant_(network.model.conv2.bias, -1000)
    assert [p.layers for p in parts_of(network, unit="relu2:1")] == [["conv2"], ["conv1"]]


def test_randomizing_the_only_layer_of_a_linear_model_changes_its_gradient_completely():
    weight = noise(4, 3, 16, 16) - 0.5
    network = linear(weight, [0.0] * 4)
    last = run(gradient, network, PHOTO)
    (cascading,), (alone,) = last.cascading, last.alone
    shuffled = randomized(network, ["1"]).model[1].weight.view(4, 3, 16, 16)[2]
    expected = likeness(weight[2:3], shuffled[None], gradient.about)
    for name in ("ssim", "rank", "signed"):
        torch.testing.assert_close(getattr(cascading, name), getattr(expected, name), rtol=1e-5, atol=1e-6)
        assert torch.equal(getattr(cascading, name), getattr(alone, name))
    assert abs(cascading.rank.item()) < 0.2 and abs(cascading.signed.item()) < 0.2 and cascading.ssim.item() < 0.3


def test_it_equals_a_loop_over_copies():
    network = convnet()
    asked = question(network, TWO, target=2)
    own = asked.gradients(TWO, every(TWO))[1]
    last = run(gradient, network, TWO)
    names = ["fc", "conv3", "conv2", "conv1"]
    for i in range(4):
        for changed, one in ((names[: i + 1], last.cascading[i]), (names[i : i + 1], last.alone[i])):
            model = deepcopy(network.model)
            for name in changed:
                model.get_submodule(name).load_state_dict(
                    randomized(network, [name]).model.get_submodule(name).state_dict()
                )
            other = Network(model, size=16, mean=(0.5,) * 3, std=(0.2,) * 3)
            theirs = question(other, TWO, target=2).gradients(TWO, every(TWO))[1]
            torch.testing.assert_close(one.rank, likeness(own, theirs, gradient.about).rank)


def edge_detector(asked, pictures):
    """A map that does not ask the network at all."""
    return edges(pictures)


def test_an_edge_detector_is_not_changed_by_any_randomization():
    class Recipe:
        method, about = staticmethod(edge_detector), About("edges", "", "sensitivity", "grey")

    last = run(Recipe, convnet(), TWO)
    for one in (*last.cascading, *last.alone):
        assert one.ssim.tolist() == one.rank.tolist() == pytest.approx([1, 1])


def test_it_yields_after_each_map_as_many_as_were_told():
    network = convnet()
    asked = question(network, PHOTO, target=1)
    values = asked.gradients(PHOTO, every(PHOTO))[1]
    steps = list(randomization(gradient.method, gradient.about, asked, PHOTO, values, {}))
    assert len(steps) == maps_needed(asked, PHOTO) == 8
    assert [(len(s.cascading), len(s.alone)) for s in steps] == [(i, 0) for i in (1, 2, 3, 4)] + [
        (4, i) for i in (1, 2, 3, 4)
    ]


@pytest.mark.slow
def test_a_batch_is_its_pictures_alone():
    together = run(guided, convnet(), TWO)
    for i in range(2):
        alone = run(guided, convnet(), TWO[i : i + 1])
        for both, one in zip(together.cascading, alone.cascading, strict=True):
            for name in ("ssim", "rank", "signed"):
                torch.testing.assert_close(getattr(both, name)[i], getattr(one, name)[0], rtol=1e-6, atol=1e-9)


def test_units_can_be_asked_about():
    last = run(gradient, convnet(), PHOTO, unit="conv2:1")
    assert [part.layers for part in last.depths] == [["conv2"], ["conv1"]]
    assert last.cascading[0].rank.item() < 0.9


@pytest.mark.slow
@pytest.mark.parametrize("name", ["inception5h", "mobilenet_v2"])
def test_guided_backprop_hardly_notices_the_top_layers_and_the_gradient_does(name, shared_network, data):
    """What Adebayo et al. found (2018, arXiv:1810.03292, figures 3 and 4)."""
    network = shared_network(name)
    photo = open_photo(data / "images" / "cat_dog.png")
    asked = {"guided": guided, "gradient": gradient}
    ways = {m: run(recipe, network, photo, target=None, many=7, alone=False) for m, recipe in asked.items()}
    kept = {m: [(one.ssim.item(), one.rank.item()) for one in way.cascading] for m, way in ways.items()}
    (ssim, rank), (ssim_below, rank_below) = kept["guided"][:2]
    assert ssim > 0.85 and rank > 0.95
    assert rank_below > 0.9 and ssim_below > kept["gradient"][1][0] + 0.3
    assert kept["gradient"][0][0] < 0.45 and kept["gradient"][0][1] < 0.8
    assert max(kept["guided"][-1]) < 0.4  # with all weights randomized it is another map
