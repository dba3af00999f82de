"""The results of a request as tensors of the served signature: all rows, in the model's own form."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app import errors
from app.api.dialects import answers
from app.api.parameters import Parameters, TensorParameters
from app.api.pipeline import Asked, Found
from app.api.serving import Tensors
from app.choices import NATIVE
from app.detection.detector import Result
from app.errors import BackendUnavailable, BadParameter, BadRequest, ServiceError
from converter.description import LAYOUTS
from converter.outputs import COUNT, ROWS, SCORES

Array = NDArray[Any]
_IN_BASE64 = (b"/9j/", b"_9j_")  # how a JPEG file begins
# Errors that are about one picture and not about the request.
_OF_ONE = (
    BadRequest,
    errors.NotAJpeg,
    errors.InvalidImage,
    errors.ImageTooLarge,
    errors.CrashedTheModel,
    errors.NotReproducible,
    errors.ModelFailed,
)
TEXT = "string"  # TensorFlow's word for bytes


def asked(
    pictures: Sequence[bytes | ServiceError], said: TensorParameters, backend: str, *, signature: Tensors
) -> Asked:
    """The request as the pipeline takes it, with all outputs of this backend; BadRequest if they have no room for all.

    The outputs of some signatures have no side for the batch.
    """
    if signature.unbatched and len(pictures) > 1:
        raise BadRequest(
            f"the signature {signature.signature!r} takes one picture at a time; there are {len(pictures)}"
        )
    wanted = Parameters(backend=backend, timeout_ms=said.timeout_ms)
    return Asked([_file(each) for each in pictures], wanted, raw=True)


def _file(picture: bytes | ServiceError) -> bytes | ServiceError:
    """The JPEG file; where a model's graph decodes base64 its clients send that, as a text (RFC 4648, 5)."""
    if isinstance(picture, ServiceError) or picture[:4] not in _IN_BASE64:
        return picture
    try:
        return base64.b64decode(picture + b"==", altchars=b"-_" if picture[:1] == b"_" else None)
    except ValueError:
        return BadRequest("the picture is not valid base64")


def gathered(
    results: Sequence[Found], tensors: Tensors, wanted: Sequence[str], *, threshold: float | None
) -> tuple[Result, dict[str, Array]]:
    """The first result, and the outputs that are wanted, each with a row for each picture if it has any of them.

    The first error among the results is raised. `threshold`: rows with a lower score are left out, and pictures with
    fewer rows than others are filled up with zeros.
    """
    good = [answers.of_one_backend(each) for each in _numbered(results)]
    raw = [_rows(_raw(each, wanted), tensors, threshold) for each in good]
    return good[0], {name: _typed(_joined(raw, tensors, name), tensors, name) for name in wanted}


def _numbered(results: Sequence[Found]) -> Iterator[Found]:
    """The results; an error says which of several pictures it is about."""
    for number, each in enumerate(results, 1):
        if isinstance(each, _OF_ONE) and len(results) > 1:
            named = copy(each)
            named.args = (f"picture {number} of {len(results)}: {each}",)
            yield named
        else:
            yield each


def score_output(tensors: Tensors) -> str:
    """The output with the scores; BadParameter if there is none that a threshold could be held against."""
    name = tensors.roles.get(SCORES) or tensors.roles.get(ROWS) or ""
    if name not in tensors.outputs:
        raise BadParameter(
            f"threshold: the outputs of the signature {tensors.signature!r} have no scores of detections"
        )
    return name


def _raw(result: Result, wanted: Sequence[str]) -> Mapping[str, Array]:
    raw = result.found.raw or {}
    if missing := [name for name in wanted if name not in raw]:
        if result.backend == NATIVE:
            raise BadRequest(f"the output {missing[0]!r} has no row for each picture: ask for others by their names")
        raise BackendUnavailable(f"the backend {result.backend!r} does not give the output {missing[0]!r}")
    return raw


def _rows(raw: Mapping[str, Array], tensors: Tensors, threshold: float | None) -> Mapping[str, Array]:
    """The rows of one picture, those whose score is high enough if a threshold is given."""
    if threshold is None:
        return raw
    name = score_output(tensors)
    scores = raw[name] if SCORES in tensors.roles else raw[name][:, LAYOUTS[tensors.convention].score]
    count = tensors.roles.get(COUNT, "")
    number = np.ravel(raw.get(count, len(scores)))[0]  # what lies behind it fills up
    kept = (scores >= threshold) & (np.arange(len(scores)) < number)
    rows = {key: value if key in tensors.shared else _kept(value, kept) for key, value in raw.items()}
    if count in raw:
        rows[count] = np.full_like(raw[count], kept.sum())
    return rows


def _kept(value: Array, kept: Array) -> Array:
    return value[kept] if value.ndim and len(value) == len(kept) else value


def _joined(raw: Sequence[Mapping[str, Array]], tensors: Tensors, name: str) -> Array:
    arrays = [each[name] for each in raw]
    return _only(arrays, name) if name in tensors.shared else _stacked(arrays, name)


def _only(arrays: Sequence[Array], name: str) -> Array:
    """What all pictures have in common. BadRequest if it is not the same."""
    if len({tuple(each.ravel()) if each.dtype.kind == "O" else each.tobytes() for each in arrays}) > 1:
        raise BadRequest(f"the output {name!r} is another one for each of these pictures: send them one by one")
    return arrays[0]


def _stacked(rows: Sequence[Array], name: str) -> Array:
    """One array; rows of other lengths are filled up with zeros, or empty texts. BadRequest if that can't be."""
    if len({row.shape for row in rows}) == 1:
        return np.stack(rows)
    if len({row.shape[1:] for row in rows}) > 1:
        raise BadRequest(f"the output {name!r} has another shape for each of these pictures: send them one by one")
    length = max(map(len, rows))
    return np.stack([np.concatenate([row, _nothing(row, length - len(row))]) for row in rows])


def _nothing(row: Array, more: int) -> Array:
    return np.full((more, *row.shape[1:]), b"" if row.dtype.kind == "O" else 0, row.dtype)


def _typed(array: Array, tensors: Tensors, name: str) -> Array:
    """In the signature's own type, whichever backend has answered; without the side that it does not have."""
    dtype = tensors.outputs[name].dtype
    array = array if dtype == TEXT or dtype not in np.sctypeDict else array.astype(dtype, copy=False)
    return array[0] if tensors.unbatched else array
