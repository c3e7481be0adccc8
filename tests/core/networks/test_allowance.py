"""How much may be made and read at a time, where a stranger says how much."""

import pytest

from phosphene.core.errors import Mistake
from phosphene.core.networks.allowance import UNLIMITED, Allowance, Meter
from tests.small import convnet, noise

SMALL = Allowance(picture=600, together=1200, read=2 * 256, name="made.png")


def test_whoever_is_nobodys_stranger_may_do_what_the_machine_can():
    UNLIMITED.check_made(10**9, (10**9, 10**9))
    UNLIMITED.check_read(10**9, (10**9, 10**9))
    UNLIMITED.check_steps(10**9, 10**9, (10**9, 10**9), 10**9)
    UNLIMITED.enter(10**9, (10**9, 10**9))


@pytest.mark.parametrize(("many", "size"), [(1, (20, 30)), (2, (20, 30)), (1200, (1, 1))])
def test_what_is_shown_may_be_made(many, size):
    SMALL.check_made(many, size)


@pytest.mark.parametrize(
    ("many", "size", "said"),
    [
        (1, (20, 31), "made.png asks for a picture of 31 x 20 px, which is more than it shows"),
        (3, (20, 30), "made.png asks for 3 pictures of 30 x 20 px, which is more than it shows"),
        (1201, (1, 1), "made.png asks for 1201 pictures of 1 x 1 px, which is more than it shows"),
    ],
)
def test_neither_a_larger_picture_nor_more_of_them_may_be_made(many, size, said):
    with pytest.raises(Mistake) as told:
        SMALL.check_made(many, size)
    assert str(told.value) == said


def test_a_network_reads_no_more_at_a_time_than_it_is_allowed_to():
    network = convnet().within(SMALL)
    assert network.read(noise(2, 3, 16, 16), ["logits"])["logits"].shape == (2, 4)
    for x in (noise(3, 3, 16, 16), noise(1, 3, 32, 17)):
        with pytest.raises(Mistake, match=rf"^made\.png asks to read {len(x)} x {x.shape[3]} x {x.shape[2]} px at a"):
            network.read(x, ["logits"])
        assert convnet().read(x, ["logits"])["logits"].shape == (len(x), 4)


def metered(most):
    return Allowance(largest=256, meter=Meter(most), name="made.png")


def test_every_picture_that_a_network_reads_is_counted_and_one_too_many_is_refused():
    allowance = metered(5)
    network = convnet().within(allowance)
    network.read(noise(2, 3, 16, 16), ["logits"])
    network.planned("picture").read(noise(3, 3, 16, 16), ["conv1"])
    assert allowance.meter.read == 5
    with pytest.raises(Mistake) as told:
        network.read(noise(1, 3, 16, 16), ["logits"])
    said = "made.png asks to read more than 5 pictures, which takes longer than a replay may; --patient lets it"
    assert str(told.value) == said


@pytest.mark.parametrize(("size", "counts"), [((1, 1), 1), ((16, 16), 1), ((16, 24), 1.5), ((32, 32), 4)])
def test_a_larger_picture_counts_as_several_and_a_smaller_one_as_one(size, counts):
    allowance = metered(100)
    allowance.count(3, size)
    assert allowance.meter.read == 3 * counts


@pytest.mark.parametrize(
    ("steps", "many", "size", "views", "said"),
    [
        (11, 1, (16, 16), 1, "11 steps of a picture of 16 x 16 px"),
        (4, 3, (8, 16), 1, "4 steps of 3 pictures of 16 x 8 px"),
        (2, 3, (16, 16), 2, "2 steps of 3 pictures of 16 x 16 px in 2 views"),
        (3, 1, (32, 32), 1, "3 steps of a picture of 32 x 32 px"),
    ],
)
def test_steps_that_would_take_too_long_are_refused_before_the_first(steps, many, size, views, said):
    whole = f"made.png asks for {said}, which takes longer than a replay may; --patient lets it"
    with pytest.raises(Mistake) as told:
        metered(10).check_steps(steps, many, size, views)
    assert str(told.value) == whole
    metered(12).check_steps(steps, many, size, views)


def test_what_was_read_before_is_a_part_of_the_whole():
    allowance = metered(10)
    allowance.count(3, (16, 16))
    allowance.check_steps(7, 1, (16, 16))
    assert allowance.meter.read == 3  # what is announced is not read yet
    with pytest.raises(Mistake, match=r"asks for 8 steps"):
        allowance.check_steps(8, 1, (16, 16))


def test_a_refusal_is_kept_for_whoever_goes_on_without_what_fails():
    allowance = metered(10)
    allowance.meter.check_kept()
    for refused in (lambda: allowance.count(11, (1, 1)), lambda: allowance.check_steps(11, 1, (1, 1))):
        with pytest.raises(Mistake) as first:
            refused()
        with pytest.raises(Mistake) as again:
            allowance.meter.check_kept()
        assert str(again.value) == str(first.value)
