"""The paired ratio: its interval holds the truth as often as it claims, and rare slow calls don't decide."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from converter.comparison.timing import Ratio, order, paired_ratio, percentiles

Seconds = NDArray[np.float64]
TRUTH = 1.25
SERIES = 1000


def autoregressive(rng: np.random.Generator, shape: tuple[int, int], phi: float) -> Seconds:
    """Standard normal noise, one series a row, with correlation `phi` between neighbours."""
    noise = rng.standard_normal(shape)
    for i in range(1, shape[1]):
        noise[:, i] = phi * noise[:, i - 1] + np.sqrt(1 - phi**2) * noise[:, i]
    return noise


@dataclass(frozen=True, kw_only=True)
class Noise:
    """What disturbs every call, beside a drift of the machine by 20 %."""

    phi: float = 0  # correlation of the 5 % noise of neighbours
    jitter: float = 0  # noise without memory on top of it
    spikes: float = 0  # share of calls that take 3 to 10 times as long
    order: float = 0.05  # what the second call of a pair gains


def simulated(seed: int, pairs: int, noise: Noise, *, series: int = SERIES) -> tuple[Seconds, Seconds]:
    """Seconds of native and copy, 12.5 and 10 ms, as (series, pairs)."""
    rng, shape = np.random.default_rng(seed), (series, pairs)
    drift = 0.2 * autoregressive(rng, shape, 0.95)
    late = np.where(np.arange(pairs) % 2 == 0, 1, -1) * noise.order / 2  # native goes first, then the copy
    seconds = []
    for usual, sign in ((0.01 * TRUTH, 1), (0.01, -1)):
        logs = drift + 0.05 * autoregressive(rng, shape, noise.phi) + noise.jitter * rng.standard_normal(shape)
        slow = np.where(rng.random(shape) < noise.spikes, rng.uniform(3, 10, shape), 1)
        seconds.append(usual * np.exp(logs + sign * late) * slow)
    return seconds[0], seconds[1]


def ratios(native: Seconds, copy: Seconds, **options: Any) -> list[Ratio]:
    return [paired_ratio(*pair, **options) for pair in zip(native, copy, strict=True)]


def share_that_holds(found: list[Ratio]) -> float:
    return float(np.mean([each.low <= TRUTH <= each.high for each in found]))


@pytest.mark.parametrize(
    ("pairs", "phi"),
    [(12, 0), (12, 0.7), (20, 0), (20, 0.7), (40, 0), (40, 0.35), (40, 0.7), (120, 0.35), (400, 0), (400, 0.7)],
)
@pytest.mark.parametrize(("spikes", "jitter"), [(0, 0), (0.03, 0), (0, 0.03)], ids=["plain", "spikes", "jitter"])
def test_the_interval_holds_the_truth_as_often_as_it_claims(
    pairs: int, phi: float, spikes: float, jitter: float
) -> None:
    found = ratios(*simulated(1, pairs, Noise(phi=phi, spikes=spikes, jitter=jitter)))
    assert (0.92 if pairs >= 40 else 0.89) <= share_that_holds(found) <= 0.99
    assert np.mean([each.value for each in found]) == pytest.approx(TRUTH, rel=0.005)


def test_it_claims_no_more_than_it_should_where_noise_has_no_memory() -> None:
    """A wide interval holds the truth too: this one is near to what a known deviation would give."""
    found = ratios(*simulated(2, 400, Noise()))
    ideal = 1.96 * 0.05 * np.sqrt(2 / 400)
    assert share_that_holds(found) == pytest.approx(0.95, abs=0.02)
    assert np.median([(each.high - each.low) / 2 / each.value for each in found]) < 1.15 * ideal


@pytest.mark.parametrize("confidence", [0.8, 0.99])
def test_other_confidences_are_kept_too(confidence: float) -> None:
    found = ratios(*simulated(3, 120, Noise(phi=0.35, spikes=0.03)), confidence=confidence)
    assert share_that_holds(found) == pytest.approx(confidence, abs=0.05)


def test_rare_slow_calls_of_one_side_hardly_move_the_ratio() -> None:
    native, copy = (side[0] for side in simulated(4, 400, Noise(), series=1))
    native[::25] *= 10
    assert native.mean() / copy.mean() > 1.3 * TRUTH
    assert paired_ratio(native, copy).value == pytest.approx(TRUTH, rel=0.02)


def test_what_the_second_call_gains_cancels_and_does_not_widen_the_interval() -> None:
    found = paired_ratio(*(side[0] for side in simulated(5, 101, Noise(order=1), series=1)))
    without = paired_ratio(*(side[0] for side in simulated(5, 101, Noise(order=0), series=1)))
    assert found.value == pytest.approx(without.value, rel=0.001)
    assert found.high - found.low == pytest.approx(without.high - without.low, rel=0.01)


def test_noise_that_lasts_widens_the_interval() -> None:
    short, lasting = (ratios(*simulated(6, 200, Noise(phi=phi), series=20)) for phi in (0, 0.7))
    widths = [np.median([each.high - each.low for each in found]) for found in (short, lasting)]
    assert widths[1] > 1.8 * widths[0]


def test_equal_input_gives_an_equal_answer_and_the_seed_hardly_matters() -> None:
    native, copy = (side[0] for side in simulated(7, 60, Noise(phi=0.5), series=1))
    one, other = paired_ratio(native, copy), paired_ratio(native, copy, seed=1)
    assert one == paired_ratio(native.tolist(), copy.tolist())
    assert one.value == other.value
    assert other.low == pytest.approx(one.low, rel=0.01)


def test_a_copy_that_is_exactly_twice_as_fast() -> None:
    found = paired_ratio([0.02, 0.04, 0.06], [0.01, 0.02, 0.03])
    assert (found.value, found.low, found.high) == pytest.approx((2, 2, 2))
    assert found.to_json() == {"value": 2.0, "low": 2.0, "high": 2.0, "pairs": 3}


def test_two_pairs_say_almost_nothing() -> None:
    found = paired_ratio([0.010, 0.011], [0.010, 0.010])
    assert found.low < 0.7
    assert found.high > 1.5


times = st.floats(1e-5, 1e2)


@settings(deadline=None)
@given(st.lists(st.tuples(times, times), min_size=2, max_size=50))
def test_swapping_the_two_inverts_the_ratio(pairs: list[tuple[float, float]]) -> None:
    native, copy = zip(*pairs, strict=True)
    found, swapped = paired_ratio(native, copy), paired_ratio(copy, native)
    assert 0 < found.low <= found.value <= found.high
    inverse = (1 / swapped.value, 1 / swapped.high, 1 / swapped.low)
    assert (found.value, found.low, found.high) == pytest.approx(inverse, rel=1e-6)


@pytest.mark.parametrize(
    ("native", "copy", "message"),
    [
        ([], [], "an interval needs 2 pairs or more, not 0"),
        ([0.1], [0.1], "an interval needs 2 pairs or more, not 1"),
        ([0.1, 0.2], [0.1], "2 of native, 1 of the copy"),
        ([0.1, 0.0], [0.1, 0.1], "native times must be finite and above 0: number 1 is 0"),
        ([0.1, 0.1], [float("nan"), 0.1], "copy times must be finite and above 0: number 0 is nan"),
        ([0.1, float("inf")], [0.1, 0.1], "native times must be finite and above 0: number 1 is inf"),
        ([0.1, 0.1], [-0.1, 0.1], "number 0 is -0.1"),
        ([[0.1, 0.1]], [[0.1, 0.1]], "native times must be one list of seconds"),
    ],
)
def test_what_is_no_pair_of_times_is_refused(native: Any, copy: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        paired_ratio(native, copy)


def test_the_two_take_turns() -> None:
    assert [order(pair)[0] for pair in range(4)] == ["native", "copy", "native", "copy"]
    assert all(set(order(pair)) == {"native", "copy"} for pair in range(4))


def test_percentiles_of_times() -> None:
    found = percentiles([number / 1000 for number in range(101, 0, -1)])
    assert found == {
        "mean_s": 0.051,
        "min_s": 0.001,
        "p50_s": 0.051,
        "p90_s": 0.091,
        "p95_s": 0.096,
        "p99_s": 0.1,
        "max_s": 0.101,
    }


@pytest.mark.parametrize("seconds", [[], [0.0], [float("nan")]])
def test_percentiles_of_what_are_no_times_are_refused(seconds: list[float]) -> None:
    with pytest.raises(ValueError, match=r"need 1 time|above 0"):
        percentiles(seconds)
