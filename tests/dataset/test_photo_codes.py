"""A photograph's code is what the index would hold of it."""

import numpy as np
import pytest
import torch

from phosphene.core.errors import Mistake
from phosphene.dataset.photo_codes import photo_codes, shown, small_picture
from tests.small import levels
from tests.small_index import small_network


@pytest.mark.parametrize("layer", ["relu2", "logits"])
def test_the_code_of_an_image_of_the_index_is_the_one_that_is_there(small, layer):
    _, index = small
    found = photo_codes(index, small_network(), layer, [index.photo(3), index.photo(50)])
    np.testing.assert_allclose(found, np.asarray(index.codes(layer)[[3, 50]], float), rtol=2e-3, atol=1e-6)


def test_what_float16_cannot_hold_is_cut_off_as_in_an_index(small):
    _, index = small
    network = small_network()
    with torch.no_grad():
        network.model.conv2.weight *= 1e8
    found = photo_codes(index, network, "relu2", [index.photo(3)])
    assert found.max() == 65504


def test_a_wrong_layer_is_told_before_a_picture_is_opened(small):
    _, index = small
    with pytest.raises(Mistake, match="has no layer 'relu3'; did you mean"):
        photo_codes(index, small_network(), "relu3", ["nowhere.png"])


def test_a_small_picture_is_what_the_network_is_fed(small):
    _, index = small
    assert small_picture(index, small_network(), index.photo(0), 12).size == (12, 12)
    assert shown(levels(1, 1, 4, 4)).shape == (1, 3, 4, 4) and shown(levels(1, 5, 4, 4)).shape == (1, 3, 4, 4)
