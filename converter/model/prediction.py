"""From JPEG files to Detections through any loaded model or copy: its input made, called, its outputs read."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.util import find_spec
from typing import Any, Protocol

from converter.contract import UnusableModel
from converter.description import JPEG, Description, Input
from converter.model import orientation, sampling
from converter.model.box_forms import Outputs, infer_box_form, read
from converter.model.detections import Detections
from converter.model.orientation import Shown
from converter.model.pictures import Prepared, prepare

_MOST_FIXED = 32  # pictures that a graph may want in each call without saying so
_DECODER = "simplejpeg"


class WrongBatch(Exception):
    """The model answered another number of pictures than it was given; the message says so."""


class Predictor(Protocol):
    """A loaded model or copy."""

    description: Description

    def outputs(self, values: Any) -> Outputs:
        """All that is read of it, for JPEG files or an array of pictures; whatever its library raises."""


def predict(
    model: Predictor,
    jpegs: Sequence[bytes],
    sizes: Sequence[Shown],
    *,
    pool: ThreadPoolExecutor | None = None,
    description: Description | None = None,
) -> list[Detections]:
    """Run one batch; files beyond `sizes` are padding. `description`: in place of the model's own."""
    known = description or model.description
    prepared = prepare(jpegs, sizes, known.input, pool)
    found = read(_called(model, prepared, len(jpegs)), known, prepared.placed)
    turned = [known.input.kind == JPEG and orientation.of(size) != orientation.AS_STORED for size in sizes]
    return [
        replace(each, decode_s=prepared.decode_s, encoded_again=again)
        for each, again in zip(found, turned, strict=True)
    ]


def describe_boxes(model: Predictor, photos: Sequence[bytes]) -> Description:
    """The model's description with the reading of its boxes, found on these photos where nobody declared it.

    UnusableModel if it can't be found, or this process lacks what decodes for it.
    """
    known = model.description
    if known.input.decoded_here and find_spec(_DECODER) is None:
        raise UnusableModel(
            f"the input {known.input.name!r} takes pictures, which the worker decodes with the package {_DECODER}: "
            "it is not installed (pip install '.[onnx]')"
        )
    if known.boxes:
        return known
    answers = []
    for photo in photos:
        repeated = [photo] * (known.input.batch or 1)
        prepared = prepare(repeated, [sampling.size_of(photo)], known.input)
        answers.append((_called(model, prepared, len(repeated)), prepared.placed[0]))
    return infer_box_form(known, answers)


def sizes_for(asked: Sequence[int], into: Input) -> tuple[int, ...]:
    """The batch sizes of `asked` that an input of this kind can have, by its signature."""
    if into.batch:
        return (into.batch,)
    return (1,) if into.single else tuple(asked)


def working_batch_sizes(asked: Sequence[int], into: Input, works: Callable[[int], bool]) -> Iterator[int]:
    """The batch sizes that work, of `asked`, or if none does the first others: graphs fix them without saying so."""
    sizes = sizes_for(asked, into)
    found = [size for size in sizes if works(size)]
    if not found and not (into.batch or into.single):
        found = _other_sizes(sizes, works)[:1]
    yield from found


def _other_sizes(sizes: Sequence[int], works: Callable[[int], bool]) -> list[int]:
    return [size for size in range(1, _MOST_FIXED + 1) if size not in sizes and works(size)]


def _called(model: Predictor, prepared: Prepared, count: int) -> Outputs:
    outputs = model.outputs(prepared.values)
    for name in model.description.outputs.values():
        rows = len(outputs[name]) if getattr(outputs[name], "ndim", 1) else 0
        if rows != count:
            raise WrongBatch(f"the output {name!r} has {rows} rows for {count} pictures")
    return outputs
