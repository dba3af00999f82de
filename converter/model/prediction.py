"""From JPEG files to Detections through any loaded model or copy: its input made, called, its outputs read."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from converter.description import JPEG, Description, Input
from converter.model import orientation
from converter.model.box_forms import read
from converter.model.detections import Detections
from converter.model.found import Outputs
from converter.model.orientation import Shown
from converter.model.pictures import Prepared, prepare

_MOST_FIXED = 32  # pictures that a graph may want in each call without saying so


class WrongBatch(Exception):
    """The model answered another number of pictures than it was given; the message says so."""


class Predictor(Protocol):
    """A loaded model or copy."""

    description: Description

    def outputs(self, values: Any) -> Outputs:
        """All that is read of it, for JPEG files or an array of pictures; whatever its library raises."""


class Whole(Predictor, Protocol):
    """One that can give more than is read of it."""

    shared: frozenset[str]  # outputs that a call gives once, and not for each picture

    def every(self, values: Any) -> Outputs:
        """All outputs of the signature, with those that are read."""


def predict(
    model: Predictor, jpegs: Sequence[bytes], sizes: Sequence[Shown], *, pool: ThreadPoolExecutor | None = None
) -> list[Detections]:
    """Run one batch; files beyond `sizes` are padding."""
    prepared = prepare(jpegs, sizes, model.description.input, pool)
    outputs = called(model, prepared, len(jpegs))
    return _detections(outputs, model.description, prepared, sizes)


def predict_whole(
    model: Whole, jpegs: Sequence[bytes], sizes: Sequence[Shown], *, pool: ThreadPoolExecutor | None = None
) -> list[Detections]:
    """The same with all outputs of each picture as the model gave them, in `raw`."""
    prepared = prepare(jpegs, sizes, model.description.input, pool)
    outputs = _checked(model.every(prepared.values), model.description, len(jpegs))
    found = _detections(outputs, model.description, prepared, sizes)
    arrays = {name: np.asarray(value) for name, value in outputs.items()}
    shared = {name: arrays.pop(name) for name in model.shared & arrays.keys()}
    own = {name: value for name, value in arrays.items() if value.shape[:1] == (len(jpegs),)}
    return [replace(each, raw=_of_picture(own, number) | shared) for number, each in enumerate(found)]


def _detections(outputs: Outputs, known: Description, prepared: Prepared, sizes: Sequence[Shown]) -> list[Detections]:
    found = read(outputs, known, prepared.placed)
    turned = [known.input.kind == JPEG and orientation.of(size) != orientation.AS_STORED for size in sizes]
    return [
        replace(each, decode_s=prepared.decode_s, encoded_again=again)
        for each, again in zip(found, turned, strict=True)
    ]


def _of_picture(outputs: Mapping[str, NDArray[Any]], number: int) -> dict[str, NDArray[Any]]:
    """One picture's part of outputs; arrays, also where it is one text."""
    return {name: value[number, ...] for name, value in outputs.items()}


def sizes_for(asked: Sequence[int], into: Input) -> tuple[int, ...]:
    """The batch sizes of `asked` that an input of this kind can have, by its signature."""
    if into.batch:
        return (into.batch,)
    return (1,) if into.single else tuple(asked)


def working_batch_sizes(
    asked: Sequence[int], into: Input, works: Callable[[int], bool], *, enough: int | None = None
) -> Iterator[int]:
    """The batch sizes that work, of `asked`, or if none does the first others: graphs fix them without saying so.

    No more are tried once there are `enough`.
    """
    sizes = sizes_for(asked, into)
    found = list(islice(filter(works, sizes), enough))
    if not found and not (into.batch or into.single):
        found = _other_sizes(sizes, works)[:1]
    yield from found


def _other_sizes(sizes: Sequence[int], works: Callable[[int], bool]) -> list[int]:
    return [size for size in range(1, _MOST_FIXED + 1) if size not in sizes and works(size)]


def called(model: Predictor, prepared: Prepared, count: int) -> Outputs:
    """What the model answers to `count` pictures; WrongBatch if that is another number."""
    return _checked(model.outputs(prepared.values), model.description, count)


def _checked(outputs: Outputs, description: Description, count: int) -> Outputs:
    if description.unbatched:
        outputs = {name: np.asarray(value)[np.newaxis] for name, value in outputs.items()}
    for name in description.outputs.values():
        rows = len(outputs[name]) if getattr(outputs[name], "ndim", 1) else 0
        if rows != count:
            raise WrongBatch(f"the output {name!r} has {rows} rows for {count} pictures")
    return outputs
