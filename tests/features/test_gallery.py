"""The papers' figures on a network: which classes and units, in which pairs, and each as `visualize` paints it."""

import pytest
import torch
from torch import nn

from phosphene.core.errors import Mistake
from phosphene.core.networks.network import Network
from phosphene.core.optimization.steps import Step
from phosphene.core.units.units import Unit
from phosphene.features import gallery, visualize
from phosphene.features.gallery import (
    CHANNELS,
    CLASSES,
    KNOWN,
    PRESET_OF,
    abreast,
    drawn,
    photographed,
    rows_of,
    side_by_side,
)  # fmt: skip
from tests.small import convnet

LABELS = ["goose", "cup, mug", "tree", "ostrich, Struthio camelus"]


def test_the_papers_show_these_classes_by_these_presets():
    """Simonyan et al. 2014, figure 1; Yosinski et al. 2015, figure 4, most of which was made by setting c."""
    assert [" / ".join(row) for row in CLASSES["simonyan"]] == [
        "dumbbell / cup / dalmatian / bell pepper", "lemon / husky / washing machine / computer keyboard",
        "kit fox / goose / ostrich / limousine",
    ]  # fmt: skip
    assert [" / ".join(row) for row in CLASSES["yosinski"]] == [
        "flamingo / pelican / hartebeest / billiard table",
        "ground beetle / Indian cobra / station wagon / black swan",
        "pirate ship / rocking chair / teddy bear / Windsor tie / pitcher",
    ]
    assert CLASSES["olah"] == ()
    assert PRESET_OF == {"simonyan": "simonyan", "yosinski": "yosinski-c", "olah": "lucid"}


def test_the_well_known_units_of_inception_are_these():
    """Six curve detectors of Cammarata et al. 2020, lucid's own examples, and how wide InceptionV1's layers are."""
    assert [(kind, " ".join(words)) for kind, words in KNOWN.items()] == [
        ("edges", "conv2d0"), ("textures", "mixed3a"),
        ("curves", "mixed3b:379 mixed3b:406 mixed3b:385 mixed3b:343 mixed3b:342 mixed3b:388"),
        ("patterns", "mixed4a:476 mixed4a:460 mixed4a:492 mixed4a"),
        ("parts", "mixed4b:237 mixed4b:373 mixed4b:491 mixed4c:447 mixed4c"), ("objects", "mixed4d mixed4e"),
    ]  # fmt: skip
    widths = {"mixed3a": (64, 128, 32, 32), "mixed3b": (128, 192, 96, 64), "mixed4a": (192, 204, 48, 64),
              "mixed4b": (160, 224, 64, 64), "mixed4c": (128, 256, 64, 64)}  # fmt: skip
    assert {"conv2d0": 64} | {name: sum(branches) for name, branches in widths.items()} == CHANNELS


@pytest.mark.parametrize("paper", ["simonyan", "yosinski"])
def test_every_picture_is_the_one_that_visualize_paints_with_the_preset(paper):
    network = convnet(labels=[*LABELS[:3], "pelican"])
    run = gallery(network, paper, size=16, steps=2, seed=3)
    units = list(dict.fromkeys(n["unit"] for n in run.numbers))
    for preset in dict.fromkeys(n["preset"] for n in run.numbers):
        alone = visualize(network, units, preset=preset, size=16, steps=2, seed=3)
        mine = [i for i, n in enumerate(run.numbers) if n["preset"] == preset]
        torch.testing.assert_close(run.image[mine], alone.image, rtol=0, atol=1e-6)
        assert [run.numbers[i]["value"] for i in mine] == pytest.approx([n["value"] for n in alone.numbers])
    assert len(units) * 2 == len(run.image)


def test_pairs_stand_side_by_side_and_what_is_lacking_is_said():
    run = gallery(convnet(labels=LABELS), "simonyan", size=16, steps=0)
    assert [(n["class"], n["preset"]) for n in run.numbers] == [
        (1, "simonyan"), (1, "default"), (0, "simonyan"), (0, "default"), (3, "simonyan"), (3, "default"),
    ]  # fmt: skip
    assert list(run.names[:2]) == ["logits-1-simonyan", "logits-1-default"]
    lacking = set(sum(CLASSES["simonyan"], ())) - {"cup", "goose", "ostrich"}
    assert set(run.result.title.partition("this network: ")[2].split(", ")) == lacking


@pytest.mark.parametrize(("only", "preset"), [("paper", "simonyan"), ("ours", "default")])
def test_one_half_can_be_had_alone(only, preset):
    run = gallery(convnet(labels=LABELS), "simonyan", only=only, size=16, steps=0)
    assert [n["preset"] for n in run.numbers] == [preset] * 3


def test_another_of_the_papers_presets_can_be_taken():
    run = gallery(convnet(labels=["pelican", *LABELS[1:]]), "yosinski", preset="yosinski-a", size=16, steps=1)
    assert {n["preset"] for n in run.numbers} == {"yosinski-a", "default"}
    assert run.numbers[0]["class"] == 0 and run.numbers[-1]["class"] is None


