"""Which output is what, told by its numbers; and what a model says of itself."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converter.contract import UnusableModel
from converter.description import COLUMNS, OWN_WORDS, ROWS_OF_SEVEN, ROWS_OF_SIX, TPU, Declared, Description, Input
from converter.model.own_words import with_own_words
from converter.model.roles import settle
from converter.outputs import BOXES, CLASSES, ROWS, SCORES

BOX = [10.0, 20.0, 30.0, 40.0]


def rows(*numbers: list[float]) -> Any:
    return [{"rows": np.array([[*numbers, [0.0] * len(numbers[0])]], np.float32)}]


def of_rows(convention: str) -> Description:
    return Description(input=Input(name="x"), convention=convention, outputs={ROWS: "rows"})


@pytest.mark.parametrize(
    ("convention", "answers", "found"),
    [
        (TPU, rows([0, *BOX, 0.9, 17], [0, *BOX, 0.4, 1]), TPU),
        (TPU, rows([0, *BOX, 17, 0.9], [0, *BOX, 1, 0.4]), ROWS_OF_SEVEN),
        (ROWS_OF_SIX, rows([*BOX, 0.9, 17], [*BOX, 0.4, 0]), ROWS_OF_SIX),
        (TPU, rows([0, *BOX, -1e5, -1]), TPU),
    ],
)
def test_what_a_row_is_shows_in_its_numbers(convention: str, answers: Any, found: str) -> None:
    assert settle(of_rows(convention), answers).convention == found


@pytest.mark.parametrize(
    ("convention", "answers"),
    [
        (TPU, rows([0.5, *BOX, 0.9, 17])),
        (TPU, rows([10, 20, 30, 40, 0.95, 0.97, 0.02])),
        (ROWS_OF_SIX, rows([*BOX, 90, 17])),
        (ROWS_OF_SIX, rows([*BOX, 0.9, 0.3])),
    ],
)
def test_rows_that_are_no_detections_are_refused_with_the_first_of_them(convention: str, answers: Any) -> None:
    with pytest.raises(UnusableModel, match=r"are not detections .* its first row is \d.*DETECTOR_OUTPUTS=head=rows"):
        settle(of_rows(convention), answers)


def columns(scores: list[float], classes: list[float]) -> Any:
    return [{"a": np.zeros((1, 2, 4)), "b": np.array([scores]), "c": np.array([classes])}]


OF_COLUMNS = Description(input=Input(name="x"), convention=COLUMNS, outputs={BOXES: "a", SCORES: "b", CLASSES: "c"})


@pytest.mark.parametrize(
    ("answers", "scores"),
    [(columns([0.9, 0.4], [3, 0]), "b"), (columns([3, 1], [0.9, 0.4]), "c"), (columns([0, 0], [0, 0]), "b")],
)
def test_scores_and_classes_are_told_apart_by_their_numbers(answers: Any, scores: str) -> None:
    assert settle(OF_COLUMNS, answers).outputs[SCORES] == scores


def test_scores_in_percent_are_refused() -> None:
    with pytest.raises(UnusableModel, match=r"the scores in 'b' go up to 90; scores from 0 to 1 are needed"):
        settle(OF_COLUMNS, columns([90, 40], [3, 1]))


def test_a_model_says_what_nobody_declares(tmp_path: Path) -> None:
    assert with_own_words(Declared(boxes="xywh"), tmp_path) == Declared(boxes="xywh")
    (tmp_path / OWN_WORDS).parent.mkdir()
    (tmp_path / OWN_WORDS).write_text('{"boxes": "yxyx", "input_scale": "0..1"}')
    assert with_own_words(Declared(boxes="xywh"), tmp_path) == Declared(boxes="xywh", input_scale="0..1")


@pytest.mark.parametrize("text", ["{", '{"colour": "red"}', '{"boxes": "zz"}', '{"nms_iou": 2}', '{"outputs": "x"}'])
def test_nonsense_that_it_says_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / OWN_WORDS).parent.mkdir()
    (tmp_path / OWN_WORDS).write_text(text)
    with pytest.raises(UnusableModel, match=r"what the model says of itself can't be read: "):
        with_own_words(Declared(), tmp_path)
