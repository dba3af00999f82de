"""Which output is what, where only its numbers can tell: scores beside classes, and the numbers of a row."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converter.contract import UnusableModel
from converter.description import COLUMNS, LAYOUTS, ROWS_OF_SEVEN, ROWS_OF_SIX, TPU, Description, Layout
from converter.model.found import Outputs
from converter.outputs import CLASSES, ROWS, SCORES

MOST_SCORE = 1.001  # rounding errors of FP16 included
_SIX = 6  # numbers in a row without the picture's


def settle(description: Description, answers: Sequence[Outputs]) -> Description:
    """The description with its outputs named right, by what they hold; UnusableModel if they hold no detections."""
    if ROWS in description.outputs:
        return _settled_rows(description, _rows(description, answers))
    if description.convention == COLUMNS:
        description = _settled_columns(description, answers)
    name = description.outputs[SCORES]
    _check(name, _joined(each[name] for each in answers))
    return description


def _rows(description: Description, answers: Sequence[Outputs]) -> NDArray[Any]:
    """All rows, one below the other."""
    rows = [np.asarray(each[description.outputs[ROWS]], np.float64) for each in answers]
    return np.concatenate([each.reshape(-1, each.shape[-1]) for each in rows])


def _settled_rows(description: Description, rows: NDArray[Any]) -> Description:
    name = description.outputs[ROWS]
    kinds = (ROWS_OF_SIX,) if rows.shape[-1] == _SIX else (TPU, ROWS_OF_SEVEN)
    there = rows[np.isfinite(rows).all(axis=1) & (rows != 0).any(axis=1)]
    fitting = [kind for kind in kinds if _fits(there, LAYOUTS[kind])]
    if not fitting:
        raise UnusableModel(_strange(name, there, LAYOUTS[kinds[0]]))
    return replace(description, convention=fitting[0])


def _fits(rows: NDArray[Any], layout: Layout) -> bool:
    """Whether rows may be of this layout: a picture's number from 0 up, a score from 0 to 1, a class."""
    kept = rows[rows[:, layout.score] > 0]
    if layout.image is not None and not _are_whole(kept[:, layout.image]):
        return False
    return bool((kept[:, layout.score] <= MOST_SCORE).all()) and _are_whole(kept[:, layout.kind])


def _are_whole(numbers: NDArray[Any]) -> bool:
    return bool((numbers == np.round(numbers)).all() and (numbers >= 0).all())


def _strange(name: str, rows: NDArray[Any], layout: Layout) -> str:
    first = ", ".join(f"{number:.4g}" for number in rows[0]) if len(rows) else "nothing"
    image = "the picture's number, " if layout.image is not None else ""
    return (
        f"the output {name!r} has rows of {rows.shape[-1]} numbers that are not detections ({image}a box, a score from "
        f"0 to 1 and a whole class are needed; its first row is {first}); if they are a network's head, before NMS, "
        f"export the model with NMS inside, or say DETECTOR_OUTPUTS=head={name}"
    )


def _settled_columns(description: Description, answers: Sequence[Outputs]) -> Description:
    """With scores and classes the other way round, if only that can be."""
    roles = dict(description.outputs)
    turned = {**roles, SCORES: roles[CLASSES], CLASSES: roles[SCORES]}
    right, wrong = (_may_be(each, answers) for each in (roles, turned))
    if right:
        return description
    if wrong:
        return replace(description, outputs=turned)
    return description  # the scores are checked next


def _may_be(roles: dict[str, str], answers: Sequence[Outputs]) -> bool:
    scores, classes = (_joined(each[roles[role]] for each in answers) for role in (SCORES, CLASSES))
    there = scores > 0
    return (
        bool((scores <= MOST_SCORE).all())
        and _are_whole(classes[there])
        and not _are_whole(scores[there][scores[there] < 1])
    )


def _joined(arrays: Iterable[NDArray[Any]]) -> NDArray[np.float64]:
    return np.concatenate([np.zeros(0), *(np.asarray(each, np.float64).reshape(-1) for each in arrays)])


def _check(name: str, scores: NDArray[Any]) -> None:
    highest = scores[np.isfinite(scores)].max(initial=0.0)
    if highest > MOST_SCORE:
        raise UnusableModel(f"the scores in {name!r} go up to {highest:.4g}; scores from 0 to 1 are needed")
