"""Parameters of /detect: from the query, the form or the JSON, checked once, with near names in the errors."""

import difflib
from collections.abc import Container, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from app.choices import AUTO, BOTH, BackendName, CopyName, Orientation
from app.errors import BadParameter
from converter.tolerance import Tolerance

_THRESHOLD = ("threshold", "confidence", "min_confidence")  # all names of one parameter
BoxFormat = Literal["xyxy", "xywh", "cxcywh", "xyxy_norm", "yxyx_norm"]
TIMEOUT_HEADER = "x-request-timeout-ms"
_MAX_CLASSES, _MAX_NAME = 1_000, 200  # classes in one request, characters of one
_MAX_DIGITS = 9  # of a class' id: models count in 32 bits
_MAX_MS = 2**31 - 1
_NONE: Mapping[str, Any] = {}
_SHAPING = ("annotate", "box")  # the form of an answer
_MAX_NEAR = 60  # characters of what near names are looked for: the search takes time by the square of them


def _words(value: object) -> object:
    """Names from "dog, cat", from ["dog", "cat"] and from [18, 17]."""
    parts = value if isinstance(value, list | tuple) else [value]
    words = [word.strip() for part in parts for word in str(part).split(",") if word.strip()]
    if len(words) > _MAX_CLASSES:
        raise ValueError(f"there are {len(words):,} of them, and at most {_MAX_CLASSES:,} may be asked for")
    if any(len(word) > _MAX_NAME for word in words):
        raise ValueError(f"a name has more than {_MAX_NAME} characters")
    return words


def _number(value: object) -> object:
    if isinstance(value, bool):  # JSON's true would pass for 1
        raise ValueError("Input should be a number")
    return value


_Number = BeforeValidator(_number)


