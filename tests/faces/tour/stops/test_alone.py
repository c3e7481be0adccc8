"""What the stops ask about: units that a photograph excites more than others do, and classes by their words."""

import sys
from pathlib import Path

import pytest
import torch

from phosphene.core.pictures import files
from phosphene.core.pictures.writing import save_png
from phosphene.core.units.inputs import feed, logits
from phosphene.faces.tour.guide import Guide
from phosphene.faces.tour.stops.alone import REFERENCES, class_word, dreams, excited, fit_for, painted
from tests.small import convnet, levels


def test_a_class_is_called_by_a_word_that_the_command_line_understands():
    network = convnet()
    assert class_word(network, 1) == "zebra"
    assert class_word(network, 2) == "2"  # there are two cranes
    assert class_word(convnet(labels=None), 2) == "2"


@pytest.mark.parametrize("many", [1, 3])
def test_the_units_are_those_that_are_most_unusual_among_the_references(many):
    network, layer = convnet(torch.float32), "conv2"
    found = excited(network, "skimage:cat", [layer, "conv1"], many)
    assert len(found) == 2 * many and found[0].startswith("conv2:") and found[-1].startswith("conv1:")
    with torch.no_grad():
        usual = torch.stack(
            [network.read(feed(network, f"skimage:{name}"), [layer])[layer][0].mean((1, 2)) for name in REFERENCES]
        )
        own = network.read(feed(network, "skimage:cat"), [layer])[layer][0].mean((1, 2))
    deviation = usual.std(0)
    unusual = (own - usual.mean(0)) / (deviation + 0.1 * deviation.mean() + 1e-12)
    assert found[:many] == [f"conv2:{int(i)}" for i in unusual.argsort(descending=True)[:many]]


def test_the_whole_photograph_is_asked_about_where_the_network_says_the_same_of_it():
    network = convnet(torch.float32)
    guide = Guide(network, "skimage:cat", "own.py", False, 0, lambda title, run: run.result)
    said = int(logits(network, feed(network, "skimage:cat", "whole"))[0].argmax())
    assert fit_for(guide, {"class": said}) == "whole"
    assert fit_for(guide, {"class": (said + 1) % 4}) == "crop"
    guide.fast = True
    assert fit_for(guide, {"class": said}) == "crop"


@pytest.mark.slow
@pytest.mark.parametrize(("photo", "other"), [("skimage:cat", "skimage:rocket"), ("skimage:rocket", "skimage:brick")])
def test_dreams_come_from_several_depths_and_with_another_picture_for_a_guide(photo, other, tmp_path, monkeypatch):
    small = tmp_path / "small.png"
    save_png(levels(3, 40, 48)[None], small)
    opened = files.open_photo

    def part(given):
        return opened(small if given == photo else given)[..., :48, :48]

    monkeypatch.setattr(sys.modules["phosphene.dreaming.dream"], "open_photo", part)
    guide = Guide(convnet(torch.float32), photo, "own.py", True, 0, lambda title, run: run.result)
    guide.take(dreams)
    (section,) = guide.sections
    assert not section.missing
    names = [Path(shown.file).stem for shown in section.pictures]
    assert names[:2] == ["photograph", "dream"] and names[-1] == "dream-guided" and len(set(names)) == len(names) == 5
    assert [command.split()[3] for command in section.commands[1:]] == ["--strip", "--guide"]
    assert section.commands[2].split()[4] == other
    assert len({shown.png for shown in section.pictures}) == 5


def test_the_photograph_is_painted_beside_the_painting():
    guide = Guide(convnet(torch.float32), "skimage:cat", "own.py", True, 0, lambda title, run: run.result)
    guide.take(painted)
    (section,) = guide.sections
    assert not section.missing
    assert [Path(shown.file).stem for shown in section.pictures] == ["painting", "painted"]
    assert section.commands == ["phosphene stylize skimage:cat painting:night --net own.py"]
