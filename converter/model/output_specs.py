"""From the types and shapes of a signature's outputs to what each of them is, or a sentence saying what is missing."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from converter.contract import UnusableModel
from converter.description import API, COLUMNS, KERAS, RAW, ROWS_OF_SIX, TPU
from converter.model.spec import Spec, listed, plain
from converter.outputs import BOXES, CLASSES, COUNT, HEAD, INFO, NAMES, ROLES, ROWS, SCORES, parse_roles

_API = (BOXES, SCORES, CLASSES, COUNT)
_RANKS = {BOXES: 3, SCORES: 2, CLASSES: 2, COUNT: 1}
# Names that Keras models give to boxes, scores and classes (KerasCV and KerasHub; older ones of Keras' examples).
_KERAS = {BOXES: ("boxes",), SCORES: ("confidence", "scores"), CLASSES: ("classes", "labels")}
_SETTING = "DETECTOR_OUTPUTS"
_WIDTHS = {6: ROWS_OF_SIX, 7: TPU}  # of rows; what those of seven are shows in their numbers
_FEWEST = 6  # numbers of a place in a head: a box and two more
_MANY = 3  # times as many places as numbers of each, at least


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What the outputs of a signature are."""

    convention: str
    roles: Mapping[str, str] = field(default_factory=dict)  # -> names
    unbatched: bool = False  # they are of one picture, without a side for the batch


def find_outputs(gives: Mapping[str, Spec], declared: str | None) -> Outputs:
    """Which kind of outputs a signature has, and what of it is read; UnusableModel if that can't be told."""
    if declared:
        return _declared(gives, declared)
    named = {plain(name): name for name in gives}
    specs = {name: gives[full] for name, full in named.items()}
    found = _by_names(specs) or _by_shapes(specs)
    if found is None:
        raise UnusableModel(_unknown(specs, gives))
    return Outputs(
        convention=found.convention,
        roles={role: named[name] for role, name in found.roles.items()},
        unbatched=found.unbatched,
    )


def _declared(gives: Mapping[str, Spec], text: str) -> Outputs:
    try:
        roles = parse_roles(text)
    except ValueError as error:
        raise UnusableModel(f"{_SETTING}: {error}") from error
    full = {**{plain(name): name for name in gives}, **{name: name for name in gives}}
    if missing := [name for name in roles.values() if name not in full]:
        raise UnusableModel(f"{_SETTING} names {missing[0]!r}, which the signature doesn't give: {listed(gives)}")
    roles = {role: full[name] for role, name in roles.items()}
    for role, convention in ((HEAD, RAW), (ROWS, TPU)):
        if role in roles:
            last = (gives[roles[role]].shape or (None,))[-1]
            return Outputs(convention=_WIDTHS.get(last or 0, convention) if role == ROWS else RAW, roles=roles)
    if missing := [word for word in ("boxes", "scores", "classes") if ROLES[word] not in roles]:
        raise UnusableModel(f"{_SETTING} lacks {missing[0]}: name boxes, scores and classes, or rows, or head")
    return Outputs(convention=COLUMNS, roles=roles, unbatched=gives[roles[BOXES]].has(2))


def _by_names(specs: Mapping[str, Spec]) -> Outputs | None:
    """The convention whose whole set of outputs is there."""
    if all(name in specs for name in _API):
        for name in _API:
            _check(name, specs[name], _RANKS[name])
        return Outputs(convention=API, roles={**{name: name for name in _API}, **_info(specs)})
    if rows := _rows(specs):
        return Outputs(convention=rows[1], roles={ROWS: rows[0], **_info(specs)})
    keras = {role: next((name for name in names if name in specs), "") for role, names in _KERAS.items()}
    if not all(keras.values()):
        return None
    for role, name in keras.items():
        _check(name, specs[name], _RANKS[role])
    count = {COUNT: COUNT} if COUNT in specs and _counts(specs[COUNT]) else {}
    return Outputs(convention=KERAS, roles={**keras, **count})


def _check(name: str, spec: Spec, rank: int) -> None:
    four = rank != 3 or not spec.shape or spec.shape[-1] in (None, 4)
    if not (spec.fits(rank) or (name == COUNT and _counts(spec))) or not four:
        raise UnusableModel(f"the output {name!r} has the shape {spec.text}, which is not a detector's")


def _counts(spec: Spec) -> bool:
    """Whether it may have a number for each picture, in a column of its own or not."""
    return spec.fits(1) or spec.has(2, 1)


