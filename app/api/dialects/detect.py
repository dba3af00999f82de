"""POST /detect: JPEG files in, the objects in them out."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from functools import lru_cache
from itertools import zip_longest
from typing import Any, NamedTuple, TypeVar

from fastapi import APIRouter, Request, Response
from pydantic_core import to_json
from starlette.datastructures import QueryParams
from starlette.responses import StreamingResponse

from app.api import parameter_schemas, parameters
from app.api.accept import wants_picture
from app.api.access import TOKEN
from app.api.departures import unless_gone
from app.api.dialects import answers, bodies, pairs
from app.api.dialects.examples import detect_body, detect_responses
from app.api.dialects.steps import Steps
from app.api.headers import one_of_each
from app.api.parameters import Parameters
from app.api.pipeline import Answered, Asked, Found, Pipeline
from app.api.straight import Ready, StraightRoute
from app.choices import BOTH
from app.detection import draw
from app.detection.detector import Result
from app.detection.side_by_side import SideBySideResult
from app.errors import BadParameter, ServiceError

T = TypeVar("T")


def routes(pipeline: Pipeline) -> APIRouter:
    """The router of /detect."""
    router = APIRouter(tags=["detection"], route_class=StraightRoute)
    steps = Steps()

    @router.post(
        "/detect",
        summary="Find the objects in JPEG pictures",
        response_class=Response,
        responses=detect_responses(),
        openapi_extra={"requestBody": detect_body(), "parameters": parameter_schemas.in_query()},
        dependencies=[TOKEN],
    )
    async def detect(request: Request) -> Response:
        headers = one_of_each(request.scope["headers"])
        body = await bodies.read(request, headers, steps)
        started = time.perf_counter()
        wanted = _wanted(request.scope["query_string"], body.fields, headers.get(parameters.TIMEOUT_HEADER))
        picture = wants_picture(headers.get("accept", ""))
        _check_picture(picture, body, wanted)
        async with pipeline.answering(request, Asked(body.pictures, wanted)) as answered:
            encoding = Encoding(answered, wanted, pipeline.drawing, started, body.names)
            work = encoding.several() if body.several else encoding.one(as_picture=picture)
            return await (unless_gone(request, work) if picture or wanted.annotate else work)

    return router


def _check_picture(picture: bool, body: bodies.Body, wanted: Parameters) -> None:
    if picture and body.several:
        raise BadParameter("Accept: image/jpeg answers one picture, the request has several")
    if picture and wanted.backend == BOTH:
        raise BadParameter("Accept: image/jpeg shows the boxes of one backend, not of both")


class Encoding(NamedTuple):
    """How the results of one request become its response."""

    answered: Answered
    wanted: Parameters
    drawing: Executor
    started: float  # when the body had been read, of time.perf_counter
    names: Sequence[str | None] = ()  # of the files, in the order of the results

    async def one(self, *, as_picture: bool) -> Response:
        """The response for one picture; its error, if it has one, is raised."""
        (found,) = self.answered.results
        if isinstance(found, ServiceError):
            raise found
        result = _first(found)
        if as_picture:
            drawn = await self._drawn(result, bytes)
            return Response(drawn, headers=_headers(result, self._timing(result)), media_type="image/jpeg")
        plain = isinstance(found, Result) and not self.wanted.annotate
        item = self._plain(result) if plain else await self._item(found)
        body = to_json({**self._frame(), **item})
        return Ready(body, _headers(result, item["timing_ms"]))

    async def several(self) -> Response:
        """The response for several pictures: 200 if one has an answer, else the first one's status."""
        results = self.answered.results
        # Each by itself: with pictures in it the answer is large, and is never built in one go.
        named = zip_longest(results, self.names)
        items = [to_json({**_file(name), **await self._item_or_error(result)}) for result, name in named]
        good = next((_first(item) for item in results if not isinstance(item, ServiceError)), None)
        failed = [item for item in results if isinstance(item, ServiceError)]
        headers = {} if good is None else _headers(good, self._timing(good))
        status, end = (200, b"]}") if good is not None else self._none_good(failed[0])
        pieces = [to_json(self._frame())[:-1] + b',"results":[', *_between(items), end]
        if not self.wanted.annotate:
            return Response(b"".join(pieces), status, headers, "application/json")
        headers["Content-Length"] = str(sum(map(len, pieces)))
        return StreamingResponse(_each(pieces), status, headers, "application/json")

    def _none_good(self, error: ServiceError) -> tuple[int, bytes]:
        """The status of a request that has no answer at all, and the end of its body: those of the first picture."""
        first = answers.failed_picture(error)
        status = first.pop("status")
        return status, b"]," + to_json({**first, "request_id": self.answered.request_id})[1:]

    def _frame(self) -> dict[str, Any]:
        model = {"name": self.answered.model.name, "version": self.answered.model.version}
        return {"id": self.answered.request_id, "model": model}

    async def _item_or_error(self, found: Found) -> dict[str, Any]:
        if isinstance(found, ServiceError):
            return answers.failed_picture(found)
        return {"status": 200, **await self._item(found)}

    async def _item(self, found: Result | SideBySideResult) -> dict[str, Any]:
        if isinstance(found, Result):
            return await self._picture(found)
        native = await self._picture(found.native)
        if isinstance(found.copy, ServiceError):
            return {**native, "copy": answers.failed_picture(found.copy)}
        copy = await self._picture(found.copy)
        del copy["image"]  # it is the same one
        return {**native, "copy": copy, "comparison": found.comparison}

    async def _picture(self, result: Result) -> dict[str, Any]:
        if not self.wanted.annotate:
            return self._plain(result)
        answer = answers.picture_answer(result, self.answered.model, self.wanted.box)
        answer["annotated"] = await self._drawn(result, answers.data_uri)
        return {**answer, "timing_ms": self._timing(result)}

    def _plain(self, result: Result) -> dict[str, Any]:
        answer = answers.picture_answer(result, self.answered.model, self.wanted.box)
        answer["timing_ms"] = self._timing(result)
        return answer

    async def _drawn(self, result: Result, form: Callable[[bytes], T]) -> T:
        def work() -> T:
            return form(draw.annotate(result.image, answers.labelled(result, self.answered.model)))

        return await asyncio.get_running_loop().run_in_executor(self.drawing, work)

    def _timing(self, result: Result) -> dict[str, float]:
        return answers.timing(result, time.perf_counter() - self.started)


def _between(items: Sequence[bytes]) -> Iterator[bytes]:
    """The items with commas between them."""
    for number, item in enumerate(items):
        yield b"," + item if number else item


async def _each(pieces: Sequence[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def _first(found: Result | SideBySideResult) -> Result:
    return found.native if isinstance(found, SideBySideResult) else found


def _headers(result: Result, timing: Mapping[str, float]) -> dict[str, str]:
    times = ", ".join([f"{name};dur={ms}" for name, ms in timing.items()])
    return {"X-Backend": result.backend, "Server-Timing": times}


def _file(name: str | None) -> dict[str, str]:
    return {} if name is None else {"file": name}


def _wanted(query: bytes, fields: Mapping[str, Any], timeout: str | None) -> Parameters:
    if fields or timeout is not None:
        return parameters.read(_values(query), fields, timeout)
    return _by_query(query)


@lru_cache(maxsize=64)  # clients that ask often ask alike
def _by_query(query: bytes) -> Parameters:
    return parameters.read(_values(query), {})


def _values(query: bytes) -> Mapping[str, str]:
    return pairs.collected(QueryParams(query).multi_items(), "the query")
