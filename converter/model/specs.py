"""From the types and shapes in a signature to its description, or a sentence saying what is missing. No TensorFlow."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from converter.contract import UnusableModel
from converter.description import (
    API,
    FLOAT32,
    JPEG,
    KERAS,
    SCALES,
    SERVING,
    TPU,
    UINT8,
    Declared,
    Description,
    Input,
)
from converter.model.detections import BOXES, CLASSES, COUNT, SCORES

ROWS, INFO = "detections", "image_info"
_API = (BOXES, SCORES, CLASSES, COUNT)
_RANKS = {BOXES: 3, SCORES: 2, CLASSES: 2, COUNT: 1}
_OF_EVERY_CLASS = ("detection_multiclass_scores", "raw_detection_scores")  # [N, M, classes]
_ROW = 7  # numbers in a row of a TPU exporter's
# Names that Keras models give to boxes, scores and classes (KerasCV and KerasHub; older ones of Keras' examples).
_KERAS = {BOXES: ("boxes",), SCORES: ("confidence", "scores"), CLASSES: ("classes", "labels")}
_INPUTS = {"string": (JPEG, 1), "uint8": (UINT8, 4), "float32": (FLOAT32, 4)}  # their kinds and ranks, by type


@dataclass(frozen=True, slots=True)
class Spec:
    """A tensor's type and shape; None for a rank or a side that is not known."""

    dtype: str
    shape: tuple[int | None, ...] | None
    text: str  # the shape as TensorFlow writes it

    def fits(self, rank: int) -> bool:
        """Whether it may have this rank."""
        return self.shape is None or len(self.shape) == rank


def describe_signature(takes: Mapping[str, Spec], gives: Mapping[str, Spec], declared: Declared) -> Description:
    """The description of a signature; UnusableModel names the tensor that is not a detector's."""
    convention, outputs = _outputs(gives)
    return Description(
        signature=declared.signature or SERVING,
        input=_input(takes, declared),
        convention=convention,
        outputs=outputs,
        ignored=tuple(sorted(set(gives) - set(outputs.values()))),
        boxes=declared.boxes or "",
        evidence="declared" if declared.boxes else "",
        score_columns=_score_columns(gives),
    )


def _score_columns(gives: Mapping[str, Spec]) -> int | None:
    """Of how many classes the object detection API's exports give scores, by their shapes."""
    specs = (gives[name] for name in _OF_EVERY_CLASS if name in gives)
    return next((spec.shape[2] for spec in specs if spec.shape is not None and len(spec.shape) == 3), None)


def _input(takes: Mapping[str, Spec], declared: Declared) -> Input:
    if len(takes) != 1:
        raise UnusableModel(f"the signature takes {len(takes)} inputs ({', '.join(sorted(takes))}), not one")
    name, spec = next(iter(takes.items()))
    kind, rank = _INPUTS.get(spec.dtype, ("", 0))
    if not kind or not spec.fits(rank):
        raise UnusableModel(_strange(name, spec))
    if kind == JPEG:
        return Input(name=name, batch=spec.shape[0] if spec.shape else None)
    return _pictures(name, spec, kind, declared)


def _pictures(name: str, spec: Spec, kind: str, declared: Declared) -> Input:
    batch, height, width, channels = spec.shape or (None,) * 4
    if channels not in (None, 3) or (height is None) != (width is None):
        raise UnusableModel(_strange(name, spec))
    return Input(
        name=name,
        kind=kind,
        batch=batch,
        height=height,
        width=width,
        scale=_scale(name, kind, declared),
        fit=(declared.input_fit or "stretch") if height else None,
    )


def _scale(name: str, kind: str, declared: Declared) -> str | None:
    if kind != FLOAT32:
        return None
    if declared.input_scale is None:
        raise UnusableModel(
            f"the input {name!r} takes float32 pictures, and on which scale can't be read: "
            f"say it by DETECTOR_INPUT_SCALE ({', '.join(SCALES)})"
        )
    return declared.input_scale


def _strange(name: str, spec: Spec) -> str:
    return (
        f"the input {name!r} is {spec.dtype} {spec.text}; JPEG files as strings of shape (N,) are needed, "
        "or uint8 or float32 pictures of shape (N, height, width, 3)"
    )


def _outputs(gives: Mapping[str, Spec]) -> tuple[str, dict[str, str]]:
    """Which kind of outputs a signature has, and what of it is read, by role."""
    if any(name in gives for name in _API):
        return API, _api(gives)
    if rows := _rows(gives):
        return TPU, {ROWS: rows, **_info(gives)}
    if keras := _keras(gives):
        return KERAS, keras
    return API, _api(gives)  # says what is missing


def _api(gives: Mapping[str, Spec]) -> dict[str, str]:
    if missing := [name for name in _API if name not in gives]:
        raise UnusableModel(
            f"the signature lacks the output {', '.join(map(repr, missing))}; it gives: {', '.join(sorted(gives))}"
        )
    for name in _API:
        _check(name, gives[name], _RANKS[name])
    return {**{name: name for name in _API}, **_info(gives)}


def _check(name: str, spec: Spec, rank: int) -> None:
    four = rank != 3 or not spec.shape or spec.shape[-1] in (None, 4)
    if not spec.fits(rank) or not four:
        raise UnusableModel(f"the output {name!r} has the shape {spec.text}, which is not a detector's")


def _rows(gives: Mapping[str, Spec]) -> str | None:
    """The output with rows of seven numbers: it is called so, or the only one of this shape."""
    if ROWS in gives and (gives[ROWS].shape is None or _has_rows(gives[ROWS])):
        return ROWS
    found = [name for name, spec in gives.items() if _has_rows(spec)]
    return found[0] if len(found) == 1 else None


def _has_rows(spec: Spec) -> bool:
    return spec.shape is not None and len(spec.shape) == 3 and spec.shape[-1] == _ROW


def _info(gives: Mapping[str, Spec]) -> dict[str, str]:
    """The output that tells how the graph scaled a picture, in one of its two forms."""
    spec = gives.get(INFO)
    if spec is None or spec.shape is None or not (spec.shape[-2:] == (4, 2) or spec.shape[1:] == (5,)):
        return {}
    return {INFO: INFO}


def _keras(gives: Mapping[str, Spec]) -> dict[str, str] | None:
    found = {role: name for role, names in _KERAS.items() if (name := _first(names, gives))}
    if set(found) != set(_KERAS):
        return None
    for role, name in found.items():
        _check(name, gives[name], _RANKS[role])
    if COUNT in gives and gives[COUNT].fits(1):
        found[COUNT] = COUNT
    return found


def _first(names: Iterable[str], gives: Mapping[str, Spec]) -> str | None:
    return next((name for name in names if name in gives), None)
