"""The lesson's own data: the same for the same seed, and nothing but the photographs in it."""

import pytest
import torch

from phosphene.core.pictures.samples import SAMPLES
from phosphene.faces.lessons.views import PHOTOGRAPHS, views


@pytest.mark.slow
def test_ten_photographs_have_so_many_views_each_and_the_same_ones_for_the_same_seed():
    data, again, other = views(3, each=2), views(3, each=2), views(4, each=2)
    assert data.pictures.shape == (20, 3, 32, 32)
    assert data.labels.tolist() == [i // 2 for i in range(20)]
    assert data.names[:3] == ["astronaut 0", "astronaut 1", "camera 0"]
    assert data.classes[5] == "hubble deep field" and set(PHOTOGRAPHS) <= set(SAMPLES)
    assert torch.equal(data.pictures, again.pictures) and not torch.equal(data.pictures, other.pictures)


def test_the_tint_of_a_view_says_nothing_about_its_photograph():
    data = views(0, each=40)
    means = data.pixels().mean((2, 3)).view(10, 40, 3).mean(1)  # of each photograph's views
    assert float((means - 0.5).abs().max()) < 0.07  # three deviations of a mean of 40
    spread = data.pixels().mean((2, 3)).std(0)
    assert float(spread.min()) > 0.08
