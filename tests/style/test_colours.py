import torch

from phosphene.core.pictures.recolouring import luma, with_covariance, with_histogram
from phosphene.style.colours import meant, shown_in
from tests.small import noise


def test_luminance_is_read_in_grey_and_the_style_has_the_photographs_brightness_and_contrast():
    photo, style = 0.3 + 0.4 * noise(1, 3, 8, 8), noise(1, 3, 9, 7, seed=1)
    grey, (look,) = meant(photo, [style], "luminance")
    torch.testing.assert_close(grey, luma(photo).expand(-1, 3, -1, -1))
    assert torch.equal(look[:, 0], look[:, 2])
    torch.testing.assert_close(look.mean(), luma(photo).mean(), atol=1e-3, rtol=0)
    torch.testing.assert_close(look.std(correction=0), luma(photo).std(correction=0), atol=1e-3, rtol=0)


def test_what_is_painted_in_luminance_is_shown_in_the_photographs_chroma():
    photo, painted = 0.4 + 0.2 * noise(1, 3, 8, 8), 0.4 + 0.2 * luma(noise(1, 3, 8, 8, seed=1)).expand(-1, 3, -1, -1)
    shown = shown_in(painted, photo, "luminance")
    torch.testing.assert_close(shown - luma(shown), photo - luma(photo))
    torch.testing.assert_close(luma(shown), luma(painted))


def test_a_style_takes_over_the_photographs_colours_before_it_is_read():
    photo, style = noise(1, 3, 8, 8), noise(1, 3, 9, 7, seed=1)
    for colours, carried in (("histogram", with_histogram), ("linear", with_covariance)):
        kept, (look,) = meant(photo, [style], colours)
        assert kept is photo and torch.equal(look, carried(style, photo))
        assert shown_in(photo, photo, colours) is photo
    assert meant(photo, [style], "style")[1][0] is style


def test_a_style_of_one_brightness_stays_finite():
    _, (look,) = meant(noise(1, 3, 8, 8), [torch.full((1, 3, 9, 9), 0.5, dtype=torch.float64)], "luminance")
    assert look.isfinite().all()