def test_without_names_yosinskis_figure_has_units_of_later_layers():
    rows, said = rows_of(convnet(labels=None), "yosinski", seed=0)
    assert [heading for heading, _ in rows] == ["relu3", "relu2"]
    assert all(unit.layer == heading for heading, units in rows for unit in units)
    assert "no names for its classes" in said


def test_of_a_deep_network_four_later_stages_are_shown_or_five_of_all():
    blocks = [nn.Sequential(nn.Conv2d(3 if i == 0 else 4, 4, 1), nn.ReLU()) for i in range(8)]
    deep = Network(nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten()), size=8)
    assert [heading for heading, _ in rows_of(deep, "yosinski", seed=0)[0]] == ["7", "5", "3", "1"]
    assert [heading for heading, _ in rows_of(deep, "olah", seed=0)[0]] == ["0", "2", "4", "5", "7"]
    assert [len(units) for _, units in rows_of(deep, "yosinski", seed=0)[0]] == [4] * 4


def test_olahs_rows_go_from_early_to_late():
    rows, said = rows_of(convnet(), "olah", seed=0)
    assert [heading for heading, _ in rows] == ["relu1", "relu2", "relu3"]
    assert [len(units) for _, units in rows] == [6, 6, 5]
    assert said == ""


class Named(nn.Module):
    """Layers with lucid's names and numbers of channels."""

    def __init__(self):
        super().__init__()
        before = 3
        for name, channels in (CHANNELS | {"mixed4d": 528, "mixed4e": 832}).items():
            setattr(self, name, nn.Conv2d(before, channels, 1))
            before = channels

    def forward(self, x):
        for layer in self.children():
            x = layer(x)
        return x.mean((2, 3))


def test_a_network_with_lucids_layers_shows_the_well_known_units():
    rows, _ = rows_of(Network(Named(), size=8), "olah", seed=3)
    assert all(len(units) == 6 and len(set(units)) == 6 for _, units in rows)
    shown = {str(unit) for _, units in rows for unit in units}
    assert {"mixed4a:476", "mixed4b:237", "mixed4c:447", "mixed3b:379"} <= shown
    assert {unit.layer for unit in rows[-1][1]} == {"mixed4d", "mixed4e"}


@pytest.mark.parametrize("many", [1, 3, 6, 8, 20])
def test_units_are_drawn_evenly_and_none_twice(many):
    network = convnet()
    for seed in range(5):
        indices = [unit.index for unit in drawn(network, "conv2", many, seed)]
        assert len(set(indices)) == len(indices) == min(many, 8)
        assert all(i * 8 // len(indices) <= k < (i + 1) * 8 // len(indices) for i, k in enumerate(indices))
    assert len({str(drawn(network, "conv2", 3, seed)) for seed in range(5)}) > 1


def test_climbs_of_different_lengths_go_abreast_and_the_shorter_one_waits():
    def climb(*heights):
        for i, h in enumerate(heights):
            yield Step(i, torch.full((2, 1, 1, 1), h), torch.tensor([h, -h]), torch.tensor([True, False]))

    steps = list(side_by_side([climb(1.0, 2.0), climb(10.0, 20.0, 30.0)]))
    assert [step.index for step in steps] == [0, 1, 2]
    assert [step.values.tolist() for step in steps] == [[1, 10, -1, -10], [2, 20, -2, -20], [2, 30, -2, -30]]


def test_rows_abreast_are_taken_apart_by_a_stride():
    tensors = [torch.rand(4, 2, 3) for _ in range(3)]
    together = abreast(tensors)
    assert all(torch.equal(together[i::3], tensor) for i, tensor in enumerate(tensors))


@pytest.mark.parametrize(
    ("paper", "labels", "said"),
    [
        ("simonian", LABELS, r"no paper 'simonian'; did you mean 'simonyan'\? \(there are simonyan, yosinski, olah\)"),
        ("simonyan", None, "has no names for its classes.*phosphene visualize logits:0-3"),
        ("simonyan", ["a", "b", "c", "d"], "has none of them.*phosphene visualize logits:0-3"),
    ],
)
def test_what_can_not_be_shown_is_answered_with_what_can(paper, labels, said):
    with pytest.raises(Mistake, match=said):
        gallery(convnet(labels=labels), paper)


@pytest.mark.slow
def test_what_excites_a_unit_in_photographs_stands_beside_its_pictures(small_indexed):
    network, photos, files = small_indexed
    units = [Unit("relu2", 3), Unit("logits", 1)]
    (own, lacking), (anew, nothing) = (photographed(network, some, units) for some in (photos, files))
    assert lacking == nothing == "" and list(own) == list(anew) == units
    for unit in units:
        assert own[unit][0] == anew[unit][0] and torch.equal(own[unit][1], anew[unit][1])
    assert photographed(network, photos, [Unit("conv3", 0)]) == ({}, "not in the index: conv3")
    with pytest.raises(Mistake, match="there is no photograph; give --photos"):
        photographed(network, [], units)
    plain, beside = (gallery(network, "olah", only="paper", size=16, steps=0, photos=p) for p in (None, files))
    assert torch.equal(plain.image, beside.image) and beside.result.figure().size != plain.result.figure().size
