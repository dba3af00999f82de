"""Which class a file's first name belongs to: told by evidence, or not at all."""

from typing import Any

import pytest

from app.label_files import Labels
from app.label_ids import Seen, Undecided, first_class, needs_photos

EXPORT = {"output_kind": "object detection API", "ignored_outputs": ["raw_detection_boxes"]}
COPIED = {"output_kind": "object detection API"}
KERAS_CV = {"output_kind": "Keras", "outputs": {"boxes": "", "confidence": "", "classes": ""}}
TORCH = {"output_kind": "Keras", "outputs": {"boxes": "", "scores": "", "labels": ""}}
TPU = {"output_kind": "TPU"}
COCO = [
    "person",
    *(f"c{number}" for number in range(1, 15)),
    "cat",
    *(f"c{number}" for number in range(16, 79)),
    "toothbrush",
]


def alone(*names: str) -> Labels:
    return Labels(dict(enumerate(names)), "lines of names alone", has_ids=False)


def of_ids(names: dict[int, str]) -> Labels:
    return Labels(names, "JSON", has_ids=True)


@pytest.mark.parametrize(
    ("told", "found", "first", "says"),
    [
        (COPIED, [0, 2], 0, "class 0 in the packaged photos"),
        (COPIED, [1, 3], 1, "class 3 in the packaged photos"),
        (EXPORT, [2], 1, "exports of the object detection API count from 1"),
        (EXPORT, [0], 0, "class 0"),
        ({**EXPORT, "score_columns": 4}, [], 1, "count from 1"),
        (TPU, [], 1, "TPU exporters"),
        (KERAS_CV, [1], 0, "KerasCV's models count from 0"),
        ({"output_kind": "network's head"}, [1], 0, "places of their scores"),
        ({"output_kind": "rows of six"}, [], 0, "YOLO's exporters count from 0"),
        ({**TORCH, "score_columns": 3}, [1], 0, "scores of 3 classes"),
        ({**TORCH, "score_columns": 4}, [1], 1, "one of them the background"),
    ],
)
def test_the_evidence_tells_where_names_begin(told: dict[str, Any], found: list[int], first: int, says: str) -> None:
    file = alone("person", "bicycle", "car")
    assert needs_photos(file, told)
    decided, evidence = first_class(file, Seen(told, dict.fromkeys(found, 0.5)))
    assert decided == first
    assert says in evidence


@pytest.mark.parametrize(
    ("told", "found", "says"),
    [
        (COPIED, [1, 2], "neither its outputs nor what it finds"),
        (TORCH, [], "neither its outputs nor what it finds"),
        (COPIED, [0, 3], "3 names .* finds class 3"),
        (EXPORT, [57], "3 names .* finds class 57"),
        ({**EXPORT, "score_columns": 91}, [1], "3 names .* scores of 91 classes"),
        (KERAS_CV, [3], "3 names .* finds class 3"),
    ],
)
def test_what_the_evidence_does_not_tell_is_asked_for(told: dict[str, Any], found: list[int], says: str) -> None:
    with pytest.raises(Undecided, match=rf"{says}.*; say the class of the first name by DETECTOR_LABEL_OFFSET$"):
        first_class(alone("person", "bicycle", "car"), Seen(told, dict.fromkeys(found, 0.5)))


def test_coco_s_names_are_counted_without_gaps_only_if_what_is_in_the_photos_is_found_there() -> None:
    for told in (EXPORT, COPIED):
        first, why = first_class(alone(*COCO), Seen(told, {1: 0.9, 16: 0.8}))
        assert (first, why) == (1, "it finds 2 of person, cat, cup in the packaged photos by that")
    assert first_class(alone(*COCO), Seen(COPIED, {0: 0.9, 15: 0.8}))[0] == 0
    with pytest.raises(Undecided, match="up to 90"):
        first_class(alone(*COCO), Seen(EXPORT, {1: 0.9, 17: 0.8}))
    assert first_class(alone(*COCO), Seen({**EXPORT, "score_columns": 81}, {}))[0] == 1
    with pytest.raises(Undecided, match="scores of 91 classes"):
        first_class(alone(*COCO), Seen({**EXPORT, "score_columns": 91}, {1: 0.9}))


def test_ids_of_a_file_are_taken_where_nothing_speaks_against_them() -> None:
    one, background = of_ids({1: "person", 3: "car"}), of_ids({0: "background", 1: "person"})
    for told in (EXPORT, COPIED, TPU):
        assert first_class(one, Seen(told, {}))[0] == 1
        assert first_class(background, Seen(told, {}))[0] == 0
        assert not needs_photos(one, told)
    assert first_class(of_ids({0: "person"}), Seen(KERAS_CV, {}))[0] == 0


@pytest.mark.parametrize(
    ("file", "told", "found", "says"),
    [
        (of_ids({1: "person", 2: "car"}), TORCH, [0], "begin at 1, and it finds class 0"),
        (of_ids({1: "person", 2: "car"}), KERAS_CV, [], "begin at 1, and KerasCV's"),
        (of_ids({0: "background", 1: "person"}), KERAS_CV, [], "begin at 1, and KerasCV's"),
        (of_ids({0: "person", 1: "car"}), EXPORT, [], "begin at 0, and exports of"),
    ],
)
def test_ids_that_the_model_contradicts_are_not_taken(
    file: Labels, told: dict[str, Any], found: list[int], says: str
) -> None:
    with pytest.raises(Undecided, match=says):
        first_class(file, Seen(told, dict.fromkeys(found, 0.5)))


def test_ids_that_the_photos_confirm_are_taken_whatever_models_of_the_kind_do() -> None:
    file = of_ids({1: "person", 17: "cat", 47: "cup"})
    confirmed = {1: 0.9, 17: 0.8}
    found = (1, "by the ids in it, and it finds 2 of person, cat, cup by them")
    assert first_class(file, Seen(KERAS_CV, confirmed)) == found
    with pytest.raises(Undecided, match="their ids begin at 1, and KerasCV's models count from 0"):
        first_class(file, Seen(KERAS_CV, {1: 0.9, 16: 0.8}))
