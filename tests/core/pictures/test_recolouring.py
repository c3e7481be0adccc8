import torch

from phosphene.core.pictures.recolouring import luma, with_chroma, with_covariance, with_histogram
from tests.small import noise


def brightness(x):
    return 0.299 * x[:, 0] + 0.587 * x[:, 1] + 0.114 * x[:, 2]


def test_luma_is_how_bright_a_pixel_is():
    x = noise(2, 3, 4, 5)
    torch.testing.assert_close(luma(x)[:, 0], brightness(x))


def test_chroma_is_the_others_and_luma_the_pictures():
    photo, pictures = 0.3 + 0.4 * noise(1, 3, 6, 5), 0.3 + 0.4 * noise(2, 3, 6, 5, seed=1)
    found = with_chroma(pictures, photo)
    torch.testing.assert_close(brightness(found), brightness(pictures))
    for colour in (0, 2):
        chroma = (photo[:, colour] - brightness(photo)).expand(2, -1, -1)
        torch.testing.assert_close(found[:, colour] - brightness(found), chroma)


def test_with_its_histogram_a_picture_has_the_others_values_in_its_own_order():
    photo, pictures = noise(1, 3, 6, 5), noise(2, 3, 6, 5, seed=1)
    found = with_histogram(pictures, photo)
    for n in range(2):
        for c in range(3):
            order = pictures[n, c].flatten().argsort(stable=True)
            assert torch.equal(found[n, c].flatten()[order], photo[0, c].flatten().sort().values)


def test_a_histogram_of_another_size_is_the_same_at_its_own():
    photo, pictures = noise(1, 3, 4, 5), noise(1, 3, 12, 10, seed=1)
    found = with_histogram(pictures, photo)
    torch.testing.assert_close(found.mean((2, 3)), photo.mean((2, 3)), atol=0.01, rtol=0)
    assert found.amin() >= photo.amin() and found.amax() <= photo.amax()


def test_with_its_covariance_a_picture_has_the_others_mean_and_covariance_of_colours():
    photo, pictures = 0.4 + 0.2 * noise(1, 3, 20, 20), 0.2 + 0.5 * noise(2, 3, 16, 12, seed=1)
    photo[:, 1] = 0.7 * photo[:, 0] + 0.3 * photo[:, 1]
    for found in with_covariance(pictures, photo).flatten(2):
        torch.testing.assert_close(found.mean(1), photo[0].flatten(1).mean(1))
        torch.testing.assert_close(
            torch.cov(found, correction=0), torch.cov(photo[0].flatten(1), correction=0), atol=1e-5, rtol=1e-3
        )


def test_the_colours_of_a_picture_of_one_colour_stay_finite():
    found = with_covariance(torch.full((1, 3, 4, 4), 0.5), noise(1, 3, 5, 5).float())
    assert found.isfinite().all() and found.dtype == torch.float32
