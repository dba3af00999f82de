"""The server as an app: `create_app` has its parts built and routes put over them; its lifespan starts them."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from pydantic import SecretStr

import app
from app.api import admin, compare, conversions, ops, web
from app.api.access import Access, Keys
from app.api.dialects import Dialect, dialects
from app.api.errors import HANDLERS
from app.api.limits import BodyLimit
from app.api.pipeline import Pipeline
from app.api.requests import Requests
from app.backends.backend import ModelRefused, Starter, WorkerDied
from app.detection.side_by_side import SideBySide
from app.metrics import Metrics
from app.settings import Settings
from app.web.samples import Samples
from app.wiring import Parts, build
from converter.model import sampling

log = logging.getLogger(__name__)


def create_app(
    settings: Settings, *, start_backend: Starter | None = None, fail: Callable[[str], None] = log.error
) -> FastAPI:
    """The server for `settings`. `fail` is called with a sentence if native can't serve at start.

    NoModel if there is no model where the settings say.
    """
    return assemble(build(settings, start_backend), settings, fail=fail)


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
            yield
        finally:
            await _end(parts, tasks)

    api = FastAPIOffline(
        redoc_url=None,
        redirect_slashes=False,
        title="Detection server",
        version=app.__version__,
        description="Finds objects in JPEG pictures with a TensorFlow SavedModel and its copies, and measures both.",
        lifespan=lifespan,
        exception_handlers=HANDLERS,
    )
    routers = list(_routers(parts, settings, dialects() if protocols is None else protocols))
    for router in routers:
        api.include_router(router)
    _add_layers(api, settings, parts.metrics, plain_paths=_plain_paths(routers))
    api.state.health = parts.health
    return api


def _routers(parts: Parts, settings: Settings, protocols: Mapping[str, Dialect]) -> Iterator[APIRouter]:
    side_by_side = SideBySide(parts.detector, parts.routing, parts.live_pairs)
    pipeline = Pipeline(parts.detector, side_by_side, parts.shadow, parts.served, parts.executor)
    for protocol in protocols.values():
        yield protocol(pipeline)
    yield ops.routes(parts.routing, parts.served, parts.metrics, parts.health)
    yield compare.routes(parts.routing, parts.live_pairs, parts.shadow, parts.metrics, parts.rules)
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
    parts.executor.shutdown(wait=False, cancel_futures=True)


def _plain_paths(routers: Sequence[APIRouter]) -> frozenset[str]:
    """The documented ones that have no name in them."""
    routes = (route for router in routers for route in router.routes if isinstance(route, APIRoute))
    documented = {route.path for route in routes if route.include_in_schema}
    return frozenset(path for path in {*documented, "/docs", "/openapi.json"} if "{" not in path)


def _add_layers(api: FastAPI, settings: Settings, metrics: Metrics, *, plain_paths: frozenset[str]) -> None:
    """The ASGI layers, innermost first."""
    keys = Keys(detection=_plain(settings.token), admin=_plain(settings.admin_token))
    api.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    api.add_middleware(Access, keys=keys)
    api.add_middleware(Requests, metrics=metrics, plain_paths=plain_paths)


def _plain(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
