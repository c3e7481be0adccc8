"""Two networks beside one another: which classes both know."""

import pytest

from phosphene.core.errors import Mistake
from phosphene.faces.tour.stops.beside import same_classes, short
from tests.small import convnet


def test_classes_of_two_networks_are_matched_by_name():
    one, other = convnet(), convnet(labels=["zebra", "horse", "mouser, cat", "crane, lifting machine"])
    assert same_classes(one, other, "mouser", 6) == [(0, 2), (1, 0), (3, 3)]
    assert same_classes(one, other, "horse", 1) == [(1, 0)]
    with pytest.raises(Mistake, match="share no name of a class"):
        same_classes(one, convnet(labels=["a", "b", "c", "d"]), "zebra", 6)


@pytest.mark.parametrize(
    ("spec", "name"),
    [("embedded:photo-robust", "photo-robust"), ("torchvision:resnet18?weights=x", "resnet18"), ("a.py:build", "a")],
)
def test_a_network_is_called_by_the_short_of_its_spec(spec, name):
    assert short(spec) == name
