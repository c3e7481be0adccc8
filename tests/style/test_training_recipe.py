"""The recipe of a style network: what it looks at, its course, its file and its preview."""

import io

import pytest
import torch
from PIL import Image
from safetensors.torch import load

from phosphene.core.errors import Mistake
from phosphene.core.pictures.fitting import resize
from phosphene.models.headers import header_in
from phosphene.style.feed_forward import HEADER
from phosphene.style.layers import style_layers
from phosphene.style.style_net import Shape
from phosphene.style.training import Look, StyleTraining
from phosphene.style.training_recipe import SHAPES, best_net, course, look, net_file, preview
from tests.films import film, moving
from tests.small import convnet, levels
from tests.style.test_training import COURSE, begun, examples, run


def test_a_style_is_read_at_the_size_that_is_asked_for():
    network, style = convnet(torch.float32), levels(1, 3, 30, 60)
    seen = look(network, [style], 24, content="conv3", layers=["conv1"])
    assert seen.content == "conv3" and [one.layer for one in seen.styles] == ["conv1"]
    there = Look.of(network, "conv3", ["conv1"], [resize(style, (12, 24))])
    torch.testing.assert_close(seen.styles[0].regions[0].sums, there.styles[0].regions[0].sums)
    assert [one.layer for one in look(network, [style], 24).styles] == style_layers(network)


def test_without_a_style_an_early_layer_tells_what_is_where():
    network = convnet(torch.float32)
    seen = look(network, [], 24)
    assert not seen.styles and seen.content == style_layers(network)[1]


def test_a_film_is_no_style(tmp_path):
    with pytest.raises(Mistake, match=r"a\.mkv is a film, and a style is a picture; give a frame of it"):
        look(convnet(torch.float32), [film(tmp_path / "a.mkv", moving(1))], 24)


def test_some_thousand_pictures_are_shown_and_no_picture_too_often():
    network = convnet(torch.float32)
    assert len(course(network, 100, 64).sides) == 80 and len(course(network, 10, 64).sides) == 200
    assert len(course(network, 10**6, 64).sides) == 2 and len(course(network, 100, 64, epochs=3).sides) == 3
    assert course(network, 100, 100).crops == (60, 100)


def test_larger_pictures_have_no_style_to_be_weighed_against():
    how = course(convnet(torch.float32), 100, 64, upscale=4)
    assert how.content_weight == 1 and how.tv == 0
    with pytest.raises(Mistake, match=r"squares of 30 px can't be made 4 times smaller; give a --size that can"):
        course(convnet(torch.float32), 100, 64, upscale=4, side=30)


def test_every_upscale_has_a_network_that_does_it():
    assert all(shape.upscale == times for times, shape in SHAPES.items())


@pytest.mark.slow
def test_a_file_holds_the_best_weights_and_what_they_are_worth():
    training = run(begun())
    data = net_file(training, training.held.part(torch.arange(2)), "Stripes", source="our own")
    record, best = header_in(data, HEADER), best_net(training)
    assert record["about"] == "Stripes" and record["training"]["source"] == "our own" and record["measured on"] == 2
    assert (
        record["training"]["style layers"] == ["conv1", "conv2"]
        and record["training"]["kept epoch"] == training.best[0]
    )
    assert set(record["measured"]) == {"photograph", "network", "optimization, 100 steps"}
    for name, value in load(data).items():
        assert torch.equal(value.float(), best.state_dict()[name])
        assert torch.equal(value, training.best[1][name].half())
    assert "measured" not in header_in(net_file(training), HEADER)


def test_a_preview_has_held_out_pictures_and_what_becomes_of_them():
    training = run(begun())
    picture = Image.open(io.BytesIO(preview(training)))
    assert picture.size == (4 * 16 + 3 * 2, 2 * 16 + 2)
    wide = StyleTraining(look(convnet(torch.float32), [], 24), examples(8), examples(3), COURSE, Shape(8, 1, 0, 1))
    run(wide, 7)
    assert Image.open(io.BytesIO(preview(wide))).size[1] == picture.size[1]
