"""What the server is made of, built from the settings: each part gets the others that it needs, as plain arguments."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import app
from app import memory, model_folder
from app.api import ops
from app.backends.backend import Backend, Spec, Starter
from app.backends.worker import start_worker
from app.copies.conversions import Allowed, Conversions, Ways
from app.copies.copies import Copies, Plan
from app.copies.jobs import JobFiles
from app.copies.versions import Followers, Served, Versions, served
from app.copy_names import NATIVE
from app.detection.detector import Detector
from app.lanes.batching import MicroBatcher
from app.lanes.lane import Lane
from app.lanes.quiet import calm
from app.lanes.slot import Slot
from app.metrics import Metrics
from app.model_folder import Model
from app.settings import Settings
from app.verdicts import judge
from app.verdicts.gate import Gate, Rules
from app.verdicts.judge import Judge
from app.verdicts.live_pairs import Comparison, Patience
from app.verdicts.routing import Election
from app.verdicts.shadow import Shadow
from converter.description import Declared
from converter.disk import publish
from converter.targets import KINDS
from converter.tolerance import Tolerance

log = logging.getLogger(__name__)

_FALLBACK_LINES = ("Running native segment", "native segment will be used")


@dataclass(frozen=True, slots=True)
class Parts:
    """What the server is made of."""

    versions: Versions
    metrics: Metrics
    executor: ThreadPoolExecutor
    election: Election
    comparison: Comparison
    shadow: Shadow
    detector: Detector
    judge: Judge
    copies: Copies
    conversions: Conversions
    rules: Rules
    health: ops.Health


def build(settings: Settings, start_backend: Starter | None) -> Parts:
    """All parts, put together; nothing runs yet. NoModel if there is no model where the settings say."""
    model, metrics = model_folder.find(settings.model, settings.labels), Metrics()
    metrics.model_info.labels(model.name, model.version, app.__version__).set(1)
    executor = ThreadPoolExecutor(max_workers=2, thread_name_prefix="pictures")
    start = _told(start_backend or partial(start_worker, listen=_listener(metrics)), metrics)
    election = Election(metrics)
    for name in (NATIVE, *KINDS):
        election.add(_lane(name, settings, executor, start, election, metrics))
    alone = asyncio.Lock()  # one measures at a time
    gate = _gate(settings, election, alone)
    patience = Patience(pairs=settings.rollback_window, share=settings.rollback_share)
    comparison = Comparison(election, gate, metrics, patience=patience)
    shadow = Shadow(election, comparison, metrics, share=settings.shadow_share, alone=alone)
    detector = Detector(
        election,
        metrics,
        executor=executor,
        max_pixels=settings.max_pixels,
        timeout_s=settings.timeout_seconds,
        answered=shadow.offer,
    )
    judge = Judge(election, comparison, gate, start=start, native_spec=native_spec(settings, model))
    copies = _copies(settings, model, election, judge, metrics)
    followers = Followers(copies=copies, conversions=_conversions(settings, model, copies, metrics), judge=judge)
    versions = _versions(settings, served(model), election, followers, metrics)
    return Parts(
        versions=versions,
        metrics=metrics,
        executor=executor,
        election=election,
        comparison=comparison,
        shadow=shadow,
        detector=detector,
        judge=judge,
        copies=copies,
        conversions=followers.conversions,
        rules=gate.rules,
        health=ops.Health(election, wait_for_copies=settings.startup_conversion == "blocking"),
    )


def _gate(settings: Settings, election: Election, alone: asyncio.Lock) -> Gate:
    rules = Rules(limits=_tolerance(settings), speedup=settings.gate_speedup, seconds=settings.gate_seconds)
    load = partial(judge.pictures, settings.gate_images, max_pixels=settings.max_pixels)
    batchers = [lane.batcher for lane in election.lanes.values()]
    return Gate(rules, pictures=lambda: asyncio.to_thread(load), calm=calm(batchers, alone=alone))


def _tolerance(settings: Settings) -> Tolerance:
    return Tolerance(
        matched=settings.gate_matched, mean_iou=settings.gate_mean_iou, score_diff=settings.gate_score_diff
    )


def _copies(settings: Settings, model: Model, election: Election, judge: Judge, metrics: Metrics) -> Copies:
    plan = Plan(
        wanted=settings.copies,
        convert=settings.startup_conversion != "off",
        precision=settings.precision,
        calibration_images=settings.calibration_images,
        spec=native_spec(settings, model),
    )
    slots = {name: election.lanes[name].slot for name in election.copies}
    location = partial(publish.location, cache=settings.cache)
    return Copies(slots, plan, metrics, location=location, judge=judge)


def _conversions(settings: Settings, model: Model, copies: Copies, metrics: Metrics) -> Conversions:
    location = partial(publish.location, cache=settings.cache)
    ways = Ways(
        location=location,
        defaults=copies.default_options,
        adopt=copies.adopt,
        began=copies.being_made,
        ended=copies.made_or_not,
    )
    allowed = Allowed(
        seconds=settings.convert_seconds, memory_mib=settings.convert_memory_mib, tolerance=_tolerance(settings)
    )
    return Conversions(
        model.folder, ways, files=JobFiles(location(model.folder, "jobs")), metrics=metrics, allowed=allowed
    )


def _versions(settings: Settings, now: Served, election: Election, followers: Followers, metrics: Metrics) -> Versions:
    def loaded(model: Model) -> None:
        metrics.model_info.clear()
        metrics.model_info.labels(model.name, model.version, app.__version__).set(1)

    return Versions(
        now,
        election,
        followers,
        find=lambda: model_folder.find(settings.model, settings.labels),
        spec=lambda model: native_spec(settings, model),
        loaded=loaded,
    )


def _lane(
    name: str, settings: Settings, executor: ThreadPoolExecutor, start: Starter, election: Election, metrics: Metrics
) -> Lane:
    def changed(slot: Slot) -> None:
        metrics.set_state(name, slot.state, ready=slot.ready)
        if facts := slot.facts:
            batcher.max_batch, batcher.max_in_flight = facts.batch_sizes[-1], facts.batches_in_flight
        election.review()

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


def native_spec(settings: Settings, model: Model) -> Spec:
    """How native is to be run."""
    return Spec(
        name="native",
        folder=model.folder,
        max_batch=settings.max_batch,
        batches_in_flight=settings.batches_in_flight,
        load_seconds=settings.load_seconds,
        hang_seconds=settings.hang_seconds,
        version=model.version,
        declared=Declared(
            signature=settings.signature,
            input_scale=settings.input_scale,
            input_fit=settings.input_fit,
            boxes=settings.boxes,
        ),
    )


def _told(start: Starter, metrics: Metrics) -> Starter:
    """Counts workers that run elsewhere than was asked for."""

    async def started(spec: Spec) -> Backend:
        backend = await start(spec)
        if backend.facts.fallback_reason:
            metrics.native_fallback.labels(spec.name, backend.facts.fallback_reason).inc()
            log.warning("backend fell back backend=%s fallback=%r", spec.name, backend.facts.fallback)
        return backend

    return started


def _listener(metrics: Metrics) -> Callable[[str, str], None]:
    """Counts what TensorFlow says only in its log: that it ran a segment natively in place of an engine."""

    def listen(backend: str, line: str) -> None:
        if any(part in line for part in _FALLBACK_LINES):
            metrics.native_fallback.labels(backend, "no_engine_for_shape").inc()

    return listen
