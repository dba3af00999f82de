"""The only wiring: `create_app` has all parts built and the server put over them; its lifespan starts and ends them."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from pydantic import SecretStr

import app
from app.api import admin, compare, detect, ops, web
from app.api.auth import Rule, Tokens
from app.api.errors import HANDLERS
from app.api.limits import BodyLimit
from app.api.requests import Requests
from app.api.schemas import BackendAnswer
from app.backends.backend import ModelRefused, Spec, Starter, WorkerDied
from app.detection.side_by_side import Both
from app.metrics import Metrics
from app.settings import Settings
from app.verdicts.routing import NATIVE
from app.web.samples import Samples
from app.wiring import Parts, build, native_spec
from converter.model import sampling

log = logging.getLogger(__name__)

_ADMIN_OFF = "the admin routes are off: no DETECTOR_ADMIN_TOKEN is set"


def create_app(
    settings: Settings, *, start_backend: Starter | None = None, fail: Callable[[str], None] = log.error
) -> FastAPI:
    """The server for `settings`. `fail` is called with a sentence if native can't serve at start.

    NoModel if there is no model where the settings say.
    """
    return assemble(build(settings, start_backend), settings, fail=fail)


def assemble(parts: Parts, settings: Settings, *, fail: Callable[[str], None] = log.error) -> FastAPI:
    """The server over `parts`: its routes, its layers, and a lifespan that starts and ends them."""

    @asynccontextmanager
    async def lifespan(api: FastAPI) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(_begin(parts, native_spec(settings, parts.versions.served.now), fail)),
            asyncio.create_task(parts.shadow.run()),
        ]
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
    both = Both(parts.detector, parts.election, parts.comparison)
    routers = [
        detect.routes(parts.detector, both, parts.versions.served, parts.executor),
        ops.routes(_views(parts)),
        compare.routes(parts.election, parts.comparison, parts.shadow, parts.metrics, parts.rules),
        admin.routes(_powers(settings, parts)),
        web.routes(Samples(sampling.PHOTOS)),
    ]
    for router in routers:
        api.include_router(router)
    _add_layers(api, settings, parts.metrics, plain_paths=_plain_paths(routers))
    api.state.health = parts.health
    return api


def _views(parts: Parts) -> ops.Views:
    return ops.Views(
        election=parts.election,
        served=parts.versions.served,
        metrics=parts.metrics,
        health=parts.health,
    )


def _powers(settings: Settings, parts: Parts) -> admin.Powers:
    async def reload(backend: str) -> BackendAnswer:
        if backend == NATIVE:
            await parts.versions.load_newest()
        else:
            await parts.copies.reload(parts.conversions.wanted(backend))
        return ops.backend_answer(parts.election, backend)

    return admin.Powers(
        conversions=parts.conversions,
        default_options=parts.copies.default_options,
        calibration_images=settings.calibration_images,
        reload=reload,
        election=parts.election,
        comparison=parts.comparison,
        shadow=parts.shadow,
    )


async def _begin(parts: Parts, spec: Spec, fail: Callable[[str], None]) -> None:
    """Native first: the server is ready with it; everything else comes after and takes its cores."""
    try:
        await parts.election.lanes[NATIVE].slot.open(spec)
    except (ModelRefused, WorkerDied) as error:
        fail(f"the model {spec.folder} can't be served: {error}")
        return
    parts.health.native_done()
    try:
        await parts.copies.prepare(parts.conversions)
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
    await parts.conversions.close()
    await asyncio.gather(*(lane.slot.close() for lane in parts.election.lanes.values()))
    parts.executor.shutdown(wait=False, cancel_futures=True)


def _plain_paths(routers: Sequence[APIRouter]) -> frozenset[str]:
    """The documented ones that have no name in them."""
    routes = (route for router in routers for route in router.routes if isinstance(route, APIRoute))
    documented = {route.path for route in routes if route.include_in_schema}
    return frozenset(path for path in {*documented, "/docs", "/openapi.json"} if "{" not in path)


def _add_layers(api: FastAPI, settings: Settings, metrics: Metrics, *, plain_paths: frozenset[str]) -> None:
    """The ASGI layers, innermost first."""
    admin_token, token = _plain(settings.admin_token), _plain(settings.token)
    admin_rules = [Rule(path, admin_token, _ADMIN_OFF) for path in ("/convert", "/admin")]
    api.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    api.add_middleware(Tokens, rules=[*admin_rules, Rule("/detect", token)])
    api.add_middleware(Requests, metrics=metrics, plain_paths=plain_paths)


def _plain(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
