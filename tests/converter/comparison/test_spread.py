"""The interval of a share of wrong boxes holds it as often as it says, also where boxes go wrong together."""

import numpy as np
import pytest

from converter.comparison.sequential import Counted
from converter.comparison.spread import FEWEST, interval

SETS = 400
BOXES = (1, 2, 3, 5, 10)


def photos(rng: np.random.Generator, share: float, together: float, count: int) -> list[Counted]:
    """Photos in which so many boxes are wrong, with this correlation."""
    boxes = rng.choice(BOXES, size=count)
    strength = 1 / together - 1
    shares = rng.beta(share * strength, (1 - share) * strength, size=count)
    return [Counted(int(wrong), int(of)) for wrong, of in zip(rng.binomial(boxes, shares), boxes, strict=True)]


@pytest.mark.parametrize(("share", "together"), [(0.05, 0.01), (0.05, 0.2), (0.3, 0.2)])
def test_it_holds_the_share(share: float, together: float) -> None:
    rng = np.random.default_rng(1)
    found = [interval(photos(rng, share, together, 200)) for _ in range(SETS)]
    assert np.mean([low <= share <= high for low, high in filter(None, found)]) == pytest.approx(0.95, abs=0.035)


def test_of_none_that_is_wrong_it_says_what_may_be_hidden() -> None:
    found = interval([Counted(0, 4)] * 100)
    assert found is not None
    assert found == pytest.approx((0, 0.0362), abs=1e-4)


def test_of_few_photos_there_is_none() -> None:
    assert interval([Counted(1, 4)] * (FEWEST - 1)) is None
