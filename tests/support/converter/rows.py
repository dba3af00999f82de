"""Answers of a model written as rows, and what a comparison counts."""

import numpy as np

from converter.comparison.agreement import Verdict, total
from converter.comparison.matching import Comparison, compare
from converter.model.detections import Detections
from converter.tolerance import Tolerance

Row = tuple[float, float, float, float, float, int]  # left, top, right, bottom; score; class

LIMITS = Tolerance()
DOG: Row = (0, 0, 100, 100, 0.9, 18)
CAR: Row = (300, 0, 400, 50, 0.8, 3)


def answer(*rows: Row) -> Detections:
    table = np.array(rows, np.float64).reshape(-1, 6)
    return Detections(table[:, :4].astype(np.float32), table[:, 4].astype(np.float32), table[:, 5].astype(np.int32))


def counts(found: Comparison) -> tuple[int, int, int, int]:
    return found.matched, found.missing, found.extra, found.class_flips


def scored(score: float, row: Row = DOG) -> Row:
    return (*row[:4], score, row[5])


def many(boxes: int = 30) -> Detections:
    """Boxes of three classes beside each other."""
    rows: list[Row] = [(200.0 * i, 10, 200.0 * i + 90, 70, 0.95 - 0.01 * i, i % 3) for i in range(boxes)]
    return answer(*rows)


def judged(native: Detections, copy: Detections, limits: Tolerance = LIMITS) -> Verdict:
    return total([compare(native, copy, limits)]).verdict(limits)
