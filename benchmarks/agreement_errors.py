"""Does the test of agreement err as seldom as it says? `python -m benchmarks.agreement_errors [--measure]`.

Runs are simulated: photos come one after the other, each with as many boxes as photos have, of which so many are wrong
as a copy with a known share loses, and wrong boxes come together as they do in photos. The test looks after each photo.
With `--measure` it is first measured how much they come together: native's answers to photos beside those to the same
photos in a worse quality, which are a copy that loses boxes.
"""

import argparse
import asyncio
import io
import itertools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from math import log

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from app.backends.backend import Backend, Spec
from app.backends.worker import start_worker
from app.images import Image, check
from app.settings import bundled_model
from converter.comparison.agreement import MOST_PHOTOS, total
from converter.comparison.matching import compare
from converter.comparison.sequential import CORRELATIONS, Counted, Shares
from converter.model import sampling
from converter.tolerance import Tolerance

LIMITS = Tolerance()
SHARES = Shares(LIMITS.good, LIMITS.bad)
BOXES = (0, 1, 1, 2, 2, 3, 3, 4, 5, 7, 10, 15)  # of a photo, each as likely: 4.4, many have few
WATCHED_PHOTOS = 5_000
QUALITIES = (8, 12, 20, 30)


@dataclass(frozen=True, slots=True)
class Tested:
    """How so many runs of the test ended, and how many photos half of them took."""

    passed: float
    failed: float
    photos: float


