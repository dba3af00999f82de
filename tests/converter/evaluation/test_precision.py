"""Average precision of resampled pictures: what COCO's own evaluation gives, for pictures that count several times."""

import numpy as np
import pytest

from converter.evaluation.difference import FEWEST, difference
from converter.evaluation.precision import mean_average_precision
from converter.evaluation.scoring import score
from tests.support.converter.known import Scene, again, scene


@pytest.fixture(scope="module")
def street() -> Scene:
    """Pictures with crowds, equal scores, a category without objects and pictures without any."""
    return scene(seed=1, pictures=30)


def means(seen: Scene, weights: list[int]) -> float:
    matches = score(seen.truth, seen.found, seen.category_of).matches
    return float(mean_average_precision(matches, np.array([weights], float))[0])


def test_with_each_picture_once_it_is_cocos(street: Scene) -> None:
    theirs = score(street.truth, street.found, street.category_of).precisions["map"]
    assert theirs is not None
    assert 0.1 < theirs < 0.9
    assert means(street, [1] * 30) == pytest.approx(theirs, abs=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_pictures_that_count_several_times_are_as_if_they_were_there_several_times(seed: int, street: Scene) -> None:
    weights = np.random.default_rng(seed).multinomial(30, np.full(30, 1 / 30)).tolist()
    repeated = again(street, weights)
    theirs = score(repeated.truth, repeated.found, repeated.category_of).precisions["map"]
    assert means(street, weights) == pytest.approx(theirs, abs=2e-3), "equal scores may come in another order"


def test_who_finds_the_same_differs_by_nothing(street: Scene) -> None:
    matches = score(street.truth, street.found, street.category_of).matches
    found = difference(matches, matches, pictures=30, resamples=100)
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_what_is_lost_for_sure_is_told_for_sure(street: Scene) -> None:
    native = score(street.truth, street.found, street.category_of).matches
    worse = [each.best(threshold=0.6, limit=len(each)) for each in street.found]
    found = difference(native, score(street.truth, worse, street.category_of).matches, pictures=30, resamples=200)
    assert found.low is not None
    assert found.high is not None
    assert found.low <= found.value <= found.high < 0


def test_of_few_pictures_there_is_no_interval() -> None:
    few = scene(seed=2, pictures=FEWEST - 1)
    matches = score(few.truth, few.found, few.category_of).matches
    found = difference(matches, matches, pictures=FEWEST - 1)
    assert (found.value, found.low, found.high) == (0, None, None)
