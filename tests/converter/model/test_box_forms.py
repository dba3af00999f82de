"""What the four numbers of a box mean: found in what a model answers, declared, or refused."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from converter.contract import UnusableModel
from converter.description import API, BOXES, KERAS, TPU, Description, Input
from converter.model.box_forms import Outputs, infer_box_form, read
from converter.model.placing import Placed

SIZES = [(640, 480), (300, 500)]
# Left, top, right, bottom in shares of a picture.
TRUE = np.array([[0.1, 0.2, 0.3, 0.9], [0.5, 0.05, 0.95, 0.4], [0.0, 0.6, 0.6, 1.0], [0.7, 0.7, 0.98, 0.8]])
SCORES, CLASSES = np.array([0.9, 0.8, 0.7, 0.6]), np.array([18.0, 1.0, 2.0, 3.0])
SCALED = 416
OUTPUTS = {
    API: {name: name for name in ("detection_boxes", "detection_scores", "detection_classes", "num_detections")},
    TPU: {"detections": "detections", "image_info": "image_info"},
    KERAS: {"detection_boxes": "boxes", "detection_scores": "confidence", "detection_classes": "classes"},
}


def described(convention: str) -> Description:
    return Description(input=Input(name="x"), convention=convention, outputs=OUTPUTS[convention])


def info(size: tuple[int, int]) -> Any:
    whole = np.array(size[::-1], np.float32)
    scaled = np.round(whole * SCALED / whole.max())
    return np.stack([whole, scaled, scaled / whole, np.zeros(2)]).astype(np.float32)


def written(reading: str, size: tuple[int, int]) -> Any:
    """TRUE in a reading, for a picture of this size."""
    order, _, unit = reading.partition("_")
    given = np.array(size) * (info(size)[2, ::-1] if unit == "scaled" else 1)
    boxes = TRUE * (1 if unit == "norm" else np.tile(given, 2))
    if order == "xywh":
        return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    return boxes[:, [1, 0, 3, 2]] if order == "yxyx" else boxes


def outputs(convention: str, reading: str, size: tuple[int, int], *, rows: int = 4) -> Outputs:
    boxes, scores, classes = written(reading, size)[:rows], SCORES[:rows], CLASSES[:rows]
    if convention == TPU:
        table = np.column_stack([np.zeros(rows), boxes, scores, classes])
        return {"detections": table[np.newaxis].astype(np.float32), "image_info": info(size)[np.newaxis]}
    found = [boxes[np.newaxis], scores[np.newaxis], classes[np.newaxis], np.array([rows])]
    return {name: value.astype(np.float32) for name, value in zip(OUTPUTS[convention].values(), found, strict=False)}


KNOWN = [
    (API, "yxyx_norm"),
    (API, "yxyx"),
    (KERAS, "xyxy"),
    (KERAS, "xyxy_norm"),
    (KERAS, "xywh"),
    (KERAS, "xywh_norm"),
]
KNOWN += [(TPU, order + unit) for order in ("yxyx", "xywh") for unit in ("", "_norm", "_scaled")]


@pytest.mark.parametrize(("convention", "reading"), KNOWN)
def test_the_reading_is_found_in_what_it_answers_and_gives_pixels(convention: str, reading: str) -> None:
    answers = [(outputs(convention, reading, size), Placed(size, size)) for size in SIZES]
    found = infer_box_form(described(convention), answers)
    assert (found.boxes, found.evidence[:20]) == (reading, "8 boxes on 2 photos ")
    for (answer, placed), size in zip(answers, SIZES, strict=True):
        (detections,) = read(answer, found, [placed])
        np.testing.assert_allclose(detections.boxes, TRUE * np.tile(size, 2), atol=0.01)
        assert detections.classes.tolist() == [18, 1, 2, 3]


def test_boxes_come_back_from_a_fixed_size() -> None:
    placed = Placed((640, 480), (416, 416), (0.65, 0.65))
    given = {**outputs(API, "yxyx_norm", (1, 1)), "detection_boxes": TRUE[np.newaxis][..., [1, 0, 3, 2]] * 0.5}
    (found,) = read(given, replace(described(API), boxes="yxyx_norm"), [placed])
    np.testing.assert_allclose(found.boxes, TRUE * 0.5 * 416 / 0.65, atol=0.01)


@pytest.mark.parametrize("convention", [TPU, KERAS])
def test_where_nothing_is_found_it_must_be_declared(convention: str) -> None:
    nothing = [(outputs(convention, "xywh", size, rows=0), Placed(size, size)) for size in SIZES]
    with pytest.raises(UnusableModel, match=r"it finds nothing in the probe photos; say it by DETECTOR_BOXES \("):
        infer_box_form(described(convention), nothing)


def test_the_object_detection_api_documents_its_own() -> None:
    nothing = [(outputs(API, "yxyx", size, rows=0), Placed(size, size)) for size in SIZES]
    found = infer_box_form(described(API), nothing)
    assert (found.boxes, "it finds nothing" in found.evidence) == ("yxyx_norm", True)


def test_rows_that_fill_up_are_no_detections() -> None:
    answer = dict(outputs(TPU, "xywh", SIZES[0]))
    answer["detections"][0, 2:, 5] = -1e5
    (found,) = read(answer, replace(described(TPU), boxes="xywh"), [Placed(SIZES[0], SIZES[0])])
    assert (len(found), found.dropped) == (2, 0)


def test_a_description_is_read_as_it_was_written() -> None:
    made = replace(described(TPU), boxes=BOXES[-1], evidence="declared", ignored=("masks",), notes=("one",))
    assert Description.from_json(made.to_json()) == made
    with pytest.raises(ValueError, match=r"description.json can't be understood"):
        Description.from_json("{}")