def main() -> int:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--measure", action="store_true")
    args = parser.parse_args()
    if args.measure:
        for quality, (share, correlation) in asyncio.run(measured()).items():
            print(f"photos at JPEG quality {quality}: {share:.1%} of the boxes wrong, correlation {correlation:.3f}")
    for correlation in (0.0, 0.1, 0.2, 0.3):
        for share in (0.005, 0.01, 0.02, 0.03, 0.05, 0.10):
            found = runs_of_the_test(share, correlation, runs=args.runs)
            print(
                f"correlation {correlation:.2f}, {share:.1%} wrong: passes {found.passed:.2%}, "
                f"fails {found.failed:.2%}, photos {found.photos:.0f}"
            )
        for share in (0.01, 0.05, 0.2, 1.0):
            alarms, photos = runs_of_the_watch(share, correlation, runs=max(1, args.runs // 5))
            print(f"correlation {correlation:.2f}, {share:.0%} wrong: alarms {alarms:.2%}, photos {photos:.0f}")
    return 0


def runs_of_the_test(share: float, correlation: float, *, runs: int, seed: int = 0) -> Tested:
    """The two-sided test, which looks after every photo."""
    rng, evidence = np.random.default_rng(seed), _tables()
    enough = log(1 / LIMITS.error)
    state = _Runs(runs)
    for number in itertools.count(1):
        boxes, wrong = _photo(rng, share, correlation, int(state.open.sum()))
        state.take(evidence[:, boxes, wrong], boxes)
        many = (state.boxes >= LIMITS.fewest_boxes) & (state.photos >= LIMITS.fewest_photos)
        state.end(state.evidence.min(axis=0) >= enough, number, passed=False)
        state.end(many & (state.evidence.max(axis=0) <= -enough), number, passed=True)
        state.end(state.photos >= MOST_PHOTOS, number, passed=False)
        if not state.open.any():
            break
    return Tested(float((state.ended > 0).mean()), float((state.ended < 0).mean()), float(np.median(state.at)))


def runs_of_the_watch(
    share: float, correlation: float, *, runs: int, good: int = 0, seed: int = 0
) -> tuple[float, float]:
    """How often a copy is blamed within 5,000 photos, and after how many half of those that are."""
    rng, evidence = np.random.default_rng(seed), _tables()
    held = np.full((len(CORRELATIONS), runs), -np.inf)
    at = np.zeros(runs)
    seen = np.zeros(runs)
    for number in range(1, good + WATCHED_PHOTOS + 1):
        boxes, wrong = _photo(rng, LIMITS.good if number <= good else share, correlation, runs)
        some = boxes > 0
        seen += some
        started = np.logaddexp(held, -np.log(np.maximum(seen, 1)) - np.log(seen + 1))
        held = np.where(some, started + evidence[:, boxes, wrong], held)
        at[(held.min(axis=0) >= log(1 / LIMITS.error)) & (at == 0)] = number
        if at.all():
            break
    return float((at > 0).mean()), float(np.median(at[at > 0])) if at.any() else 0.0


class _Runs:
    """Runs of the test that are open, and how the others ended."""

    def __init__(self, runs: int) -> None:
        self.boxes, self.photos, self.ended, self.at = (np.zeros(runs) for _ in range(4))
        self.evidence = np.zeros((len(CORRELATIONS), runs))

    @property
    def open(self) -> NDArray[np.bool_]:
        left: NDArray[np.bool_] = self.ended == 0
        return left

    def take(self, evidence: NDArray[np.float64], boxes: NDArray[np.intp]) -> None:
        left = self.open
        self.evidence[:, left] += evidence
        self.boxes[left] += boxes
        self.photos[left] += boxes > 0

    def end(self, which: NDArray[np.bool_], number: int, *, passed: bool) -> None:
        ending = which & self.open
        self.ended[ending] = 1 if passed else -1
        self.at[ending] = number


def _photo(
    rng: np.random.Generator, share: float, correlation: float, runs: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The number of boxes and of wrong ones in the next photo of each run."""
    boxes = rng.choice(BOXES, size=runs)
    shares = np.full(runs, share)
    if correlation and share < 1:
        strength = 1 / correlation - 1
        shares = rng.beta(share * strength, (1 - share) * strength, size=runs)
    return boxes.astype(np.intp), rng.binomial(boxes, shares).astype(np.intp)


def _tables() -> NDArray[np.float64]:
    """Evidence by the assumed correlation, the number of boxes and that of wrong ones."""
    most = max(BOXES)
    tables = np.zeros((len(CORRELATIONS), most + 1, most + 1))
    for place, correlation in enumerate(CORRELATIONS):
        for boxes in range(1, most + 1):
            for wrong in range(boxes + 1):
                tables[place, boxes, wrong] = SHARES.of_one(Counted(wrong, boxes), correlation)
    return tables


async def measured() -> dict[int, tuple[float, float]]:
    """By JPEG quality: the share of boxes that are wrong, and how much they come together in photos."""
    native = await start_worker(Spec(name="native", folder=bundled_model() / "1", max_batch=1))
    try:
        return {quality: await _worse(native, quality) for quality in QUALITIES}
    finally:
        await native.close()


async def _worse(native: Backend, quality: int) -> tuple[float, float]:
    found = []
    for number, photo in sampling.packaged_with_variations():
        (ours,), (theirs,) = await native.detect([_image(photo)]), await native.detect([_image(_again(photo, quality))])
        found.append(compare(ours, theirs, LIMITS, photo=str(number)))
    agreed = total(found)
    return agreed.wrong_share or 0.0, correlation(agreed.photos)


def correlation(photos: Sequence[Counted]) -> float:
    """Of two boxes of one photo in being wrong: the estimator of the analysis of variance (Fleiss 1981)."""
    boxes = np.array([each.boxes for each in photos], float)
    wrong = np.array([each.wrong for each in photos], float)
    share, groups, count = wrong.sum() / boxes.sum(), len(photos), boxes.sum()
    between = (boxes * (wrong / boxes - share) ** 2).sum() / (groups - 1)
    within = (wrong * (boxes - wrong) / boxes).sum() / (count - groups)
    usual = (count - (boxes**2).sum() / count) / (groups - 1)
    spread = between + (usual - 1) * within
    return float((between - within) / spread) if spread else 0.0


def _image(data: bytes) -> Image:
    return check(data, max_pixels=25_000_000)


def _again(photo: bytes, quality: int) -> bytes:
    out = io.BytesIO()
    PIL.Image.open(io.BytesIO(photo)).save(out, "JPEG", quality=quality)
    return out.getvalue()


if __name__ == "__main__":
    sys.exit(main())
