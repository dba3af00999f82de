"""The server as an app: `create_app` has its parts built and routes put over them; its lifespan starts them."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from pydantic import SecretStr

import app
from app.api import admin, compare, conversions, docs, ops, web
from app.api.access import Access, Keys
from app.api.admission import Admission
from app.api.cors import Cors
from app.api.dialects import Dialect, dialects, error_forms
from app.api.error_forms import ErrorForms
from app.api.errors import HANDLERS
from app.api.heads import Heads
from app.api.hosts import Allowed, Hosts
from app.api.journal import Journal
from app.api.layers import Layered
from app.api.limits import BodyLimit
from app.api.packed import Packed
from app.api.paths import Paths
from app.api.pipeline import Pipeline
from app.api.prefix import Prefix
from app.api.requests import Requests
from app.api.serving import Serving
from app.api.straight import Straight
from app.backends.backend import ModelRefused, Starter, WorkerDied
from app.backends.spare import Spare
from app.choices import NATIVE
from app.detection.side_by_side import SideBySide
from app.settings import Settings, WrongSetting
from app.web.samples import Samples
from app.wiring import Parts, build
from converter.model import sampling

log = logging.getLogger(__name__)


def create_app(
    settings: Settings,
    *,
    start_backend: Starter | None = None,
    spare: Spare | None = None,
    fail: Callable[[str], None] = log.error,
) -> FastAPI:
    """The server for `settings`. `fail` is called with a sentence if native can't serve at start.

    `spare`: a process that waits to be native's worker. NoModel if there is no model where the settings say.
    """
    return assemble(build(settings, start_backend, spare), settings, fail=fail)


def assemble(
    parts: Parts,
    settings: Settings,
    *,
    fail: Callable[[str], None] = log.error,
    protocols: Mapping[str, Dialect] | None = None,
) -> FastAPI:
    """The server over `parts`: its routes, its layers, and a lifespan that starts and ends them.

    `protocols`: those in which detections may be asked for, by name; None: all there are.
    """

    @asynccontextmanager
    async def lifespan(api: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(each) for each in (_begin(parts, fail), parts.shadow.run(), parts.later.run())]
        try:
            async with beside():
                yield
        finally:
            await _end(parts, tasks)

    api = _app(settings, lifespan)
    pipeline = _pipeline(parts)
    beside = _beside(settings, pipeline, parts, fail)
    detecting = [protocol(pipeline) for protocol in (dialects() if protocols is None else protocols).values()]
    routers = [*detecting, *_others(parts, settings)]
    for router in routers:
        api.include_router(router)
    if settings.docs:
        docs.add_docs(api)
    _add_layers(api, settings, parts, detecting=_routes(detecting), routes=_routes(routers))
    api.state.health, api.state.metrics = parts.health, parts.metrics
    return api


def _app(settings: Settings, lifespan: Any) -> Layered:
    return Layered(
        docs_url=None,  # ours, see `docs`
        redoc_url=None,
        openapi_url="/openapi.json" if settings.docs else None,
        redirect_slashes=False,
        title="Detection server",
        version=app.__version__,
        description="Finds objects in JPEG pictures with a TensorFlow SavedModel and its copies, and measures both.",
        servers=[{"url": settings.root_path}] if settings.root_path else None,
        generate_unique_id_function=lambda route: str(route.name),
        lifespan=lifespan,
        exception_handlers=HANDLERS,
    )


def _pipeline(parts: Parts) -> Pipeline:
    side_by_side = SideBySide(parts.detector, parts.routing, parts.live_pairs)
    serving = Serving(parts.served, parts.routing, parts.health)
    return Pipeline(parts.detector, side_by_side, parts.shadow, serving, parts.drawing)


def _beside(
    settings: Settings, pipeline: Pipeline, parts: Parts, fail: Callable[[str], None]
) -> Callable[[], AbstractAsyncContextManager[None]]:
    """What serves beside HTTP while the block runs; WrongSetting if it is asked for and not installed."""
    if settings.grpc_bind is None:
        return nullcontext
    try:
        from app.rpc.calls import Limits
        from app.rpc.server import build, running
    except ImportError as error:
        raise WrongSetting(f"DETECTOR_GRPC_BIND needs {error.name}: pip install '.[grpc]'") from error
    limits = Limits(
        message_bytes=settings.max_body_bytes,
        message_seconds=6 * settings.request_seconds,  # it is seen as a whole or not at all
        calls=settings.queue_limit + 2 * settings.max_batch * len(parts.routing.lanes[NATIVE].slot.replicas),
    )
    return lambda: running(build(pipeline, _keys(settings), parts.metrics, limits), str(settings.grpc_bind), fail)


def _others(parts: Parts, settings: Settings) -> Iterator[APIRouter]:
    yield ops.routes(parts.routing, parts.served, parts.metrics, parts.health, parts.versions)
    yield compare.routes(parts.routing, parts.live_pairs, parts.shadow, parts.metrics, parts.conversions)
    yield conversions.routes(parts.copies, parts.conversions, settings.calibration_images)
    yield admin.routes(parts.routing, parts.live_pairs, parts.shadow, parts.copies, parts.versions)
    yield web.routes(Samples(sampling.PHOTOS))


async def _begin(parts: Parts, fail: Callable[[str], None]) -> None:
    """Native first: the server is ready with it; everything else comes after and takes its cores."""
    try:
        await parts.versions.open()
    except (ModelRefused, WorkerDied) as error:
        fail(f"the model {parts.served.now.folder} can't be served: {error}")
        return
    parts.health.native_done()
    await parts.versions.complete()
    try:
        await parts.copies.prepare()
    # Copies are extras: whatever goes wrong with them is told, and native serves on.
    except Exception as error:
        log.error("copies failed", exc_info=error)
    parts.health.copies_done()


async def _end(parts: Parts, tasks: Sequence[asyncio.Task[None]]) -> None:
    """No process is left behind."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await parts.versions.close()
    await parts.copies.close()
    await asyncio.gather(*(lane.slot.close() for lane in parts.routing.lanes.values()))
    for executor in (parts.executor, parts.drawing):
        executor.shutdown(wait=False, cancel_futures=True)


