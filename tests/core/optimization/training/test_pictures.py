"""Pictures for a training: what is held out, and crops as somebody would cut them one by one."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from phosphene.core.errors import Mistake
from phosphene.core.optimization.keys import Key
from phosphene.core.optimization.training.pictures import PLACES, Examples, augmented, held_out, order_of, resized

NAMES = ["cat", "zebra", "crane"]


def examples(*many):
    """So many pictures of each class, no two alike."""
    labels = torch.cat([torch.full((n,), label) for label, n in enumerate(many)])
    numbers = torch.arange(len(labels))
    return Examples((numbers % 256).byte().view(-1, 1, 1, 1).expand(-1, 3, 8, 8), labels)


def numbers(one):
    return one.pictures[:, 0, 0, 0].tolist()


def test_a_tenth_of_each_class_is_held_out():
    learned, held = held_out(examples(600, 300, 200), NAMES)
    assert torch.bincount(held.labels).tolist() == [60, 30, 20]
    assert torch.bincount(learned.labels).tolist() == [540, 270, 180]


@pytest.mark.parametrize("many, held", [((80, 80), 40), ((150, 150), 64), ((5000, 5000), 512), ((2, 2), 2)])
def test_it_is_no_more_than_a_quarter_and_from_64_to_512(many, held):
    assert len(held_out(examples(*many), NAMES[: len(many)])[1].labels) == held


@settings(max_examples=25)
@given(st.lists(st.integers(2, 40), min_size=2, max_size=3), st.integers(0, 3))
def test_every_picture_is_in_one_part_and_every_class_in_both(many, seed):
    whole = examples(*many)
    learned, held = held_out(whole, NAMES[: len(many)], seed)
    assert sorted(numbers(learned) + numbers(held)) == numbers(whole)
    assert set(learned.labels.tolist()) == set(held.labels.tolist()) == set(range(len(many)))


def test_another_seed_holds_out_others():
    whole = examples(100, 100)
    assert numbers(held_out(whole, NAMES[:2], 0)[1]) != numbers(held_out(whole, NAMES[:2], 1)[1])
    assert numbers(held_out(whole, NAMES[:2], 1)[1]) == numbers(held_out(whole, NAMES[:2], 1)[1])


def test_a_class_without_two_pictures_is_named():
    with pytest.raises(Mistake, match="class 'zebra' has 1 picture; each needs two or more"):
        held_out(examples(3, 1), NAMES[:2])
    with pytest.raises(Mistake, match="class 'crane' has no picture"):
        held_out(examples(3, 2), NAMES)
    with pytest.raises(Mistake, match="there is one class, 'cat'"):
        held_out(examples(3), NAMES[:1])


def test_an_epoch_sees_every_picture_once_in_an_order_of_its_own():
    one, two = (order_of(50, Key(0, stage=stage)).tolist() for stage in range(2))
    assert sorted(one) == sorted(two) == list(range(50)) and one != two


def slow_augmented(pictures, key, side, crop, pad, flip):
    """Picture by picture, out of a copy with a mirrored border."""
    found = []
    for row, picture in enumerate(pictures.numpy()):
        top, left, turn = key.child(PLACES).uniform(torch.tensor([row]), 3)[0].tolist()
        padded = np.pad(picture, ((0, 0), (pad, pad), (pad, pad)), mode="reflect")
        most = padded.shape[1] - crop + 1
        cut = padded[:, int(top * most) :, int(left * most) :][:, :crop, :crop]
        found.append(cut[:, :, ::-1].copy() if flip and turn < 0.5 else cut)
    return resized(torch.from_numpy(np.stack(found)), side)


@pytest.mark.parametrize(
    "side, crop, pad, flip", [(8, 8, 2, True), (8, 8, 2, False), (6, 9, 1, True), (12, 5, 0, True)]
)
def test_a_batch_is_cut_as_each_picture_alone(side, crop, pad, flip):
    pictures = torch.randint(0, 256, (7, 3, 8, 8), generator=torch.Generator().manual_seed(0)).byte()
    key = Key(3, list(range(20, 27)), stage=1, step=4)
    found = augmented(pictures, key, side, (crop, crop), pad, flip)
    torch.testing.assert_close(found, slow_augmented(pictures, key, side, crop, pad, flip))


def test_crops_have_every_size_of_the_range():
    pictures = torch.arange(64).byte().view(1, 1, 8, 8).expand(1, 3, 8, 8)
    spreads = {
        int((cut.amax() - cut.amin()) * 255 + 0.5)
        for step in range(40)
        for cut in augmented(pictures, Key(0, [5], step=step), 2, (2, 4), 0, False).mul(1)
    }
    assert len(spreads) == 3  # averages of 2 x 2 pixels out of squares of 2, 3 and 4


def test_pictures_of_any_size_end_in_the_unit_interval():
    x = resized(torch.tensor([0, 255]).byte().repeat(32).view(1, 1, 8, 8).expand(1, 3, 8, 8), 13)
    assert x.shape == (1, 3, 13, 13) and x.min() >= 0 and x.max() <= 1
