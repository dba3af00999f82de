"""The test of the share of wrong boxes errs no more often than it says, however often one looks."""

import pytest

from benchmarks.agreement_errors import correlation, runs_of_the_test, runs_of_the_watch
from converter.comparison.sequential import CORRELATIONS, Counted, Shares, Watch, merged

RUNS = 1000
SHARES = Shares(0.01, 0.05)


def test_evidence_speaks_against_a_copy_by_its_wrong_boxes() -> None:
    assert SHARES.evidence([Counted(0, 5)]).largest < 0 < SHARES.evidence([Counted(1, 5)]).least
    apart, together = SHARES.evidence([Counted(1, 5)] * 2), SHARES.evidence([Counted(2, 10)])
    assert together.least < apart.least, "boxes of one photo go wrong together: it may be one mistake"


def test_photos_of_one_name_are_one() -> None:
    assert merged([Counted(1, 2, "a"), Counted(0, 3), Counted(0, 4, "a")]) == (Counted(1, 6, "a"), Counted(0, 3))


@pytest.mark.parametrize("together", CORRELATIONS)
def test_neither_a_good_copy_nor_a_bad_one_is_mistaken_more_often_than_it_says(together: float) -> None:
    good, bad = (runs_of_the_test(share, together, runs=RUNS, seed=1) for share in (0.01, 0.05))
    assert good.failed <= 0.05
    assert bad.passed <= 0.05
    assert good.passed >= 0.95
    assert bad.failed >= 0.95


def test_a_copy_that_stays_good_is_hardly_ever_blamed_and_one_that_is_bad_always() -> None:
    alarms, _ = runs_of_the_watch(0.01, 0.2, runs=RUNS // 5, seed=1)
    assert alarms <= 0.05
    alarms, photos = runs_of_the_watch(0.2, 0.2, runs=RUNS // 5, seed=1)
    assert alarms == 1
    assert photos < 50


def test_what_was_good_for_long_does_not_hide_what_is_bad_now() -> None:
    watch = Watch(SHARES, error=0.05)
    for _ in range(5000):
        watch.add(Counted(0, 4))
    assert not watch.alarmed
    for _ in range(12):
        watch.add(Counted(4, 4))
    assert watch.alarmed


def test_correlation_is_found() -> None:
    together = [Counted(5, 5)] * 3 + [Counted(0, 5)] * 17
    apart = [Counted(1, 5)] * 15 + [Counted(0, 5)] * 5
    assert correlation(together) == pytest.approx(1)
    assert correlation(apart) < 0.05