def _rows(specs: Mapping[str, Spec]) -> tuple[str, str] | None:
    """The output with rows of six or seven numbers, and their kind: it is called so, or the only one of this shape."""
    if ROWS in specs and specs[ROWS].shape is None:
        return ROWS, TPU
    found = [(name, _WIDTHS[width]) for width in (7, 6) for name, spec in specs.items() if spec.has(3, width)]
    called = [each for each in found if each[0] == ROWS]
    return next(iter(called or (found if len(found) == 1 else [])), None)


def _info(specs: Mapping[str, Spec]) -> dict[str, str]:
    """The output that tells how the graph scaled a picture, in one of its two forms."""
    spec = specs.get(INFO)
    if spec is None or spec.shape is None or not (spec.shape[-2:] == (4, 2) or spec.shape[1:] == (5,)):
        return {}
    return {INFO: INFO}


def _by_shapes(specs: Mapping[str, Spec]) -> Outputs | None:
    """Boxes, scores, classes and maybe counts under any names, or a head before NMS."""
    if {BOXES, SCORES, CLASSES} <= specs.keys():
        return None  # of the object detection API, whose count is missing
    numbers = {name: spec for name, spec in specs.items() if spec.is_number}
    for unbatched in (False, True):
        if roles := _columns(numbers, less=int(unbatched)):
            return Outputs(convention=COLUMNS, roles={**roles, **_names(specs, roles)}, unbatched=unbatched)
    heads = [name for name, spec in numbers.items() if is_head(spec)]
    return Outputs(convention=RAW, roles={HEAD: heads[0]}) if len(heads) == 1 else None


def _columns(specs: Mapping[str, Spec], *, less: int) -> dict[str, str] | None:
    """Boxes (N, M, 4), scores and classes (N, M), counts (N,); or with one side less."""
    boxes = [name for name, spec in specs.items() if spec.has(3 - less, 4)]
    columns = [name for name, spec in specs.items() if spec.has(2 - less) and not (spec.has(2, 1) and not less)]
    counts = [name for name, spec in specs.items() if spec.has(1 - less) or (not less and spec.has(2, 1))]
    if len(boxes) != 1 or len(columns) != 2:
        return None
    scores, classes = sorted(columns, key=lambda name: _like_classes(name, specs[name]))
    count = {COUNT: counts[0]} if len(counts) == 1 else {}
    return {BOXES: boxes[0], SCORES: scores, CLASSES: classes, **count}


def _like_classes(name: str, spec: Spec) -> int:
    """How much a column looks like that of the classes; where two look alike, their numbers tell (see roles.settle)."""
    words = name.lower()
    called = any(each in words for each in ("class", "label")) - any(
        each in words for each in ("score", "conf", "prob")
    )
    return 2 * spec.is_whole + called


def _names(specs: Mapping[str, Spec], roles: Mapping[str, str]) -> dict[str, str]:
    """The output with a name for each class, beside their numbers: the one for people, if there are several."""
    texts = [name for name, spec in specs.items() if spec.dtype == "string" and spec.shape is not None]
    fitting = [name for name in texts if specs[name].fits(len(specs[roles[SCORES]].shape or ()))]
    best = sorted(fitting, key=lambda name: ("entit" not in name and "text" not in name, name))
    return {NAMES: best[0]} if best else {}


def is_head(spec: Spec) -> bool:
    """Whether it may be what a network says of each place, before NMS: (N, A, 5 + C), or (N, 4 + C, A)."""
    if not spec.has(3) or spec.shape is None:
        return False
    few, many = sorted(each or 0 for each in spec.shape[1:])
    return few >= _FEWEST and many >= _MANY * few


def _unknown(specs: Mapping[str, Spec], gives: Mapping[str, Spec]) -> str:
    missing = ", ".join(repr(name) for name in _API if name not in specs)
    heads = [name for name, spec in specs.items() if spec.is_number and spec.has(3) and not spec.has(3, 4)]
    hint = ", say what is what by DETECTOR_OUTPUTS=boxes=NAME,scores=NAME,classes=NAME (rows=NAME for rows of them)"
    if heads:
        hint += (
            f"; if {heads[0]!r} is a network's head, before NMS, export the model with NMS inside (nms=True), or say "
            f"DETECTOR_OUTPUTS=head={heads[0]}"
        )
    return f"the signature lacks the output {missing}; it gives: {listed(gives)}{hint}"
