"""Is the paired ratio's interval honest on this machine? `python -m benchmarks.self_ratio [--runs 40] [--pairs 40]`.

A worker is timed against itself as the gate does it, again and again: the true ratio is 1, and the 95 % interval should
hold it in 95 of 100 runs. Then against a second worker of the same model: two processes are never quite as fast, by
how their memory lies, and no interval of one pair of processes can know it; the gate's 1.02 must be above that.
"""

import argparse
import asyncio
import statistics
import sys
from collections.abc import Sequence

from app.backends.backend import Backend, Spec
from app.backends.worker import start_worker
from app.images import Image, Intake
from app.settings import bundled_model
from app.verdicts.gate_pictures import pictures
from app.verdicts.loads import seconds_of
from converter.comparison.timing import Ratio, order, paired_ratio


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--pairs", type=int, default=40)
    args = parser.parse_args()
    for what, ratios in asyncio.run(measure(args.runs, args.pairs)).items():
        tell(what, ratios)
    return 0


def tell(what: str, ratios: Sequence[Ratio]) -> None:
    """The runs in short."""
    held = sum(ratio.low <= 1 <= ratio.high for ratio in ratios)
    widths = [ratio.high / ratio.low - 1 for ratio in ratios]
    passed = sum(ratio.low > 1.02 or 1 / ratio.high > 1.02 for ratio in ratios)
    print(f"{what}: {len(ratios)} runs of {ratios[0].pairs} pairs, batch 1; the interval held 1 in {held}")
    print(f"- its width: median {statistics.median(widths):.1%}, at most {max(widths):.1%}")
    print(f"- ratios from {min(r.value for r in ratios):.4f} to {max(r.value for r in ratios):.4f}")
    print(f"- runs in which one of the two would have passed as faster (lower bound above 1.02): {passed}")


async def measure(runs: int, pairs: int) -> dict[str, list[Ratio]]:
    """The ratio of each run."""
    spec = Spec(name="native", folder=bundled_model() / "1", max_batch=1)
    one, other = await start_worker(spec), await start_worker(spec)
    try:
        photos = [each.image for each in pictures(None, Intake(25_000_000), "small")]
        itself = [await run(one, one, photos, pairs) for _ in range(runs)]
        return {"itself": itself, "another": [await run(one, other, photos, pairs) for _ in range(runs)]}
    finally:
        await one.close()
        await other.close()


async def run(one: Backend, other: Backend, photos: Sequence[Image], pairs: int) -> Ratio:
    """One run, as the gate does it."""
    seconds: dict[str, list[float]] = {"native": [], "copy": []}
    for pair in range(pairs):
        batch = [photos[pair % len(photos)]]
        for role in order(pair):
            seconds[role].append(await seconds_of(one if role == "native" else other, batch))
    return paired_ratio(seconds["native"], seconds["copy"])


if __name__ == "__main__":
    sys.exit(main())
