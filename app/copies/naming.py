"""Has a model that has just been loaded show which of its labels' names belong to which of its classes."""

import asyncio
import logging
from collections.abc import Mapping

from app.backends.backend import Backend, BatchFailed, ModelRefused
from app.images import MOST_PIXELS, check
from app.label_ids import Seen, Undecided, first_class, needs_photos
from app.model_folder import Model
from converter.model import sampling
from converter.model.found import COUNTING

log = logging.getLogger(__name__)


async def named(model: Model, fresh: Backend) -> Model:
    """The model with its labels settled, by what its worker says and finds; ModelRefused if they can't be."""
    if model.file is None or model.label_evidence:
        return model
    told = fresh.facts.signature
    try:
        first, evidence = first_class(
            model.file, Seen(told, await _scores(fresh) if needs_photos(model.file, told) else {})
        )
    except Undecided as error:
        raise ModelRefused(str(error)) from error
    settled = model.with_first(first, evidence)
    log.info("labels read version=%s names=%d evidence=%r", model.version, len(settled.labels), settled.label_evidence)
    return settled


async def _scores(fresh: Backend) -> Mapping[int, float]:
    """The best score of each class in the packaged photos."""
    best: dict[int, float] = {}
    for photo in await asyncio.to_thread(sampling.packaged):
        try:
            (found,) = await fresh.detect([check(photo, max_pixels=MOST_PIXELS)])
        except BatchFailed:  # of one that it can't take, as a grey one
            continue
        for class_id, score in zip(found.classes.tolist(), found.scores.tolist(), strict=True):
            if score >= COUNTING:
                best[class_id] = max(score, best.get(class_id, 0.0))
    return best
