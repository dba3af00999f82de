"""Raw outputs become detections: pixels, order, and what is not a number."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from converter.model.detections import BOXES, CLASSES, COUNT, SCORES, Detections
from tests.support.converter.reading import from_outputs

Row = tuple[tuple[float, float, float, float], float, float]  # ymin, xmin, ymax, xmax; score; class

DOG: Row = ((0.4, 0.2, 0.9, 0.4), 0.9, 18)
CAR: Row = ((0.1, 0.6, 0.3, 0.9), 0.6, 3)
BIKE: Row = ((0.2, 0.1, 0.8, 0.7), 0.8, 2)
NAN, INF = float("nan"), float("inf")


def outputs(*pictures: list[Row], counts: list[float] | None = None) -> dict[str, NDArray[np.float32]]:
    """The four tensors of a batch; every picture has as many rows."""
    return {
        BOXES: np.array([[row[0] for row in rows] for rows in pictures], np.float32),
        SCORES: np.array([[row[1] for row in rows] for rows in pictures], np.float32),
        CLASSES: np.array([[row[2] for row in rows] for rows in pictures], np.float32),
        COUNT: np.array(counts or [len(rows) for rows in pictures], np.float32),
    }


def one(*rows: Row, size: tuple[int, int] = (100, 50), count: float | None = None) -> Detections:
    return from_outputs(outputs(list(rows), counts=None if count is None else [count]), [size])[0]


def test_boxes_are_left_top_right_bottom_in_pixels() -> None:
    found = one(DOG, size=(200, 100))
    np.testing.assert_allclose(found.boxes, [[40, 40, 80, 90]], rtol=1e-6)
    assert (found.classes.tolist(), found.scores.tolist()) == ([18], [pytest.approx(0.9)])
    assert [str(array.dtype) for array in (found.boxes, found.scores, found.classes)] == ["float32", "float32", "int32"]


def test_the_best_comes_first() -> None:
    found = one(CAR, DOG, BIKE)
    assert found.classes.tolist() == [18, 2, 3]
    assert found.boxes[:, 0].tolist() == pytest.approx([20, 10, 60])


def test_equal_scores_keep_the_order_of_the_model() -> None:
    rows = [((0, 0, 1, 1), 0.5, number) for number in range(20)]
    assert one(*rows).classes.tolist() == list(range(20))


def test_rows_beyond_the_count_are_left_out_and_not_dropped() -> None:
    found = one(DOG, CAR, BIKE, count=2)
    assert found.classes.tolist() == [18, 3]
    assert found.dropped == 0


@pytest.mark.parametrize(("count", "rows"), [(0, 0), (-1, 0), (99, 3), (NAN, 0), (INF, 3)])
def test_a_count_that_can_not_be_true_does_no_harm(count: float, rows: int) -> None:
    assert len(one(DOG, CAR, BIKE, count=count)) == rows


@pytest.mark.parametrize("wrong", [NAN, INF, -INF])
@pytest.mark.parametrize("place", ["ymin", "xmin", "ymax", "xmax", "score", "class"])
def test_a_detection_with_a_number_that_is_not_finite_is_dropped_and_counted(place: str, wrong: float) -> None:
    numbers = [0.1, 0.1, 0.9, 0.9, 0.7, 1.0]
    numbers[["ymin", "xmin", "ymax", "xmax", "score", "class"].index(place)] = wrong
    broken: Row = ((numbers[0], numbers[1], numbers[2], numbers[3]), numbers[4], numbers[5])
    found = one(CAR, broken, DOG)
    assert found.classes.tolist() == [18, 3]
    assert found.dropped == 1


def test_boxes_end_at_the_edge_of_the_picture() -> None:
    found = one(((-0.5, -0.1, 1.5, 1.1), 0.9, 1), size=(100, 50))
    assert found.boxes.tolist() == [[0, 0, 100, 50]]


def test_each_picture_is_scaled_by_its_own_size_and_padding_is_left_out() -> None:
    batch = outputs([DOG], [DOG], [BIKE], [BIKE])
    found = from_outputs(batch, [(100, 100), (1000, 10)])
    assert len(found) == 2
    np.testing.assert_allclose(found[0].boxes, [[20, 40, 40, 90]], rtol=1e-6)
    np.testing.assert_allclose(found[1].boxes, [[200, 4, 400, 9]], rtol=1e-6)


@pytest.mark.parametrize(
    ("threshold", "limit", "classes"),
    [
        (0.0, 100, [18, 2, 3]),
        (0.6, 100, [18, 2, 3]),  # the threshold itself is enough
        (0.61, 100, [18, 2]),
        (0.95, 100, []),
        (0.0, 1, [18]),
        (0.0, 0, []),
    ],
)
def test_best_keeps_what_is_asked_for(threshold: float, limit: int, classes: list[int]) -> None:
    scores = np.array([0.9, 0.8, 0.6], np.float64).astype(np.float32)
    found = Detections(np.zeros((3, 4), np.float32), scores, np.array([18, 2, 3], np.int32), dropped=4)
    kept = found.best(threshold=float(np.float32(threshold)), limit=limit)
    assert kept.classes.tolist() == classes
    assert len(kept.boxes) == len(kept.scores) == len(kept) == len(classes)
    assert kept.dropped == 4


def numbers(shape: tuple[int, ...]) -> Any:
    near = st.floats(-2, 2, width=32)
    return arrays(np.float32, shape, elements=near | st.sampled_from([NAN, INF, -INF]))


@settings(deadline=None)
@given(data=st.data(), rows=st.integers(0, 12), size=st.tuples(st.integers(1, 5000), st.integers(1, 5000)))
def test_whatever_the_model_says_the_boxes_lie_in_the_picture(
    data: st.DataObject, rows: int, size: tuple[int, int]
) -> None:
    batch = {
        BOXES: data.draw(numbers((1, rows, 4))),
        SCORES: data.draw(numbers((1, rows))),
        CLASSES: data.draw(numbers((1, rows))),
        COUNT: np.array([rows], np.float32),
    }
    found = from_outputs(batch, [size])[0]
    assert len(found) + found.dropped == rows
    assert np.isfinite(found.boxes).all()
    assert (found.boxes >= 0).all()
    assert (found.boxes <= np.array([*size, *size])).all()
    assert (np.diff(found.scores) <= 0).all()
