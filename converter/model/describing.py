"""What a model's outputs mean, found by running it on photos and changed ones, where nobody has said it."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec

from converter.contract import UnusableModel
from converter.description import Description
from converter.model import sampling
from converter.model.changes import Change, changed
from converter.model.evidence import read_boxes
from converter.model.found import Outputs, found
from converter.model.moving import Seen, Trial
from converter.model.pictures import prepare
from converter.model.placing import Placed
from converter.model.prediction import Predictor, called
from converter.model.roles import settle

_DECODER = "simplejpeg"
_MOST_S = 16.0  # of the processor for all photos, 8 s on two cores; those that would take longer are left out

_AS_IT_IS = Change("as it is")

Answer = tuple[Change, Outputs, Placed]


def describe_boxes(
    model: Predictor, photos: Sequence[bytes], *, clock: Callable[[], float] = time.process_time
) -> Description:
    """The model's description with the reading of its boxes, found on these photos where nobody declared it.

    UnusableModel if it can't be found, or this process lacks what decodes for it.
    """
    known = model.description
    _check_decoder(known)
    if known.settled:
        return known
    tried = list(_tried(model, photos, clock))
    settled = settle(known, [outputs for each in tried for _, outputs, _ in each])
    found = settled if settled.has_reading else read_boxes(settled, [_trial(each, settled) for each in tried])
    return replace(found, tried=True)


def _check_decoder(known: Description) -> None:
    if known.input.decoded_here and find_spec(_DECODER) is None:
        raise UnusableModel(
            f"the input {known.input.name!r} takes pictures, which the worker decodes with the package {_DECODER}: "
            "it is not installed (pip install '.[onnx]')"
        )


def _tried(model: Predictor, photos: Sequence[bytes], clock: Callable[[], float]) -> Iterator[list[Answer]]:
    """What the model answers to each photo and its changed ones, for as many as there is time."""
    started = clock()
    for number, photo in enumerate(photos, start=1):
        pictures = [(_AS_IT_IS, photo), *changed(photo)]
        yield [(change, *_answer(model, data)) for change, data in pictures]
        spent = clock() - started
        if spent * (number + 1) / number > _MOST_S:
            return


def _answer(model: Predictor, photo: bytes) -> tuple[Outputs, Placed]:
    repeated = [photo] * (model.description.input.batch or 1)
    prepared = prepare(repeated, [sampling.size_of(photo)], model.description.input)
    return called(model, prepared, len(repeated)), prepared.placed[0]


def _trial(answers: Sequence[Answer], description: Description) -> Trial:
    (_, photo), *others = [
        (change, Seen(found(outputs, description, 0), placed)) for change, outputs, placed in answers
    ]
    return Trial(photo, others)
