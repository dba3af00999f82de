"""Answers of a model written as rows, and what a comparison counts."""

import numpy as np

from converter.comparison.matching import Comparison
from converter.model.detections import Detections

Row = tuple[float, float, float, float, float, int]  # left, top, right, bottom; score; class


def answer(*rows: Row) -> Detections:
    table = np.array(rows, np.float64).reshape(-1, 6)
    return Detections(table[:, :4].astype(np.float32), table[:, 4].astype(np.float32), table[:, 5].astype(np.int32))


def counts(found: Comparison) -> tuple[int, int, int, int]:
    return found.matched, found.missing, found.extra, found.class_flips
