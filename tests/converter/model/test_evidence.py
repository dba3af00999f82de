"""What the four numbers of a box mean: found in what a model answers to photos and changed ones, or refused."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from converter.contract import UnusableModel
from converter.description import API, COLUMNS, KERAS, TPU, Description
from converter.model.box_forms import read
from converter.model.evidence import read_boxes
from converter.model.placing import Placed, Size
from converter.reading import ORDERS
from tests.support.converter.trials import KIND, SIZES, TRUE, described, outputs, trials, written

KNOWN = [
    (convention, order + unit) for convention in (API, KERAS, COLUMNS) for order in ORDERS for unit in ("", "_norm")
]
KNOWN += [(TPU, order + unit) for order in ("yxyx", "xywh") for unit in ("", "_norm", "_scaled")]
INNER = ["yxyx@320x320", "xyxy@1024x1024", "xywh@300x300", "yxyx@640x640+pad-centre", "cxcywh@416x416+pad-corner"]
KNOWN += [(API, reading) for reading in (*INNER, "xyxy@512x288", "yxyx_norm+pad-centre", "yxyx_norm+pad-corner")]


@pytest.mark.parametrize(("convention", "reading"), KNOWN)
def test_the_reading_is_found_in_how_boxes_move_and_gives_pixels(convention: str, reading: str) -> None:
    asked = described(convention)
    found = read_boxes(asked, trials(asked, partial(written, reading)))
    assert (found.boxes, found.evidence[:41]) == (reading, "12 boxes on 3 photos, mirrored and padded")
    for size in SIZES:
        true = TRUE * np.tile(size, 2)
        (detections,) = read(outputs(convention, written(reading, true, size), size), found, [Placed(size, size)])
        np.testing.assert_allclose(detections.boxes, true, atol=0.02)
        assert detections.classes.tolist() == KIND.tolist()


@pytest.mark.parametrize("pad", ["centre", "corner"])
def test_where_a_padded_picture_lies_is_found_where_that_alone_is_not_said(pad: str) -> None:
    asked = described(API, boxes="yxyx_norm+pad")
    made = trials(asked, partial(written, f"yxyx_norm+pad-{pad}"))
    assert read_boxes(asked, made).boxes == f"yxyx_norm+pad-{pad}"
    assert read_boxes(asked, trials(asked, partial(written, "yxyx_norm"), rows=0)).boxes == "yxyx_norm+pad-centre"


def standing_still(boxes: NDArray[Any], size: Size) -> NDArray[Any]:
    return TRUE[:, [1, 0, 3, 2]]


def cropped(boxes: NDArray[Any], size: Size) -> NDArray[Any]:
    """In shares of the middle of the picture, of which the graph cuts off an eighth on each side."""
    return (written("yxyx_norm", boxes, size) - 0.125) / 0.75


def turned(boxes: NDArray[Any], size: Size) -> NDArray[Any]:
    """With y counted from below."""
    return written("yxyx_norm", boxes, size) * [-1, 1, -1, 1] + [1, 0, 1, 0]


@pytest.mark.parametrize("write", [standing_still, cropped, turned])
@pytest.mark.parametrize("convention", [API, KERAS, TPU])
def test_boxes_that_move_along_in_no_reading_are_refused(convention: str, write: Any) -> None:
    asked = described(convention)
    with pytest.raises(UnusableModel, match=r"no reading fits its 12 boxes on 3 photos: .* set DETECTOR_BOXES \(ORDER"):
        read_boxes(asked, trials(asked, write))


def test_readings_that_tell_too_little_apart_are_named() -> None:
    asked = replace(described(API), outputs={**described(API).outputs})
    made = trials(asked, lambda boxes, size: written("yxyx_norm", boxes, size)[:, [0, 1, 2, 3]], sizes=[(400, 400)] * 3)
    assert read_boxes(asked, made).boxes == "yxyx_norm"


@pytest.mark.parametrize("convention", [COLUMNS, KERAS])
@pytest.mark.parametrize(("rows", "why"), [(0, "it finds nothing in the probe photos"), (1, "too few")])
def test_where_little_is_found_it_must_be_declared(convention: str, rows: int, why: str) -> None:
    asked = described(convention)
    with pytest.raises(UnusableModel, match=rf"{why}; set DETECTOR_BOXES \("):
        read_boxes(asked, trials(asked, partial(written, "xywh"), rows=rows, sizes=SIZES[:2]))


@pytest.mark.parametrize(("convention", "reading"), [(API, "yxyx_norm"), (TPU, "yxyx_scaled")])
def test_what_a_kind_of_outputs_documents_is_taken_where_little_is_found(convention: str, reading: str) -> None:
    asked = described(convention)
    found = read_boxes(asked, trials(asked, partial(written, reading), rows=1, sizes=SIZES[:2]))
    assert (found.boxes, "is what its kind of outputs documents" in found.evidence) == (reading, True)
    with pytest.raises(UnusableModel, match="too few; set DETECTOR_BOXES"):
        read_boxes(asked, trials(asked, partial(written, "xyxy@9999x9999"), rows=1, sizes=SIZES[:2]))


def test_boxes_come_back_from_a_fixed_size() -> None:
    placed = Placed((640, 480), (416, 416), (0.65, 0.65), (0, 52))
    given = {**outputs(API, TRUE, (1, 1)), "detection_boxes": TRUE[np.newaxis][..., [1, 0, 3, 2]] * 0.5}
    (found,) = read(given, described(API, boxes="yxyx_norm"), [placed])
    whole = TRUE * 0.5 * 416 - [0, 52, 0, 52]
    np.testing.assert_allclose(found.boxes, np.clip(whole / 0.65, 0, [640, 480, 640, 480]), atol=0.01)


def test_rows_that_fill_up_are_no_detections() -> None:
    answer = dict(outputs(TPU, written("xywh", TRUE * 100, SIZES[0]), SIZES[0]))
    answer["detections"][0, 2:, 5] = -1e5
    (found,) = read(answer, described(TPU, boxes="xywh"), [Placed(SIZES[0], SIZES[0])])
    assert (len(found), found.dropped) == (2, 0)


def test_a_description_is_read_as_it_was_written() -> None:
    made = replace(described(TPU), boxes="xyxy@64x32+pad", evidence="declared", ignored=("masks",), notes=("one",))
    assert Description.from_json(made.to_json()) == made
    for wrong in ("{}", made.to_json().replace("xyxy@", "zyxy@"), made.to_json().replace('"TPU"', '"GPU"')):
        with pytest.raises(ValueError, match=r"description.json can't be understood"):
            Description.from_json(wrong)


@pytest.mark.parametrize("reading", ["yxyx_norm", "xyxy_norm", "yxyx"])
def test_boxes_that_are_rounded_outwards_to_a_coarse_grid_move_along_by_its_steps(reading: str) -> None:
    def rounded(boxes: NDArray[Any], size: Size) -> NDArray[Any]:
        step = 0.08 if reading.endswith("_norm") else 24
        outwards: NDArray[Any] = np.ceil(written(reading, boxes, size) / step) * step
        return outwards

    asked = described(API)
    assert read_boxes(asked, trials(asked, rounded)).boxes == reading
