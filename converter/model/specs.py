"""From the types and shapes in a signature to its description, or a sentence saying what is missing. No TensorFlow."""

from collections.abc import Mapping
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
_ROW = 7  # numbers in a row of a TPU exporter's
# Names that Keras models give to boxes, scores and classes (KerasCV and KerasHub; older ones of Keras' examples).
_KERAS = {BOXES: ("boxes",), SCORES: ("confidence", "scores"), CLASSES: ("classes", "labels")}
_KINDS = {"string": JPEG, "uint8": UINT8, "float32": FLOAT32}


@dataclass(frozen=True, slots=True)
class Spec:
    """A tensor's type and shape; None for a rank or a side that is not known."""

    dtype: str
    shape: tuple[int | None, ...] | None
    text: str  # the shape as TensorFlow writes it

    def sides(self, rank: int) -> tuple[int | None, ...]:
        """The shape, of this rank where it is not known."""
        return self.shape or (None,) * rank

    def fits(self, rank: int) -> bool:
        """Whether it may have this rank."""
        return self.shape is None or len(self.shape) == rank


def described(takes: Mapping[str, Spec], gives: Mapping[str, Spec], declared: Declared) -> Description:
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
    )


def _input(takes: Mapping[str, Spec], declared: Declared) -> Input:
    if len(takes) != 1:
        raise UnusableModel(f"the signature takes {len(takes)} inputs ({', '.join(sorted(takes))}), not one")
    name, spec = next(iter(takes.items()))
    kind = _KINDS.get(spec.dtype)
    if kind == JPEG and spec.fits(1):
        return Input(name=name, batch=spec.sides(1)[0])
    if kind in (UINT8, FLOAT32) and spec.fits(4):
        return _pictures(name, spec, kind, declared)
    raise UnusableModel(_strange(name, spec))


def _pictures(name: str, spec: Spec, kind: str, declared: Declared) -> Input:
    batch, height, width, channels = spec.sides(4)
    if channels not in (None, 3) or (height is None) != (width is None):
        raise UnusableModel(_strange(name, spec))
    _check_scale(name, kind, declared)
    return Input(
        name=name,
        kind=kind,
        batch=batch,
        height=height,
        width=width,
        scale=declared.input_scale if kind == FLOAT32 else None,
        fit=(declared.input_fit or "stretch") if height else None,
    )


def _check_scale(name: str, kind: str, declared: Declared) -> None:
    if kind == FLOAT32 and declared.input_scale is None:
        raise UnusableModel(
            f"the input {name!r} takes float32 pictures, and on which scale can't be read: "
            f"say it by DETECTOR_INPUT_SCALE ({', '.join(SCALES)})"
        )


def _strange(name: str, spec: Spec) -> str:
    return (
        f"the input {name!r} is {spec.dtype} {spec.text}; JPEG files as strings of shape (N,) are needed, "
        "or uint8 or float32 pictures of shape (N, height, width, 3)"
    )


def _outputs(gives: Mapping[str, Spec]) -> tuple[str, dict[str, str]]:
    """Which kind of outputs a signature has, and what of it is read, by role."""
    if not gives.keys() & set(_API):
        if rows := _rows(gives):
            return TPU, {ROWS: rows, **_info(gives)}
        if keras := _keras(gives):
            return KERAS, keras
    return API, {**_api(gives), **_info(gives)}


def _api(gives: Mapping[str, Spec]) -> dict[str, str]:
    if missing := [name for name in _API if name not in gives]:
        raise UnusableModel(
            f"the signature lacks the output {', '.join(map(repr, missing))}; it gives: {', '.join(sorted(gives))}"
        )
    for name in _API:
        _check(name, gives[name], _RANKS[name])
    return {name: name for name in _API}


def _check(name: str, spec: Spec, rank: int) -> None:
    four = rank != 3 or not spec.shape or spec.shape[-1] in (None, 4)
    if not spec.fits(rank) or not four:
        raise UnusableModel(f"the output {name!r} has the shape {spec.text}, which is not a detector's")


def _rows(gives: Mapping[str, Spec]) -> str | None:
    """The output with rows of seven numbers: it is called so, or the only one of this shape."""
    found = [name for name, spec in gives.items() if spec.shape and len(spec.shape) == 3 and spec.shape[-1] == _ROW]
    if ROWS in gives and gives[ROWS].shape is None:
        return ROWS
    return ROWS if ROWS in found else found[0] if len(found) == 1 else None


def _info(gives: Mapping[str, Spec]) -> dict[str, str]:
    """The output that tells how the graph scaled a picture, in one of its two forms."""
    spec = gives.get(INFO)
    if spec is None or spec.shape is None or not (spec.shape[-2:] == (4, 2) or spec.shape[1:] == (5,)):
        return {}
    return {INFO: INFO}


def _keras(gives: Mapping[str, Spec]) -> dict[str, str] | None:
    found = {role: name for role, names in _KERAS.items() for name in names[::-1] if name in gives}
    if set(found) != set(_KERAS):
        return None
    for role, name in found.items():
        _check(name, gives[name], _RANKS[role])
    if COUNT in gives and gives[COUNT].fits(1):
        found[COUNT] = COUNT
    return found
