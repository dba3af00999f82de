"""Does the gate's timing err as seldom as it says? `python -m benchmarks.timing_errors [--runs 10000]`.

Simulated gates: at each load both take as long, or the copy is as much faster or slower as is said, with noise that
lasts longer than a pair, and rare slow calls. Told are how often the 95 % interval holds the true ratio, and how often
the copy passes, by the gate's own rules.
"""

import argparse
import sys
from collections.abc import Mapping

import numpy as np

from app.rules import GateRules
from app.verdicts.gate import NOT_SLOWER
from app.verdicts.loads import FEWEST_ROUNDS
from app.verdicts.verdict import IN_FLIGHT
from converter.comparison.timing import Ratio, paired_ratio

LOADS: Mapping[str, int] = {"1": 60, "8": 20, IN_FLIGHT: FEWEST_ROUNDS}  # pairs, as many as there is time for
NOISE, SLOW, SLOWER = 0.08, 0.02, 5.0  # of the logarithm of a time; the share of slow calls, and how much slower


def main() -> int:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    args = parser.parse_args()
    for correlation in (0.0, 0.5, 0.7):
        for truth in (0.95, 1.0, 1.02, 1.1, 1.5):
            held, passed = simulated(truth, correlation, runs=args.runs)
            told = ", ".join(f"{share:.1%} at {load}" for load, share in held.items())
            print(
                f"correlation {correlation}, true ratio {truth}: the interval holds it in {told}; passes {passed:.2%}"
            )
    return 0


def simulated(truth: float, correlation: float, *, runs: int, seed: int = 0) -> tuple[dict[str, float], float]:
    """How often the interval holds the truth, by load; how often a copy of this speed passes."""
    rng = np.random.default_rng(seed)
    held, passed = dict.fromkeys(LOADS, 0), 0
    for _ in range(runs):
        ratios = {load: _timed(rng, truth, correlation, pairs) for load, pairs in LOADS.items()}
        for load, ratio in ratios.items():
            held[load] += ratio.low <= truth <= ratio.high
        lows = [ratio.low for ratio in ratios.values()]
        passed += max(lows) > GateRules().speedup and min(lows) > NOT_SLOWER
    return {load: count / runs for load, count in held.items()}, passed / runs


def _timed(rng: np.random.Generator, truth: float, correlation: float, pairs: int) -> Ratio:
    """Paired times: what lasts is the machine's, and touches one of a pair more than the other."""
    noise = rng.normal(0, NOISE, pairs)
    for pair in range(1, pairs):
        noise[pair] = correlation * noise[pair - 1] + np.sqrt(1 - correlation**2) * noise[pair]
    slow = np.where(rng.random((2, pairs)) < SLOW, SLOWER, 1.0)
    return paired_ratio(truth * np.exp(noise) * slow[0], slow[1])


if __name__ == "__main__":
    sys.exit(main())
