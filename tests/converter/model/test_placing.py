"""Pictures fitted to a fixed size."""

import numpy as np
import pytest

from converter.model.placing import Placed, fit, resized

PHOTO = np.random.default_rng(0).integers(0, 256, (30, 60, 3), np.uint8)


def test_a_picture_of_the_right_size_is_left_as_it_is() -> None:
    np.testing.assert_array_equal(resized(PHOTO, (60, 30)), PHOTO)


def test_half_the_size_is_the_mean_of_two_by_two() -> None:
    expected = PHOTO.reshape(15, 2, 30, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(resized(PHOTO, (30, 15)), expected, atol=1e-4)


@pytest.mark.parametrize("into", [(1, 1), (7, 13), (200, 100)])
def test_it_is_stretched(into: tuple[int, int]) -> None:
    pixels, placed = fit(PHOTO, into, "stretch")
    assert pixels.shape == (into[1], into[0], 3)
    assert placed == Placed((60, 30), into, (into[0] / 60, into[1] / 30))


def test_it_is_padded_below_and_to_the_right() -> None:
    pixels, placed = fit(PHOTO, (90, 90), "pad")
    assert placed == Placed((60, 30), (90, 90), (1.5, 1.5))
    assert (pixels[45:] == 114).all()
    np.testing.assert_array_equal(pixels[:45], resized(PHOTO, (90, 45)))


def test_it_is_padded_on_both_sides() -> None:
    pixels, placed = fit(PHOTO, (90, 91), "pad-centre")
    assert placed == Placed((60, 30), (90, 91), (1.5, 1.5), (0, 23))
    assert (pixels[:23] == 114).all()
    np.testing.assert_array_equal(pixels[23:68], resized(PHOTO, (90, 45)))


def test_a_picture_one_pixel_wide_keeps_one() -> None:
    pixels, placed = fit(PHOTO[:, :1], (16, 16), "pad")
    assert pixels.shape == (16, 16, 3)
    assert placed.scale == (1.0, 16 / 30)
