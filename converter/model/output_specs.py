"""From the types and shapes of a signature's outputs to what each of them is, or a sentence saying what is missing."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from converter.contract import UnusableModel
from converter.description import API, COLUMNS, KERAS, RAW, ROWS_OF_SIX, TPU
from converter.model.spec import Spec, listed, plain
from converter.outputs import BOXES, CLASSES, COUNT, HEAD, INFO, NAMES, ROWS, SCORES, parse_roles

_API = (BOXES, SCORES, CLASSES, COUNT)
_RANKS = {BOXES: 3, SCORES: 2, CLASSES: 2, COUNT: 1}
# Names that Keras models give to boxes, scores and classes (KerasCV and KerasHub; older ones of Keras' examples).
_KERAS = {BOXES: ("boxes",), SCORES: ("confidence", "scores"), CLASSES: ("classes", "labels")}
_SETTING = "DETECTOR_OUTPUTS"
_WIDTHS = {6: ROWS_OF_SIX, 7: TPU}  # of rows; what those of seven are shows in their numbers
_FEWEST = 6  # numbers of a place in a head: a box and two more
_MANY = 3  # times as many places as numbers of each, at least

Specs = Mapping[str, Spec]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What the outputs of a signature are."""

    convention: str
    roles: Mapping[str, str] = field(default_factory=dict)  # -> names, without the number behind them
    unbatched: bool = False  # they are of one picture, without a side for the batch


def find_outputs(gives: Specs, declared: str | None) -> Outputs:
    """Which kind of outputs a signature has, and what of it is read; UnusableModel if that can't be told.

    `gives` has the outputs by their `plain` names.
    """
    if declared:
        return _declared(gives, declared)
    for find in (_api, _rows, _keras, _columns, _head):
        if found := find(gives):
            return found
    raise UnusableModel(_unknown(gives))


def _declared(gives: Specs, text: str) -> Outputs:
    try:
        roles = {role: plain(name) for role, name in parse_roles(text).items()}
    except ValueError as error:
        raise UnusableModel(f"{_SETTING}: {error}") from error
    if missing := sorted({*roles.values()} - gives.keys()):
        raise UnusableModel(f"{_SETTING} names {missing[0]!r}, which the signature doesn't give: {listed(gives)}")
    main = next((role for role in (HEAD, ROWS, BOXES) if role in roles), None)
    if main is None or (main == BOXES and not {SCORES, CLASSES} <= roles.keys()):
        raise UnusableModel(f"{_SETTING} must name boxes, scores and classes, or rows, or head; it is {text!r}")
    spec = gives[roles[main]]
    conventions = {HEAD: RAW, ROWS: _WIDTHS.get(spec.last or 0, TPU), BOXES: COLUMNS}
    return Outputs(convention=conventions[main], roles=roles, unbatched=spec.has(2))


def _api(gives: Specs) -> Outputs | None:
    if not all(name in gives for name in _API):
        return None
    for name in _API:
        _check(name, gives[name], _RANKS[name])
    return Outputs(convention=API, roles={**{name: name for name in _API}, **_info(gives)})


def _check(name: str, spec: Spec, rank: int) -> None:
    four = rank != _RANKS[BOXES] or spec.last in (None, 4)
    if not (spec.fits(rank) or (name == COUNT and _counts(spec))) or not four:
        raise UnusableModel(f"the output {name!r} has the shape {spec.text}, which is not a detector's")


def _counts(spec: Spec) -> bool:
    """Whether it may have a number for each picture, in a column of its own or not."""
    return spec.fits(1) or spec.has(2, 1)


def _rows(gives: Specs) -> Outputs | None:
    """The output with rows of six or seven numbers: it is called so, or the only one of this shape."""
    found = {name: kind for width, kind in _WIDTHS.items() for name in _of_shape(gives, 3, width)}
    if ROWS in gives and gives[ROWS].shape is None:
        found[ROWS] = TPU
    name = ROWS if ROWS in found else next(iter(found), "")
    if name != ROWS and len(found) != 1:
        return None
    return Outputs(convention=found[name], roles={ROWS: name, **_info(gives)})


