"""Photographs and films through a style network."""

import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.core.results.reels import Reel
from phosphene.style.apply_style import apply_style
from phosphene.style.feed_forward import loaded, net_bytes
from phosphene.style.style_net import Shape, larger
from tests.films import film, moving
from tests.small import convnet, levels
from tests.style.test_shots import kept, made
from tests.style.test_style_net import SHAPE, net

WHERE = convnet(torch.float32)


@pytest.fixture
def waves(tmp_path):
    file = tmp_path / "waves.safetensors"
    file.write_bytes(net_bytes(net(), {"about": "The style of waves"}))
    return file


def test_a_photograph_keeps_its_size_and_its_tiles_are_its_steps(waves):
    photo = levels(1, 3, 40, 56)
    run = apply_style(WHERE, photo, with_=waves, tile=16)
    assert run.total == 12 and [step.index for step in run] == [*range(1, 13)]
    result = run.result
    torch.testing.assert_close(result.image, loaded(waves).net(photo), rtol=0, atol=1e-5)
    assert result.numbers[0]["tiles"] == 12 and result.numbers[0]["model"] == "waves"
    assert result.title == "The style of waves, in one pass" and torch.equal(result.input, photo)


def test_by_a_smaller_thumbnail_tiles_share_its_statistics(waves):
    photo = levels(1, 3, 40, 56)
    one, other = (apply_style(WHERE, photo, with_=waves, thumbnail=20, tile=tile).image for tile in (16, 64))
    torch.testing.assert_close(one, other, rtol=0, atol=1e-5)
    assert (one - apply_style(WHERE, photo, with_=waves).image).abs().max() > 0.01


def test_what_makes_pictures_larger_is_shown_beside_interpolation(tmp_path):
    file, photo = tmp_path / "larger.safetensors", levels(1, 3, 20, 24)
    file.write_bytes(net_bytes(net(Shape(8, 1, 0, 1)), {"about": "Pictures 2 times as large"}))
    result = apply_style(WHERE, photo, with_=file).result
    assert result.image.shape == (1, 3, 40, 48) and result.numbers[0]["upscale"] == 2
    (words, beside), _ = result.panels[0]
    assert words == "bicubic, 2 times"
    torch.testing.assert_close(beside, larger(photo, 2))


def test_what_is_no_file_is_refused_in_a_sentence():
    with pytest.raises(Mistake, match="a style network is a file that train-style wrote, not a Tensor"):
        apply_style(WHERE, levels(1, 3, 16, 16), with_=levels(1, 3, 16, 16))


def test_all_frames_of_a_shot_share_statistics_and_another_shot_has_its_own(tmp_path, waves):
    pytest.importorskip("cv2")
    first, second = moving(4), moving(2, seed=5)
    path = film(tmp_path / "a.mkv", first + second)
    reel = apply_style(WHERE, path, with_=waves, carry=0)
    assert isinstance(reel, Reel) and len(reel) == 6 and reel.sound == path
    one, frames = loaded(waves).net, made(reel)
    for index, frame in enumerate(first + second):
        expected = one(frame, one.statistics(torch.cat(first if index < 4 else second)))
        assert (frames[index] - kept(expected)).abs().max() <= 1.01 / 255
    alone = made(apply_style(WHERE, path, with_=waves, statistics="frame", carry=0))
    assert (alone[2] - kept(one(first[2]))).abs().max() <= 1.01 / 255


def test_a_film_is_made_larger_frame_by_frame(tmp_path):
    pytest.importorskip("cv2")
    file = tmp_path / "larger.safetensors"
    file.write_bytes(net_bytes(net(Shape(8, 1, 0, 1)), {}))
    frames = made(apply_style(WHERE, film(tmp_path / "a.mkv", moving(2)), with_=file))
    assert [frame.shape for frame in frames] == [(1, 3, 96, 128)] * 2


def test_the_style_network_that_comes_with_it_is_of_the_architecture():
    one = loaded()
    assert one.net.shape.upscale == 1 and one.about == "The style of The Starry Night" and one.net.shape != SHAPE
    assert one.record["measured"]["network"]["style"] < one.record["measured"]["photograph"]["style"] / 3