class Parameters(BaseModel):
    """What a caller may ask for; the same in a query, in a form and in JSON."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    threshold: Annotated[float, _Number] = Field(
        default=Tolerance().threshold,
        ge=0,
        le=1,
        validation_alias=AliasChoices(*_THRESHOLD),
        description="Lowest score of an object. Also called `confidence` or `min_confidence`.",
    )
    max_detections: Annotated[int, _Number] = Field(
        default=100, ge=1, le=1000, description="Maximum number of objects in the answer, best first."
    )
    classes: Annotated[tuple[str, ...], BeforeValidator(_words)] = Field(
        default=(),
        description="Only these classes, by name or id, separated by commas. An unknown class is a 422 that names "
        "similar ones.",
        examples=["dog,cat"],
    )
    box: BoxFormat = Field(
        default="xyxy",
        description="`xyxy` corners, `xywh` corner and size, `cxcywh` centre and size, in pixels; `xyxy_norm` and "
        "`yxyx_norm` corners in fractions of the picture.",
    )
    backend: BackendName = Field(
        default=AUTO,
        description="Who answers: `auto` is the active backend, `both` is native and the best copy, compared.",
    )
    compare_with: CopyName | None = Field(
        default=None, description="With `backend=both`: the copy that is compared. If left out, the best one."
    )
    annotate: bool = Field(
        default=False,
        description="Add the picture with its boxes drawn, as a data URI. With `Accept: image/jpeg` the answer is that "
        "picture alone.",
    )
    orientation: Orientation | None = Field(
        default=None,
        description="How the model sees a picture that a camera has stored turned: `upright`, or as it is `stored`. "
        "Boxes are in pixels of what the model sees. If left out, `DETECTOR_ORIENTATION` decides.",
    )
    timeout_ms: Annotated[int | None, _Number] = Field(
        default=None,
        ge=1,
        le=_MAX_MS,
        description="Longest time to wait for the answer. What is still queued then is never run. Also as the header "
        "`X-Request-Timeout-Ms`.",
    )


_DEFAULTS = Parameters()
NAMES = tuple(dict.fromkeys((*Parameters.model_fields, *_THRESHOLD)))


def read(query: Mapping[str, Any], body: Mapping[str, Any], timeout_header: str | None = None) -> Parameters:
    """The parameters of a request; BadParameter with a sentence if one is wrong, or has two values.

    What is null in JSON is not given: generated clients send it for what nobody has set.
    """
    _check_flat(body)
    query, body = _once(query), _once(_given(body))
    if query and body:
        _check_alike(query, body, ("the query", "the body"))
    given = _once({**body, **query})
    if timeout_header is not None:
        given.setdefault("timeout_ms", timeout_header)
    if not given:
        return _DEFAULTS
    wanted = _checked(given)
    if wanted.compare_with is not None and wanted.backend != BOTH:
        raise BadParameter(f"compare_with: it goes with backend=both; the backend is {wanted.backend!r}")
    return wanted


def _checked(given: Mapping[str, Any]) -> Parameters:
    try:
        return Parameters.model_validate(given)
    except ValidationError as error:
        raise BadParameter(_sentence(error)) from None


def _given(said: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in said.items() if value is not None or name not in NAMES}


def _once(given: Mapping[str, Any]) -> dict[str, Any]:
    """Each parameter by one of its names; BadParameter if two of them have two values."""
    first, *others = [name for name in _THRESHOLD if name in given] or [""]
    for other in others:
        _check_alike({first: given[first]}, {other: given[other]}, (first, other))
    return {name: value for name, value in given.items() if name not in others}


def _check_alike(one: Mapping[str, Any], other: Mapping[str, Any], places: tuple[str, str]) -> None:
    """Neither wins: a proxy or a client that says one thing where a person says another has it wrong."""
    here, there = _checked(one), _checked(other)
    for name in sorted(here.model_fields_set & there.model_fields_set):
        said = [str(getattr(each, name))[:40] for each in (here, there)]
        if getattr(here, name) != getattr(there, name):
            raise BadParameter(f"{name}: {places[0]} says {said[0]!r}, {places[1]} says {said[1]!r}")


def _check_flat(body: Mapping[str, Any]) -> None:
    """JSON may be nested deeper than can be shown in an error, and no parameter is: only classes are a list.

    It may also name half of a surrogate pair, which is no text.
    """
    for name, value in body.items():
        if (text := name.encode("utf-8", "replace").decode()) != name:
            raise BadParameter(f"{text[:40]!r} is not a parameter; there are: {', '.join(NAMES)}")
        inner = value if name == "classes" and isinstance(value, list) else [value]
        if any(isinstance(each, list | dict) for each in inner):
            raise BadParameter(f"{name[:40]}: it is a list or an object where a text or a number is needed")


def class_ids(names: Sequence[str], labels: Mapping[int, str]) -> frozenset[int] | None:
    """Ids of classes given by name (in any case) or id; None for no names. BadParameter names near ones."""
    if not names:
        return None
    by_name = {name.lower(): class_id for class_id, name in labels.items()}
    return frozenset(_class_id(name, by_name, labels) for name in names)


def _class_id(name: str, by_name: Mapping[str, int], labels: Mapping[int, str]) -> int:
    is_id = name.isascii() and name.isdigit() and len(name) <= _MAX_DIGITS
    class_id = int(name) if is_id else by_name.get(name.lower())
    if class_id is None or (labels and class_id not in labels):
        near = difflib.get_close_matches(name.lower(), by_name, n=3) if len(name) <= _MAX_NEAR else []
        hint = f"; near names: {', '.join(near)}" if near else "; GET /model lists them"
        raise BadParameter(f"classes: the model has no class {name[:40]!r}{hint}")
    return class_id


class TensorParameters(BaseModel):
    """What may be asked for in protocols of tensors; whatever else clients send is theirs."""

    model_config = ConfigDict(frozen=True)

    threshold: Annotated[float | None, _Number] = Field(default=None, ge=0, le=1)
    backend: BackendName = AUTO
    timeout_ms: Annotated[int | None, _Number] = Field(default=None, ge=1, le=_MAX_MS)


def of_tensors(
    given: object, timeout_header: str | None = None, *, query: Mapping[str, Any] = _NONE
) -> TensorParameters:
    """The parameters of a protocol of tensors; BadParameter with a sentence if one is wrong, or has two values."""
    given = {} if given is None else given
    if not isinstance(given, dict):
        raise BadParameter('parameters: they must be an object, like {"threshold": 0.5}')
    here, there = (_only(TensorParameters.model_fields, each) for each in (query, given))
    if here and there:
        _check_alike(here, there, ("the query", "the body"))
    header = {} if timeout_header is None else {"timeout_ms": timeout_header}
    try:
        return TensorParameters.model_validate({**header, **there, **here})
    except ValidationError as error:
        raise BadParameter(_sentence(error)) from None


def _only(names: Container[str], given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name in names and value is not None}


def of_one_backend(
    query: Mapping[str, Any], given: Mapping[str, Any], timeout_header: str | None, *, threshold: float
) -> Parameters:
    """The parameters of a protocol whose answers have room for one backend's objects; `threshold` if none is sent."""
    given = _given(given)
    names = query.keys() | given.keys()
    if shaping := names.intersection(_SHAPING):
        raise BadParameter(f"{min(shaping)}: the answers of this protocol have one form")
    usual = {"threshold": threshold} if names.isdisjoint(_THRESHOLD) else {}
    wanted = read(query, {**usual, **given}, timeout_header)
    if wanted.backend == BOTH:
        raise BadParameter("backend: this protocol answers with one backend, not with both")
    return wanted


def _sentence(error: ValidationError) -> str:
    first = error.errors()[0]
    name = str(first["loc"][0])[:40]
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name.lower(), NAMES, n=1)
        return f"{name!r} is not a parameter" + (
            f"; did you mean {near[0]!r}?" if near else f"; there are: {', '.join(NAMES)}"
        )
    message = first["msg"].removeprefix("Value error, ")
    return f"{name}: {message}; it is {str(first['input'])[:40]!r}"
