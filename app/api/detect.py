"""POST /detect: JPEG files in, the objects in them out."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic_core import to_json

from app.api import answers, bodies, parameters
from app.api.accept import wants_picture
from app.api.auth import TOKEN
from app.api.departures import ClientGone, unless_gone
from app.api.examples import detect_body, detect_responses
from app.api.parameters import Parameters
from app.copies.versions import Served
from app.detection import draw
from app.detection.detector import Detector, Query, Result
from app.detection.side_by_side import BOTH, Both, Twin
from app.errors import BadParameter, ServiceError
from app.model_folder import Model

Found = Result | Twin | ServiceError

_SWAPS = 2  # that may come between the pictures of one request
_CLIENT_CLOSED_REQUEST = 499  # nginx's word for it; nobody reads this answer, the metrics count it


def routes(detector: Detector, both: Both, served: Served, executor: Executor) -> APIRouter:
    """The router of /detect; pictures are drawn in `executor`."""
    router = APIRouter(tags=["detection"])

    @router.post(
        "/detect",
        summary="Find the objects in JPEG pictures",
        response_class=Response,
        responses=detect_responses(),
        openapi_extra={"requestBody": detect_body(), "parameters": parameters.openapi()},
        dependencies=[TOKEN],
    )
    async def detect(request: Request) -> Response:
        body = await bodies.read(request)
        started = time.perf_counter()
        timeout = request.headers.get(parameters.TIMEOUT_HEADER)
        wanted = parameters.read(_single_values(request), body.fields, timeout)
        picture = wants_picture(request.headers.get("accept", ""))
        _check_picture(picture, body, wanted)
        request.state.backend = wanted.backend if wanted.backend != "auto" else "none"
        asked = _query(wanted, served.now)

        def ask() -> Awaitable[Sequence[Found]]:
            if wanted.backend == BOTH:
                return both.detect(body.pictures, asked, request.state.request_id, copy=wanted.compare_with)
            return detector.detect(body.pictures, asked)

        try:
            results = await unless_gone(request, _of_one_version(ask))
        except ClientGone:
            return Response(status_code=_CLIENT_CLOSED_REQUEST)
        encoding = Encoding(request, served.of(_version(results)), wanted, executor, started)
        inferred = time.perf_counter()
        made = encoding.several(results) if body.several else encoding.one(results[0], as_picture=picture)
        response = await made
        _observe(detector, results, request.state.request_id, time.perf_counter() - inferred)
        return response

    return router


async def _of_one_version(ask: Callable[[], Awaitable[Sequence[Found]]]) -> Sequence[Found]:
    """What it answers; it is asked again if a new version of the model came between the pictures of a request."""
    results = await ask()
    for _ in range(_SWAPS):
        if len(_versions(results)) < 2:
            break
        results = await ask()
    return results


def _version(results: Sequence[Found]) -> str:
    return next(iter(_versions(results)), "")


def _versions(results: Sequence[Found]) -> set[str]:
    return {each.found.version for item in results for each in _results(item)} - {""}


def _check_picture(picture: bool, body: bodies.Body, wanted: Parameters) -> None:
    if picture and body.several:
        raise BadParameter("Accept: image/jpeg answers one picture, the request has several")
    if picture and wanted.backend == BOTH:
        raise BadParameter("Accept: image/jpeg shows the boxes of one backend, not of both")


def _observe(detector: Detector, results: Sequence[Found], request_id: str, encode_s: float) -> None:
    good = [result for item in results for result in _results(item)]
    for result in good:
        detector.observe(result, encode_s=encode_s / len(good))
    for item in results:
        if isinstance(item, Result):
            detector.answer_is_out(item, request_id)


def _results(item: Found) -> list[Result]:
    if isinstance(item, Twin):
        return [result for result in (item.native, item.copy) if isinstance(result, Result)]
    return [item] if isinstance(item, Result) else []


@dataclass(frozen=True, slots=True)
class Encoding:
    """How the results of one request become its response."""

    request: Request
    model: Model
    wanted: Parameters
    executor: Executor
    started: float  # when the body had been read, of time.perf_counter

    async def one(self, found: Found, *, as_picture: bool) -> Response:
        """The response for one picture; its error, if it has one, is raised."""
        if isinstance(found, ServiceError):
            raise found
        result = _first(found)
        self.request.state.backend = result.backend
        if as_picture:
            drawn = await self._drawn(result)
            return Response(drawn, headers=_headers(result, self._timing(result)), media_type="image/jpeg")
        answer = {**self._frame(), **await self._item(found)}
        headers = _headers(result, answer["timing_ms"])
        return Response(to_json(answer), headers=headers, media_type="application/json")

    async def several(self, results: Sequence[Found]) -> Response:
        """The response for several pictures: 200 if one has an answer, else the first one's status."""
        items = [
            answers.failed(result) if isinstance(result, ServiceError) else {"status": 200, **await self._item(result)}
            for result in results
        ]
        good = next((_first(item) for item in results if not isinstance(item, ServiceError)), None)
        headers = {}
        if good is not None:
            self.request.state.backend = good.backend
            headers = _headers(good, self._timing(good))
        answer = {**self._frame(), "results": items}
        if good is None:
            first = {"error": items[0]["error"], "code": items[0]["code"]}
            answer = {**answer, **first, "request_id": self.request.state.request_id}
        return Response(to_json(answer), items[0]["status"] if good is None else 200, headers, "application/json")

    def _frame(self) -> dict[str, Any]:
        model = {"name": self.model.name, "version": self.model.version}
        return {"id": self.request.state.request_id, "model": model}

    async def _item(self, found: Result | Twin) -> dict[str, Any]:
        if isinstance(found, Result):
            return await self._picture(found)
        native = await self._picture(found.native)
        if isinstance(found.copy, ServiceError):
            return {**native, "copy": answers.failed(found.copy)}
        copy = await self._picture(found.copy)
        del copy["image"]  # it is the same one
        return {**native, "copy": copy, "comparison": found.comparison}

    async def _picture(self, result: Result) -> dict[str, Any]:
        answer = answers.one(result, self.model, self.wanted.box)
        if self.wanted.annotate:
            answer["annotated"] = answers.data_uri(await self._drawn(result))
        return {**answer, "timing_ms": self._timing(result)}

    async def _drawn(self, result: Result) -> bytes:
        work = partial(draw.annotate, result.image, answers.labelled(result, self.model))
        return await asyncio.get_running_loop().run_in_executor(self.executor, work)

    def _timing(self, result: Result) -> dict[str, float]:
        return answers.timing(result, time.perf_counter() - self.started)


def _first(found: Result | Twin) -> Result:
    return found.native if isinstance(found, Twin) else found


def _headers(result: Result, timing: Mapping[str, float]) -> dict[str, str]:
    times = ", ".join(f"{name};dur={ms}" for name, ms in timing.items())
    return {"X-Backend": result.backend, "Server-Timing": times}


def _query(wanted: Parameters, model: Model) -> Query:
    return Query(
        threshold=wanted.threshold,
        max_detections=wanted.max_detections,
        classes=parameters.class_ids(wanted.classes, model.labels),
        backend=wanted.backend,
        timeout_s=wanted.timeout_ms / 1000 if wanted.timeout_ms is not None else None,
    )


def _single_values(request: Request) -> Mapping[str, str]:
    """The query; a parameter given more than once has its last value, but classes add up."""
    if not request.url.query:
        return {}
    values = dict(request.query_params)
    if "classes" in values:
        values["classes"] = ",".join(request.query_params.getlist("classes"))
    return values
