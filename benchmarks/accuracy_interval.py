"""Does the interval of `python -m converter evaluate` hold? `python -m benchmarks.accuracy_interval [--runs 400]`.

Made-up pictures, of which a detector finds most objects, and a copy the same with a little noise of its own: so many
sets of pictures are drawn, and told is in how many of them the 95 % interval holds the difference that a very large set
has.
"""

import argparse
import sys
from dataclasses import replace

import numpy as np

from converter.evaluation.difference import difference
from converter.evaluation.scoring import score
from converter.model.detections import Detections
from tests.support.converter.known import Scene, scene

MOST = 4_000  # pictures of the very large set
NOISE = {"a little worse": 0.02, "worse": 0.06}  # of a box, in parts of its size


def main() -> int:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--resamples", type=int, default=200)
    args = parser.parse_args()
    for words, noise in NOISE.items():
        truth = _apart(scene(seed=1_000_000, pictures=MOST), noise, 2)[0]
        for pictures in (20, 50, 200):
            told = [_apart(scene(seed=seed, pictures=pictures), noise, args.resamples) for seed in range(args.runs)]
            held = np.mean([low <= truth <= high for _, low, high in told])
            width = np.median([high - low for _, low, high in told])
            print(f"{words} by {truth:+.4f}, {pictures} pictures: held in {held:.1%}, width {width:.4f}", flush=True)
    return 0


def _apart(seen: Scene, noise: float, resamples: int) -> tuple[float, float, float]:
    rng = np.random.default_rng(len(seen.truth.boxes))
    copy = [_moved(each, noise, rng) for each in seen.found]
    native, ours = (score(seen.truth, found, seen.category_of).matches for found in (seen.found, copy))
    found = difference(native, ours, pictures=len(seen.truth.ids), resamples=resamples)
    return found.value, found.low or 0.0, found.high or 0.0


def _moved(found: Detections, noise: float, rng: np.random.Generator) -> Detections:
    sides = (found.boxes[:, 2:] - found.boxes[:, :2])[:, [0, 1, 0, 1]]
    moved = found.boxes + noise * sides * rng.standard_normal(found.boxes.shape)
    return replace(found, boxes=moved.astype(np.float32))


if __name__ == "__main__":
    sys.exit(main())
