"""The architecture of the embedded photo networks: its batch normalization can be folded, and put back."""

import copy

import torch

from phosphene.models.photo import Photo, folded, unfolded
from tests.small import noise, stirred


def test_batch_normalization_is_folded_and_put_back_with_the_same_answers():
    torch.manual_seed(0)
    model = stirred(Photo(7, norm=True))
    before = copy.deepcopy(model.state_dict())
    x = noise(4, 3, 32, 32, dtype=torch.float32)
    with torch.no_grad():
        answers = model(x)
        plain = folded(model)
        torch.testing.assert_close(plain(x), answers, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(unfolded(plain, Photo(7, norm=True), x).eval()(x), answers, atol=1e-3, rtol=1e-3)
    assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in plain.modules())
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in before.items())