def _routes(routers: Sequence[APIRouter]) -> list[APIRoute]:
    return [route for router in routers for route in router.routes if isinstance(route, APIRoute)]


def _reading(routes: Sequence[APIRoute]) -> list[APIRoute]:
    """Those that have a body to read."""
    return [route for route in routes if route.methods and not route.methods <= {"GET", "HEAD"}]


def _plain_paths(routes: Sequence[APIRoute]) -> frozenset[str]:
    """The documented ones that have no name in them."""
    documented = {route.path for route in routes if route.include_in_schema}
    return frozenset(path for path in documented if "{" not in path)


def _add_layers(
    api: FastAPI, settings: Settings, parts: Parts, *, detecting: Sequence[APIRoute], routes: Sequence[APIRoute]
) -> None:
    """The ASGI layers, innermost first."""
    paths, allowed = Paths(detecting), Allowed(settings.host_names, settings.allowed_origins)
    api.add_middleware(Straight, routes=detecting)
    api.add_middleware(Packed, most_bytes=max(settings.bodies_bytes, settings.max_body_bytes))
    api.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes, paths=paths, reading=Paths(_reading(routes)))
    api.add_middleware(Admission, routing=parts.routing, detector=parts.detector, paths=paths)
    api.add_middleware(Access, keys=_keys(settings))
    api.add_middleware(Hosts, allowed=allowed)
    if allowed.origins:
        api.add_middleware(Cors, allowed=allowed)
    api.add_middleware(ErrorForms, forms=error_forms())
    api.add_middleware(Heads)
    plain_paths = _plain_paths(routes) | docs.PATHS
    api.add_middleware(
        Requests, metrics=parts.metrics, journal=Journal(routes), plain_paths=plain_paths, named=Paths(detecting)
    )
    if settings.root_path:
        api.add_middleware(Prefix, prefix=settings.root_path)


def _keys(settings: Settings) -> Keys:
    return Keys(detection=_plain(settings.detection_key), admin=_plain(settings.admin_key))


def _plain(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
