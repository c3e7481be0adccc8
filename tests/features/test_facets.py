"""Facets: clusters partition the chosen photographs, and each climb starts from the mean of its own."""

import sys

import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.core.units.inputs import feed
from phosphene.core.units.units import Unit, unit_term
from phosphene.features import facets
from phosphene.features.facets import compared_at, most_exciting, read, unexcited
from tests.small import convnet, levels, linear

PHOTOS = [levels(1, 3, 18, 16, seed=i) for i in range(8)]
SMALL = {"count": 2, "size": 16, "steps": 2}


def test_the_most_exciting_come_first():
    assert most_exciting(torch.tensor([0.1, 3.0, -1.0, 3.0, 2.0]), 3).tolist() == [1, 3, 4]


def test_photographs_excite_the_unit_as_the_network_says_and_their_code_is_the_mean_of_the_layer():
    network = convnet()
    excited, codes, ranks = read(network, PHOTOS, unit_term([Unit("conv3", 1)]), "conv2", batch=3)
    assert ranks == []
    for i, photo in enumerate(PHOTOS):
        said = network.read(feed(network, photo), ["conv2", "conv3"])
        assert excited[i].item() == pytest.approx(said["conv3"][0, 1].mean().item())
        mean = said["conv2"][0].mean((1, 2))
        torch.testing.assert_close(codes[i], mean / mean.norm())


@pytest.mark.slow
def test_facets_are_of_the_photographs_that_excite_the_unit_most_each_in_one():
    run = facets(convnet(), "logits:zebra", PHOTOS, fraction=0.7, **SMALL)
    logits = [convnet().read(feed(convnet(), photo), ["logits"])["logits"][0, 1].item() for photo in PHOTOS]
    told = [photo["value"] for numbers in run.numbers for photo in numbers["photographs"]]
    assert sorted(told, reverse=True) == pytest.approx(sorted(logits, reverse=True)[:6])
    assert [len(panels) for panels in run.result.panels] == [1 + len(n["photographs"]) for n in run.numbers]


def test_a_climb_starts_from_the_mean_picture_of_its_cluster():
    run = facets(convnet(), "conv2:1", PHOTOS, fraction=1.0, preset="plain", **SMALL | {"steps": 0})
    for picture, panels in zip(run.image, run.result.panels, strict=True):
        mean = sum(photo for _, photo in panels[1:]) / len(panels[1:])
        torch.testing.assert_close(picture[None], mean, rtol=0, atol=1e-5)


def test_photographs_are_compared_at_the_units_own_layer_or_the_last_with_rows_and_columns():
    network = convnet()
    assert compared_at(network, Unit("conv2", 1)) == "conv2"
    assert compared_at(network, Unit("logits", 1)) == "relu3"


def test_a_class_that_no_photograph_shows_is_said_to_be_shown_by_none():
    network = convnet()
    said = torch.cat([network.read(feed(network, photo), ["logits"])["logits"] for photo in PHOTOS])
    ranks = (said > said[:, :1]).sum(1).tolist()
    assert read(network, PHOTOS, unit_term([Unit("logits", 0)]), "conv2", index=0)[2] == ranks
    assert min(ranks) > 0  # the tabby cat is the best class of none
    run = facets(network, "logits:0", PHOTOS, **SMALL)
    assert run.result.title.endswith(": no photograph shows it, as it is the best class of none")
    assert all("no photograph shows it" in numbers["nothing"] for numbers in run.numbers)


@pytest.mark.parametrize(
    ("excited", "ranks", "said"),
    [
        ([0.2, 0.1], [], ""),
        ([0.0, -1.0], [], "no photograph excites it, as it is 0 at most"),
        ([0.5, 0.5], [], "all photographs excite it alike"),
        ([-3.0, -4.0], [0, 2], ""),
        ([9.0, 8.0], [1, 2], "no photograph shows it, as it is the best class of none"),
    ],
)
def test_what_no_photograph_excites_is_told(excited, ranks, said):
    assert unexcited(convnet(), torch.tensor(excited), ranks) == said


def test_of_many_classes_the_five_best_are_shown():
    many = linear(torch.zeros(100, 3, 8, 8, dtype=torch.float64), torch.zeros(100))
    assert unexcited(many, torch.arange(2.0), [4, 50]) == ""
    assert unexcited(many, torch.arange(2.0), [5, 50]).endswith("as it is among the 5 best classes of none")


def test_what_is_wrong_whatever_the_photographs_are_is_told_before_they_are_read():
    network = convnet()
    assert facets.promised(network, {"unit": "conv2:1", "count": 2}) == ["conv2-1-1", "conv2-1-2"]
    for given, said in (({"unit": "conv9:1"}, "no layer 'conv9'"), ({"unit": "conv2:1", "layer": "x"}, "no layer 'x'")):
        with pytest.raises(Mistake, match=said):
            facets.promised(network, given)


def test_mistakes_are_told(monkeypatch):
    network = convnet()
    with pytest.raises(Mistake, match=r"1 photographs are too few for 2 facets"):
        facets(network, "conv2:1", PHOTOS[:1], **SMALL)
    with pytest.raises(Mistake, match=r"'conv2:0-3' names several units"):
        facets(network, "conv2:0-3", PHOTOS, **SMALL)
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    with pytest.raises(Mistake, match=r"facets needs scikit-learn: pip install 'phosphene\[maps\]'"):
        facets(network, "conv2:1", PHOTOS, **SMALL)


def test_facets_of_an_index_are_those_of_its_strongest_photographs(small_indexed):
    network, photos, files = small_indexed
    options = {"count": 2, "fraction": 0.2, "steps": 1, "size": 16}
    own, anew = (facets(network, "relu2:3", some, **options) for some in (photos, files))
    torch.testing.assert_close(own.image, anew.image)
    assert [one["photographs"] for one in own.numbers] == [one["photographs"] for one in anew.numbers]
    assert 12 <= len(own.recipe["inputs"]) <= 14 < len(files)
    with pytest.raises(Mistake, match="an index knows channels and classes, and"):
        facets(network, "relu2:3 + relu2:4", photos, **options)
