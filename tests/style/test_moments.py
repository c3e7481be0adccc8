import torch

from phosphene.style.moments import added, blended, gram_distance, moments, spread_distance
from tests.small import normal


def test_they_are_the_means_products_and_deviations_of_the_positions():
    f = normal(2, 3, 20)
    m = moments(f)
    torch.testing.assert_close(m.mean, f.mean(2))
    torch.testing.assert_close(m.gram, torch.einsum("ncp,ndp->ncd", f, f) / 20)
    torch.testing.assert_close(m.covariance[1], torch.cov(f[1], correction=0))
    torch.testing.assert_close(m.deviation, (f.var(2, correction=0) + 1e-8).sqrt())


def test_parts_add_up_to_the_whole_and_weights_to_regions():
    f, w = normal(2, 3, 20), torch.rand(20, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for one, other in zip(added([moments(f[..., :7]), moments(f[..., 7:])]), moments(f), strict=True):
        torch.testing.assert_close(one, other)
    for one, other in zip(added([moments(f, w), moments(f, 1 - w)]), moments(f), strict=True):
        torch.testing.assert_close(one, other)
    inside = torch.zeros(20, dtype=torch.float64)
    inside[4:9] = 1
    for one, other in zip(moments(f, inside), moments(f[..., 4:9]), strict=True):
        torch.testing.assert_close(one, other)


def test_a_blend_is_the_mean_of_what_each_has_whatever_its_size():
    one, other = moments(normal(1, 3, 20)), moments(normal(1, 3, 50, seed=1))
    mixed = blended([one, other], [1, 3])
    torch.testing.assert_close(mixed.gram, one.gram / 4 + 3 * other.gram / 4)
    torch.testing.assert_close(mixed.mean, one.mean / 4 + 3 * other.mean / 4)


def test_distances_are_zero_at_the_target_one_at_nothing_and_have_the_right_slope():
    f, wanted = normal(1, 3, 20).requires_grad_(), moments(normal(1, 3, 30, seed=1))
    for distance in (gram_distance, spread_distance):
        assert distance(wanted, wanted).item() == 0
        torch.testing.assert_close(distance(moments(0 * f), wanted).item(), 1.0, atol=1e-3, rtol=0)
        assert torch.autograd.gradcheck(lambda f, distance=distance: distance(moments(f), wanted), f)
