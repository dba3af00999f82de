"""From the types and shapes of a signature's inputs to the one that takes pictures, and what the others are given."""

from collections.abc import Collection, Mapping

from converter.contract import UnusableModel
from converter.description import FLOAT16, FLOAT32, JPEG, SCALES, UINT8, Declared, Input
from converter.model.spec import Spec, listed, plain

# Their kinds and ranks, by type.
_INPUTS = {"string": (JPEG, 1), "uint8": (UINT8, 4), "float32": (FLOAT32, 4), "float16": (FLOAT16, 4)}
_PICTURE_WORDS = ("image", "jpeg", "jpg", "picture", "photo", "bytes", "encoded")


def find_input(takes: Mapping[str, Spec], declared: Declared, filled: Collection[str] = ()) -> Input:
    """The input that takes pictures; UnusableModel says what can't be read of it, or given to the others.

    `filled` are the names of those that have a value of their own. Strings beside the pictures are empty.
    """
    name = _name(takes)
    _check_others({other: spec for other, spec in takes.items() if other not in (name, *filled)}, takes)
    spec = takes[name]
    kind, rank = _INPUTS.get(spec.dtype, ("", 0))
    if not kind or not spec.fits(rank):
        raise UnusableModel(_strange(name, spec))
    if kind == JPEG:
        return Input(name=plain(name), batch=spec.shape[0] if spec.shape else None)
    return _pictures(name, spec, kind, declared)


def _check_others(others: Mapping[str, Spec], takes: Mapping[str, Spec]) -> None:
    """UnusableModel if no value is known for one of these."""
    if unknown := {name: spec for name, spec in others.items() if spec.dtype != "string"}:
        raise UnusableModel(
            f"the signature takes {len(takes)} inputs ({', '.join(sorted(takes))}), not one, and no value is known for "
            f"{listed(unknown)}: those with a default have it, and strings are left empty"
        )


def picture_name(takes: Mapping[str, Spec], taken: Input) -> str:
    """The full name of the input of a description."""
    return next(name for name in takes if plain(name) == taken.name)


def _name(takes: Mapping[str, Spec]) -> str:
    """The input that takes pictures, among others: pixels before strings, and of several the one that is called so."""
    if len(takes) == 1:
        return next(iter(takes))  # what is wrong with it is said of it
    fitting = _fitting(takes, ("uint8", "float32", "float16"))
    found = fitting or _fitting(takes, ("string",))
    if len(found) > 1:
        found = list(filter(_is_called_a_picture, found))
    if len(found) != 1:
        raise UnusableModel(
            f"the signature takes {len(takes)} inputs ({', '.join(sorted(takes))}), not one, and which takes pictures "
            f"can't be read: {listed(takes)}"
        )
    return found[0]


def _fitting(takes: Mapping[str, Spec], types: Collection[str]) -> list[str]:
    """Inputs of these types, of the rank that pictures of it have."""
    return [name for name, spec in takes.items() if spec.dtype in types and spec.fits(_INPUTS[spec.dtype][1])]


def _is_called_a_picture(name: str) -> bool:
    return any(word in name.lower() for word in _PICTURE_WORDS)


def _pictures(name: str, spec: Spec, kind: str, declared: Declared) -> Input:
    batch, height, width, channels = spec.shape or (None,) * 4
    if channels not in (None, 3) or (height is None) != (width is None):
        raise UnusableModel(_strange(name, spec))
    return Input(
        name=plain(name),
        kind=kind,
        batch=batch,
        height=height,
        width=width,
        scale=_scale(name, kind, declared),
        fit=(declared.input_fit or "stretch") if height else None,
    )


def _scale(name: str, kind: str, declared: Declared) -> str | None:
    if kind == UINT8:
        return None
    if declared.input_scale is None:
        raise UnusableModel(
            f"the input {name!r} takes {kind} pictures, and their scale can't be told: "
            f"set DETECTOR_INPUT_SCALE ({', '.join(SCALES)})"
        )
    return declared.input_scale


def _strange(name: str, spec: Spec) -> str:
    return (
        f"the input {name!r} is {spec.dtype} {spec.text}; JPEG files as strings of shape (N,) are needed, "
        "or uint8, float32 or float16 pictures of shape (N, height, width, 3)"
    )
