"""A dream in the photograph's colours."""

import torch

from phosphene.dreaming.colours import coloured
from tests.small import noise


def luma(x):
    return 0.299 * x[:, 0] + 0.587 * x[:, 1] + 0.114 * x[:, 2]


def test_chroma_is_the_photographs_and_luma_the_dreams():
    photo, dreamt = 0.3 + 0.4 * noise(1, 3, 6, 5), 0.3 + 0.4 * noise(2, 3, 6, 5, seed=1)
    found = coloured(dreamt, photo, "chroma")
    torch.testing.assert_close(luma(found), luma(dreamt))
    for colour in (0, 2):
        chroma = (photo[:, colour] - luma(photo)).expand(2, -1, -1)
        torch.testing.assert_close(found[:, colour] - luma(found), chroma)


def test_with_its_histogram_a_dream_has_the_photographs_values_in_its_own_order():
    photo, dreamt = noise(1, 3, 6, 5), noise(2, 3, 6, 5, seed=1)
    found = coloured(dreamt, photo, "histogram")
    for n in range(2):
        for c in range(3):
            order = dreamt[n, c].flatten().argsort(stable=True)
            assert torch.equal(found[n, c].flatten()[order], photo[0, c].flatten().sort().values)


def test_as_it_was_dreamt_it_is_left_alone():
    dreamt = noise(2, 3, 6, 5)
    assert coloured(dreamt, noise(1, 3, 6, 5), "dreamt") is dreamt
