"""What is rounding between two answers, and what is another answer."""

from dataclasses import replace

import numpy as np
import pytest

from converter.comparison.rounding import beyond
from converter.model.detections import Detections
from converter.tolerance import Tolerance
from tests.support.converter.rows import answer

FOUND = answer(*((x, y, x + 90, y + 70, 0.9 - x / 1e4, 1) for x in range(0, 1200, 120) for y in range(0, 1200, 120)))
REACH = float(FOUND.boxes.max())


def moved(by: float, rows: int = 100) -> Detections:
    return replace(FOUND, boxes=FOUND.boxes + np.where(np.arange(100) < rows, by, 0)[:, None].astype(np.float32))


def scored(by: float) -> Detections:
    return replace(FOUND, scores=FOUND.scores - np.float32(by))


@pytest.mark.parametrize(
    ("copy", "expected"),
    [
        (FOUND, False),
        (moved(1e-4 * REACH), False),
        (moved(2e-3 * REACH), True),
        (moved(2e-3 * REACH, rows=2), False),
        (moved(2e-3 * REACH, rows=3), True),
        (scored(1e-4), False),
        (scored(5e-3), True),
        (answer(), True),
    ],
    ids=[
        "the same",
        "moved by the fifth digit",
        "moved by the third",
        "two of a hundred, as where scores are the same",
        "three of a hundred",
        "scores differ in the fifth digit",
        "scores differ in the third",
        "nothing found",
    ],
)
def test_more_than_rounding(copy: Detections, expected: bool) -> None:
    assert beyond([(FOUND, copy)], Tolerance()) is expected


def test_where_nothing_is_found_nothing_differs() -> None:
    assert beyond([(answer(), answer())], Tolerance()) is False
