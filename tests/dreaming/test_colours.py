"""A dream in the photograph's colours."""

import torch

from phosphene.core.pictures.recolouring import with_chroma, with_histogram
from phosphene.dreaming.colours import coloured
from tests.small import noise


def test_a_dream_has_the_photographs_colours_in_the_way_that_is_asked_for():
    photo, dreamt = noise(1, 3, 6, 5), noise(2, 3, 6, 5, seed=1)
    assert torch.equal(coloured(dreamt, photo, "chroma"), with_chroma(dreamt, photo))
    assert torch.equal(coloured(dreamt, photo, "histogram"), with_histogram(dreamt, photo))
    assert coloured(dreamt, photo, "dreamt") is dreamt
