"""The one way from a request to its answer, for every protocol: pictures and parameters in, results out, observed once.

A protocol reads its own kind of body, has it answered here, and writes its own kind of answer.
"""

import time
from collections.abc import Coroutine, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from operator import attrgetter
from typing import Any, NamedTuple

from starlette.requests import Request

from app.api import parameters
from app.api.departures import unless_gone
from app.api.parameters import Parameters
from app.api.serving import Serving
from app.choices import AUTO, BOTH
from app.detection.detector import Detector, Query, Result
from app.detection.side_by_side import SideBySide, SideBySideResult
from app.errors import ServiceError
from app.metrics import NO_BACKEND
from app.model_folder import Model
from app.verdicts.shadow import Shadow

Found = Result | SideBySideResult | ServiceError

MAX_PICTURES = 32  # of one request
_SWAPS = 2  # that may come between the pictures of one request
_queue_s, _infer_s = attrgetter("queue_s"), attrgetter("infer_s")


class Asked(NamedTuple):
    """What a protocol has read of a request: JPEG files, each of which may be an error already, and parameters."""

    pictures: Sequence[bytes | ServiceError]
    parameters: Parameters
    raw: bool = False  # whether all outputs of the model are wanted too, as it gives them to the picture as stored


class Answered(NamedTuple):
    """The results in the order of the pictures, and the model that they are of."""

    results: Sequence[Found]
    model: Model
    request_id: str


class Pipeline:
    """Answers what any protocol has read."""

    def __init__(
        self, detector: Detector, side_by_side: SideBySide, shadow: Shadow, serving: Serving, drawing: Executor
    ) -> None:
        self.drawing = drawing  # for answers that are too slow for the event loop; nobody else waits in it
        self.serving = serving
        self._detector, self._side_by_side, self._shadow = detector, side_by_side, shadow
        self._served = serving.served

    def answering(self, request: Request, asked: Asked) -> "Answering":
        """The results, while the block writes the answer; what it cost is observed when the block ends.

        A ServiceError that stops all pictures is raised, ClientGone if the client leaves. The body must have been read.
        """
        return Answering(self, request, asked)

    async def answer(self, request: Request, asked: Asked) -> Answered:
        """The results, which are in the request's log from now on."""
        wanted, state = asked.parameters, request.scope["state"]
        state["backend"] = wanted.backend if wanted.backend != AUTO else NO_BACKEND
        state["pictures"] = len(asked.pictures)
        query = _query(wanted, self._served.now)
        if asked.raw:
            query = replace(query, raw=True, upright=False)
        ask = self._of_one_version if len(asked.pictures) > 1 or query.backend == BOTH else self._ask
        results = await unless_gone(request, ask(asked, query, state["request_id"]))
        good = answers_in(results)
        if good:
            if wanted.backend != BOTH:  # two have answered, and the time is that of both
                state["backend"] = good[0].backend
            state["queue_ms"] = round(1000 * max(map(_queue_s, good)), 2)
            state["infer_ms"] = round(1000 * max(map(_infer_s, good)), 2)
        for each in good:
            if each.found.names:
                self._served.learn(each.found.version, each.found.names)
        return Answered(results, self._served.model_of(_version(good)), state["request_id"])

    def observe(self, answered: Answered, encode_s: float) -> None:
        """Observe what was answered, in which writing the answer took so long; some of it is run again later."""
        good = answers_in(answered.results)
        for result in good:
            self._detector.observe(result, encode_s=encode_s / len(good))
        for item in answered.results:
            if isinstance(item, Result):
                image = replace(item.image, raw=False) if item.image.raw else item.image
                self._shadow.offer(image, answered.request_id)

    async def _of_one_version(self, asked: Asked, query: Query, request_id: str) -> Sequence[Found]:
        """The results; asked for again if a new version of the model came between the pictures of the request."""
        results = await self._ask(asked, query, request_id)
        for _ in range(_SWAPS):
            if len(_versions(answers_in(results))) < 2:
                break
            results = await self._ask(asked, query, request_id)
        return results

    def _ask(self, asked: Asked, query: Query, request_id: str) -> Coroutine[Any, Any, Sequence[Found]]:
        if query.backend == BOTH:
            copy = asked.parameters.compare_with
            return self._side_by_side.detect(asked.pictures, query, request_id, copy=copy)
        return self._detector.detect(asked.pictures, query)


class Answering:
    """The block of `Pipeline.answering`."""

    def __init__(self, pipeline: Pipeline, request: Request, asked: Asked) -> None:
        self._pipeline, self._request, self._asked = pipeline, request, asked

    async def __aenter__(self) -> Answered:
        self._answered = await self._pipeline.answer(self._request, self._asked)
        self._begun = time.perf_counter()
        return self._answered

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._pipeline.observe(self._answered, time.perf_counter() - self._begun)


def answers_in(results: Sequence[Found]) -> list[Result]:
    """Every answer of a backend among the results."""
    good: list[Result] = []
    for item in results:
        if isinstance(item, SideBySideResult):
            good += [each for each in (item.native, item.copy) if isinstance(each, Result)]
        elif isinstance(item, Result):
            good.append(item)
    return good


def _version(good: Sequence[Result]) -> str:
    return good[0].found.version if len(good) == 1 else next(iter(_versions(good)), "")


def _versions(good: Sequence[Result]) -> set[str]:
    return {each.found.version for each in good} - {""}


def _query(wanted: Parameters, model: Model) -> Query:
    return Query(
        threshold=wanted.threshold,
        max_detections=wanted.max_detections,
        classes=parameters.class_ids(wanted.classes, model.labels),
        backend=wanted.backend,
        upright=None if wanted.orientation is None else wanted.orientation == "upright",
        timeout_s=wanted.timeout_ms / 1000 if wanted.timeout_ms is not None else None,
    )
