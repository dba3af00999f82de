"""Time divided among batches that run at once."""

import pytest

from app.lanes.shares import Shares


def test_alone_a_batch_has_all_of_its_time() -> None:
    shares = Shares()
    assert shares.end(shares.begin(1.0), 3.5) == 2.5
    assert shares.end(shares.begin(10.0), 11.0) == 1.0, "nothing is counted while nothing runs"


def test_what_runs_at_once_shares_the_time_that_there_was() -> None:
    shares = Shares()
    one = shares.begin(0.0)
    other = shares.begin(1.0)
    first, second = shares.end(one, 3.0), shares.end(other, 4.0)
    assert (first, second) == (2.0, 2.0)
    assert first + second == pytest.approx(4.0)
