"""Which class the first name of a file of labels belongs to: known by evidence or asked for, never a silent shift."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.label_files import Labels, is_background
from converter.description import API, KERAS, RAW, ROWS_OF_SEVEN, ROWS_OF_SIX, TPU

# What the packaged photos show; two of them are enough, of scores that are certain.
_PICTURED, _ENOUGH, _CERTAIN = ("person", "cat", "cup"), 2, 0.3
_COCO = ("person", "toothbrush", 80)  # the first name, the last, and how many: its ids have gaps, or have none
# Outputs that exports of the object detection API have beside the four that others copy.
_RAW = frozenset(
    {"raw_detection_boxes", "raw_detection_scores", "detection_multiclass_scores", "detection_anchor_indices"}
)
# From which number each kind of outputs counts, where that alone tells.
_OF_KIND: Mapping[str, tuple[int, str]] = {
    TPU: (1, "models of TPU exporters count from 1"),
    RAW: (0, "the classes of a network's head are the places of their scores, from 0"),
    ROWS_OF_SIX: (0, "YOLO's exporters count from 0"),
    ROWS_OF_SEVEN: (0, "YOLO's exporters count from 0"),
}
_KERAS_CV = frozenset({"boxes", "confidence", "classes"})


class Undecided(Exception):
    """What is known of the model does not tell which names its classes have, or contradicts them; one sentence."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"which classes the names of its labels belong to can't be told: {why}; "
            "say the class of the first name by DETECTOR_LABEL_OFFSET"
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a model's classes."""

    told: Mapping[str, Any]  # of its signature: `output_kind`, `outputs`, `ignored_outputs`, `score_columns`
    scores: Mapping[int, float]  # the best score of each class that it finds in the packaged photos


def needs_photos(file: Labels, told: Mapping[str, Any]) -> bool:
    """Whether what the model finds in photos is evidence that is needed: not where a file has the ids of its kind."""
    return not file.has_ids or (_lowest(file) == 1 and told.get("output_kind") not in (API, TPU))


def first_class(file: Labels, seen: Seen) -> tuple[int, str]:
    """The class of the first name, and how that is known; Undecided if it can't be."""
    return _by_ids(file, seen) if file.has_ids else _of_names(file, seen)


def _of_names(file: Labels, seen: Seen) -> tuple[int, str]:
    count = max(file.names) + 1
    _check_number(count, seen)
    first, why = _by_pictured(file, seen) or _by_photos(count, seen) or _by_kind(count, seen)
    if first is None:
        raise Undecided(f"there are {count} names without ids, and {why}")
    if first == 1 and _may_have_gaps(file, seen):
        raise Undecided(
            "these are COCO's 80, which are counted without gaps or up to 90, and what it finds fits neither"
        )
    return first, why


def _by_photos(count: int, seen: Seen) -> tuple[int | None, str] | None:
    """What is told by the classes that it finds: each of them has a name, so none is below or beyond the names."""
    highest = max(seen.scores, default=0)
    if 0 in seen.scores:
        return 0, "it finds class 0 in the packaged photos"
    if highest == count:
        contradicted = _first_of_kind(seen.told)[0] == 0
        return None if contradicted else 1, f"it finds class {highest} in the packaged photos"
    return None


def _by_kind(count: int, seen: Seen) -> tuple[int | None, str]:
    """What its kind tells or, if that tells nothing, how many scores it gives."""
    first, why = _first_of_kind(seen.told)
    columns = seen.told.get("score_columns")
    if first is not None:
        return first, why
    if columns is None:
        return (
            None,
            "neither its outputs nor what it finds in the packaged photos tells whether they begin at 0 or at 1",
        )
    return columns - count, f"it gives scores of {columns} classes" + ", one of them the background" * (columns - count)


def _by_ids(file: Labels, seen: Seen) -> tuple[int, str]:
    lowest, (by_ids, by_others) = _lowest(file), _pictured(file, seen, (0, -1))
    if by_ids >= _ENOUGH and not by_others:
        return min(file.names), f"by the ids in it, and it finds {by_ids} of {', '.join(_PICTURED)} by them"
    kind, why = _first_of_kind(seen.told)
    if lowest == 1 and 0 in seen.scores:
        raise Undecided("their ids begin at 1, and it finds class 0 in the packaged photos")
    if kind is not None and {lowest, kind} == {0, 1}:
        raise Undecided(f"their ids begin at {lowest}, and {why}")
    return min(file.names), "by the ids in it"


def _lowest(file: Labels) -> int:
    """The lowest id that is an object's."""
    return min((class_id for class_id, name in file.names.items() if not is_background(name)), default=0)


def _check_number(count: int, seen: Seen) -> None:
    columns, highest = seen.told.get("score_columns"), max(seen.scores, default=0)
    if columns is not None and count not in (columns, columns - 1):
        raise Undecided(f"there are {count} names without ids, and it gives scores of {columns} classes")
    if highest > count or (highest == count and 0 in seen.scores):
        raise Undecided(f"there are {count} names without ids, and it finds class {highest} in the packaged photos")


def _first_of_kind(told: Mapping[str, Any]) -> tuple[int | None, str]:
    """From which number models of its kind count, if they all do, and the kind in words."""
    kind, ignored, outputs = (told.get(name, ()) for name in ("output_kind", "ignored_outputs", "outputs"))
    if kind == API and _RAW.intersection(ignored):
        return 1, "exports of the object detection API count from 1"
    if kind == KERAS and _KERAS_CV.issubset(outputs):
        return 0, "KerasCV's models count from 0"
    return _OF_KIND.get(str(kind), (None, "models of its kind count from 0 or from 1"))


def _by_pictured(file: Labels, seen: Seen) -> tuple[int, str] | None:
    """What follows from what is known to be in the packaged photos, if the names have it."""
    found = _pictured(file, seen, (0, 1))
    if max(found) < _ENOUGH or min(found):
        return None
    return found.index(max(found)), f"it finds {max(found)} of {', '.join(_PICTURED)} in the packaged photos by that"


def _pictured(file: Labels, seen: Seen, shifts: tuple[int, ...]) -> list[int]:
    """How many of what the packaged photos show it finds, by the names of the file shifted by each of these numbers."""
    places = [place for place, name in file.names.items() if name.lower() in _PICTURED]
    return [sum(seen.scores.get(place + shift, 0.0) >= _CERTAIN for place in places) for shift in shifts]


def _may_have_gaps(file: Labels, seen: Seen) -> bool:
    """Whether these are COCO's names, and nothing shows that the ids have no gaps."""
    first, last, count = _COCO
    is_coco = len(file.names) == count and (file.names.get(0), file.names.get(count - 1)) == (first, last)
    return is_coco and seen.told.get("score_columns") is None and _by_pictured(file, seen) is None
