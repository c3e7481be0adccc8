"""How much may be made and read at a time, where a stranger says how much."""

import pytest

from phosphene.core.errors import Mistake
from phosphene.core.networks.allowance import UNLIMITED, Allowance
from tests.small import convnet, noise

SMALL = Allowance(picture=600, together=1200, read=2 * 256, name="made.png")


def test_whoever_is_nobodys_stranger_may_do_what_the_machine_can():
    UNLIMITED.check_made(10**9, (10**9, 10**9))
    UNLIMITED.check_read(10**9, (10**9, 10**9))


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
