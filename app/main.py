"""The only wiring: `create_app` builds every part and hands it down; its lifespan starts and ends them."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from pydantic import SecretStr

import app
from app import memory, models
from app.api import admin, detect, ops
from app.api.auth import Rule, Tokens
from app.api.errors import HANDLERS
from app.api.limits import BodyLimit
from app.api.requests import Requests
from app.api.schemas import BackendAnswer
from app.backends import PROGRAMS, Backend, ModelRefused, Spec, Starter, WorkerDied
from app.backends.worker import start_worker
from app.batching import MicroBatcher
from app.conversion import Allowed, Conversions, Ways
from app.copies import Copies, Plan
from app.jobs import JobFiles
from app.metrics import Metrics
from app.models import Model
from app.service import Detector, Lane
from app.settings import Settings
from app.slot import Slot
from converter import publish

log = logging.getLogger(__name__)

_ADMIN_OFF = "the admin routes are off: no DETECTOR_ADMIN_TOKEN is set"
_FALLBACK_LINES = ("Running native segment", "native segment will be used")


@dataclass(frozen=True, slots=True)
class Parts:
    """What the server is made of."""

    model: Model
    metrics: Metrics
    executor: ThreadPoolExecutor
    detector: Detector
    copies: Copies
    conversions: Conversions
    health: ops.Health


def create_app(
    settings: Settings, *, start_backend: Starter | None = None, fail: Callable[[str], None] = log.error
) -> FastAPI:
    """The server for `settings`. `fail` is called with a sentence if native can't serve at start.

    NoModel if there is no model where the settings say.
    """
    parts = _build(settings, start_backend)

    @asynccontextmanager
    async def lifespan(api: FastAPI) -> AsyncIterator[None]:
        beginning = asyncio.create_task(_begin(parts, _native_spec(settings, parts.model), fail))
        try:
            yield
        finally:
            await _end(parts, beginning)

    api = FastAPIOffline(
        redoc_url=None,
        redirect_slashes=False,
        title="Detection server",
        version=app.__version__,
        description="Finds objects in JPEG pictures with a TensorFlow SavedModel and its copies, and measures both.",
        lifespan=lifespan,
        exception_handlers=HANDLERS,
    )
    api.include_router(detect.routes(parts.detector, parts.model, parts.executor))
    sha256 = publish.source_sha256(parts.model.folder)
    api.include_router(ops.routes(parts.detector, parts.model, sha256, parts.metrics, parts.health))
    api.include_router(admin.routes(_powers(settings, parts)))
    _add_layers(api, settings, parts.metrics)
    api.state.health = parts.health
    return api


def _build(settings: Settings, start_backend: Starter | None) -> Parts:
    model, metrics = models.find(settings.model), Metrics()
    metrics.model_info.labels(model.name, model.version, app.__version__).set(1)
    executor = ThreadPoolExecutor(max_workers=2, thread_name_prefix="pictures")
    start = start_backend or partial(start_worker, listen=_listener(metrics))
    lanes = {name: _lane(name, settings, metrics, executor, start) for name in PROGRAMS}
    detector = Detector(
        lanes, metrics, executor=executor, max_pixels=settings.max_pixels, timeout_s=settings.timeout_seconds
    )
    location = partial(publish.location, model.folder, cache=settings.cache)
    plan = Plan(
        wanted=settings.copies,
        convert=settings.startup_conversion != "off",
        precision=settings.precision,
        calibration_images=settings.calibration_images,
        spec=_native_spec(settings, model),
    )
    slots = {name: lane.slot for name, lane in lanes.items() if name != "native"}
    copies = Copies(slots, plan, metrics, location=location)
    conversions = _conversions(settings, model, copies, metrics)
    health = ops.Health(detector, wait_for_copies=settings.startup_conversion == "blocking")
    return Parts(model, metrics, executor, detector, copies, conversions, health)


def _conversions(settings: Settings, model: Model, copies: Copies, metrics: Metrics) -> Conversions:
    location = partial(publish.location, model.folder, cache=settings.cache)
    ways = Ways(
        location=location,
        defaults=copies.default_options,
        adopt=copies.adopt,
        began=copies.being_made,
        ended=copies.made_or_not,
    )
    allowed = Allowed(seconds=settings.convert_seconds, memory_mib=settings.convert_memory_mib)
    return Conversions(model.folder, ways, files=JobFiles(location("jobs")), metrics=metrics, allowed=allowed)


def _powers(settings: Settings, parts: Parts) -> admin.Powers:
    async def reload(backend: str) -> BackendAnswer:
        await parts.copies.reload(parts.conversions.wanted(backend))
        return ops.backend_answer(parts.detector.lanes[backend].slot)

    return admin.Powers(
        conversions=parts.conversions,
        default_options=parts.copies.default_options,
        calibration_images=settings.calibration_images,
        reload=reload,
    )


async def _begin(parts: Parts, spec: Spec, fail: Callable[[str], None]) -> None:
    """Native first: the server is ready with it; everything else comes after and takes its cores."""
    native = parts.detector.lanes["native"].slot
    native.rest_as("active")
    try:
        await native.open(spec)
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


async def _end(parts: Parts, beginning: asyncio.Task[None]) -> None:
    """No process is left behind."""
    beginning.cancel()
    await asyncio.gather(beginning, return_exceptions=True)
    await parts.conversions.close()
    await asyncio.gather(*(lane.slot.close() for lane in parts.detector.lanes.values()))
    parts.executor.shutdown(wait=False, cancel_futures=True)


def _lane(name: str, settings: Settings, metrics: Metrics, executor: ThreadPoolExecutor, start: Starter) -> Lane:
    def changed(slot: Slot) -> None:
        metrics.set_state(name, slot.state, ready=slot.ready)
        if facts := slot.facts:
            batcher.max_batch, batcher.max_in_flight = facts.batch_sizes[-1], facts.batches_in_flight

    def restarting(reason: str) -> None:
        metrics.worker_restarts.labels(name, reason).inc()

    def room(backend: Backend) -> str | None:
        return memory.lacking(backend.pid)

    slot = Slot(name, start, changed=changed, restarting=restarting, room=room)
    batcher = MicroBatcher(
        slot.run,
        limit=settings.queue_limit,
        executor=executor,
        batched=metrics.batch_size.labels(name).observe,
        repaired=lambda how: metrics.batch_repairs.labels(name, how).inc(),
    )
    metrics.queue_depth.labels(name).set_function(lambda: batcher.depth)
    metrics.in_flight.labels(name).set_function(lambda: batcher.in_flight)
    metrics.set_state(name, slot.state, ready=False)
    return Lane(slot, batcher)


def _native_spec(settings: Settings, model: Model) -> Spec:
    return Spec(
        name="native",
        folder=model.folder,
        max_batch=settings.max_batch,
        batches_in_flight=settings.batches_in_flight,
        load_seconds=settings.load_seconds,
        hang_seconds=settings.hang_seconds,
    )


def _listener(metrics: Metrics) -> Callable[[str, str], None]:
    """Counts what TensorFlow says only in its log: that it ran a segment natively in place of an engine."""

    def listen(backend: str, line: str) -> None:
        if any(part in line for part in _FALLBACK_LINES):
            metrics.native_fallback.labels(backend, "no_engine_for_shape").inc()

    return listen


def _add_layers(api: FastAPI, settings: Settings, metrics: Metrics) -> None:
    """The ASGI layers, innermost first."""
    admin_token, token = _plain(settings.admin_token), _plain(settings.token)
    admin_rules = [Rule(path, admin_token, _ADMIN_OFF) for path in ("/convert", "/admin")]
    plain_paths = frozenset(path for path in [*api.openapi()["paths"], "/docs", "/openapi.json"] if "{" not in path)
    api.add_middleware(BodyLimit, max_bytes=settings.max_body_bytes)
    api.add_middleware(Tokens, rules=[*admin_rules, Rule("/detect", token)])
    api.add_middleware(Requests, metrics=metrics, plain_paths=plain_paths)


def _plain(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
