"""The program that runs a model on many pictures for running.py; it prints in JSON which it failed on and why.

What it finds it writes into a file, a row for each detection: the picture's number, left, top, right, bottom, score,
class. Pictures are read one after the other: a set of thousands is not held in memory.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from converter import stored
from converter.comparison.loading import Broken, Guarded, described, load
from converter.contract import UnusableModel
from converter.evaluation.running import Asked
from converter.machine import child
from converter.model import prediction, sampling
from converter.model.detections import Detections
from converter.model.prediction import WrongBatch
from converter.progress import DETECT, Progress

_TOLD_EACH = 20  # pictures


def _detect(asked: Asked) -> dict[int, str]:
    """Write what is found; pictures that the model failed on."""
    paths = [Path(name) for name in json.loads(asked.pictures.read_text())]
    model = load(asked.model)
    try:
        model.description = described(model)
        size = _batch_size(model, asked, paths[0].read_bytes())
    except (UnusableModel, Broken) as error:
        sys.exit(str(error))
    tables, failed = [np.empty((0, 7))], dict[int, str]()
    for number, path in enumerate(_told(paths, DETECT + asked.model.folder.name)):
        try:
            (found,) = _answers(model, path.read_bytes(), size)
        except Broken as error:
            failed[number] = str(error)
        else:
            tables.append(_rows(number, found))
    np.save(asked.into, np.concatenate(tables).astype(np.float32))
    return failed


def _told(paths: list[Path], name: str) -> Iterator[Path]:
    progress = Progress()
    progress.step_now = name
    for number, path in enumerate(paths):
        if number % _TOLD_EACH == 0:
            progress.part(number, len(paths))
        yield path


def _batch_size(model: Guarded, asked: Asked, photo: bytes) -> int:
    """The least that works: one, or what the graph or a copy's engines are bound to."""

    def works(size: int) -> bool:
        try:
            return bool(_answers(model, photo, size))
        except Broken:
            return False

    sizes = asked.model.batch_sizes
    found = next(prediction.working_batch_sizes(sizes, model.description.input, works), None)
    if found is None:
        _answers(model, photo, sizes[0])  # says what is wrong
        raise Broken("it runs at no batch size")
    return found


def _answers(model: Guarded, photo: bytes, size: int) -> list[Detections]:
    try:
        return prediction.predict(model, sampling.batch([photo], size), [sampling.size_of(photo)])
    except WrongBatch as error:
        raise Broken(str(error)) from error


def _rows(number: int, found: Detections) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    numbers = np.full(len(found), number)
    return np.column_stack([numbers, found.boxes, found.scores, found.classes]).astype(np.float64)


if __name__ == "__main__":
    child.begin()
    print(json.dumps(_detect(stored.from_json(Asked, sys.argv[1], "the request"))))