def _info(gives: Specs) -> dict[str, str]:
    """The output that tells how the graph scaled a picture, in one of its two forms."""
    spec = gives.get(INFO)
    if spec is None or spec.shape is None or not (spec.shape[-2:] == (4, 2) or spec.shape[1:] == (5,)):
        return {}
    return {INFO: INFO}


def _keras(gives: Specs) -> Outputs | None:
    found = {role: next(filter(gives.__contains__, names), "") for role, names in _KERAS.items()}
    if not all(found.values()):
        return None
    for role, name in found.items():
        _check(name, gives[name], _RANKS[role])
    if COUNT in gives and _counts(gives[COUNT]):
        found[COUNT] = COUNT
    return Outputs(convention=KERAS, roles=found)


def _columns(gives: Specs) -> Outputs | None:
    """Boxes, scores, classes and maybe counts under any names, with a side for the batch or without."""
    if {BOXES, SCORES, CLASSES} <= gives.keys():
        return None  # of the object detection API, whose count is missing
    for unbatched in (False, True):
        if roles := _by_shapes({name: spec for name, spec in gives.items() if spec.is_number}, less=int(unbatched)):
            return Outputs(convention=COLUMNS, roles={**roles, **_names(gives, roles)}, unbatched=unbatched)
    return None


def _by_shapes(gives: Specs, *, less: int) -> dict[str, str] | None:
    """Boxes (N, M, 4), scores and classes (N, M), counts (N,) or (N, 1); or all with one side less."""
    boxes, counts = _of_shape(gives, 3 - less, 4), _of_shape(gives, 1 - less)
    upright = set() if less else set(_of_shape(gives, 2, 1))
    columns = [name for name in _of_shape(gives, 2 - less) if name not in upright]
    if len(boxes) != 1 or len(columns) != 2:
        return None
    scores, classes = sorted(columns, key=lambda name: _like_classes(name, gives[name]))
    count = next(iter([*counts, *sorted(upright)]), None)
    return {BOXES: boxes[0], SCORES: scores, CLASSES: classes, **({COUNT: count} if count else {})}


def _names(gives: Specs, roles: Mapping[str, str]) -> dict[str, str]:
    """The output with the name of each class, beside their numbers; of several the one for people."""
    shape = gives[roles[SCORES]].shape
    found = [name for name, spec in gives.items() if spec.dtype == "string" and spec.shape == shape]
    best = sorted(found, key=lambda name: (not _says(name, ("entit", "text")), name))
    return {NAMES: best[0]} if best else {}


def _of_shape(gives: Specs, rank: int, last: int | None = None) -> list[str]:
    return [name for name, spec in gives.items() if spec.has(rank, last)]


def _like_classes(name: str, spec: Spec) -> int:
    """How much a column looks like that of the classes; where two look alike, their numbers tell (see roles.settle)."""
    return 2 * spec.is_whole + _says(name, ("class", "label")) - _says(name, ("score", "conf", "prob"))


def _says(name: str, words: Iterable[str]) -> bool:
    return any(word in name.lower() for word in words)


def _head(gives: Specs) -> Outputs | None:
    """What a network says of each place, before NMS: (N, A, 5 + C), or (N, 4 + C, A)."""
    found = [name for name, spec in gives.items() if spec.is_number and spec.has(3) and _may_be_head(spec)]
    return Outputs(convention=RAW, roles={HEAD: found[0]}) if len(found) == 1 else None


def _may_be_head(spec: Spec) -> bool:
    few, many = sorted(each or 0 for each in (spec.shape or ())[1:])
    return few >= _FEWEST and many >= _MANY * few


def _unknown(gives: Specs) -> str:
    missing = ", ".join(repr(name) for name in _API if name not in gives)
    hint = f"say what is what by {_SETTING}=boxes=NAME,scores=NAME,classes=NAME, or rows=NAME for rows with all of it"
    if heads := [name for name in _of_shape(gives, 3) if not gives[name].has(3, 4)]:
        hint += (
            f"; if {heads[0]!r} is a network's head, before NMS, export the model with NMS inside (nms=True), or say "
            f"{_SETTING}=head={heads[0]}"
        )
    return f"the signature lacks the output {missing}; it gives: {listed(gives)}; {hint}"
