"""What the server is made of, built from the settings: each part gets the others that it needs, as plain arguments."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import app
from app import zeros
from app.backends import placing
from app.backends.backend import Backend, GpuUse, Spec, Starter
from app.backends.served import Served
from app.backends.spare import Spare
from app.backends.worker import start_worker
from app.choices import NATIVE
from app.copies.conversions import Conversions, JobLimits
from app.copies.copies import Copies
from app.copies.folders import CopyFolders, Plan
from app.copies.jobs import JobFiles
from app.copies.versions import Versions
from app.detection.attempts import Attempts
from app.detection.detector import Detector
from app.images import Intake
from app.lanes.batching import MicroBatcher
from app.lanes.lane import Lane
from app.lanes.quiet import Quiet
from app.lanes.runner import Bounds
from app.lanes.slot import Slot
from app.lanes.suspects import Suspects
from app.metrics import Metrics
from app.model_folder import Place
from app.rules import GateRules, RollbackRule
from app.settings import Settings
from app.verdicts import gate_pictures, states
from app.verdicts.failures import Failures
from app.verdicts.gate import Gate
from app.verdicts.health import Health
from app.verdicts.judge import Judge
from app.verdicts.later import Later
from app.verdicts.live_pairs import LivePairs
from app.verdicts.loads import Clock
from app.verdicts.routing import Routing
from app.verdicts.shadow import Measuring, Shadow
from converter.contract import Order
from converter.description import Declared
from converter.disk import kept, places
from converter.disk.hashes import Hashes, sha256
from converter.machine import cores
from converter.sizes import SIZES
from converter.targets import KINDS
from converter.tolerance import Tolerance

log = logging.getLogger(__name__)

_FALLBACK_LINES = ("Running native segment", "native segment will be used")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What the server is made of."""

    metrics: Metrics
    executor: ThreadPoolExecutor
    drawing: ThreadPoolExecutor
    served: Served
    routing: Routing
    live_pairs: LivePairs
    shadow: Shadow
    detector: Detector
    judge: Judge
    later: Later
    conversions: Conversions
    copies: Copies
    versions: Versions
    health: Health


def build(
    settings: Settings, start_backend: Starter | None, spare: Spare | None = None, *, clock: Clock = time.perf_counter
) -> Parts:
    """All parts, put together; nothing runs yet, but for a `spare` worker. The gate times by `clock`.

    NoModel if there is no model where the settings say, WrongSetting if they ask for more workers than cores.
    """
    metrics = Metrics()
    executor = ThreadPoolExecutor(max_workers=2, thread_name_prefix="pictures")
    start = _telling(start_backend or partial(start_worker, listen=_listener(metrics), spare=spare), metrics)
    served = _served(settings, metrics)
    routing = _routing(settings, start, executor, metrics)
    measuring = asyncio.Lock()  # one measures at a time
    gate = _gate(settings, routing, measuring, clock)
    rule = RollbackRule(pairs=settings.rollback_window, share=settings.rollback_share)
    live_pairs = LivePairs(routing, gate, metrics, rule=rule)
    fresh_judge = Judge(routing, live_pairs, gate, start=start, served=served)
    conversions = _conversions(settings, served, gate.rules.tolerance, metrics)
    copies = _copies(_folders(settings, served), routing, fresh_judge, conversions, metrics)
    return Parts(
        metrics=metrics,
        executor=executor,
        drawing=ThreadPoolExecutor(max_workers=1, thread_name_prefix="drawing"),
        served=served,
        routing=routing,
        live_pairs=live_pairs,
        shadow=Shadow(routing, live_pairs, metrics, share=settings.shadow_share, measuring=Measuring(measuring, clock)),
        detector=_detector(settings, Attempts(routing, Failures(routing, metrics, rule=rule)), executor, metrics),
        judge=fresh_judge,
        later=Later(fresh_judge),
        conversions=conversions,
        copies=copies,
        versions=Versions(served, routing, copies, place=_place(settings)),
        health=Health(routing, wait_for_copies=settings.startup_conversion == "blocking"),
    )


def _place(settings: Settings) -> Place:
    return Place(settings.model, settings.labels, settings.label_offset)


def _served(settings: Settings, metrics: Metrics) -> Served:
    model = _place(settings).find()
    run = Spec(
        name=NATIVE,
        folder=model.folder,
        max_batch=settings.max_batch,
        batches_in_flight=settings.batches_in_flight,
        load_seconds=settings.load_seconds,
        hang_seconds=settings.hang_seconds,
        cache=settings.cache,
        declared=Declared(
            signature=settings.signature,
            input_scale=settings.input_scale,
            input_fit=settings.input_fit,
            boxes=settings.boxes,
            outputs=settings.outputs,
            nms_iou=settings.nms_iou,
            nms_count=settings.nms_count,
        ),
        gpu=GpuUse(_sizes(settings), settings.gpu_memory_mib, settings.onnx_tensorrt),
    )
    known = kept.beside(places.location(model.folder, NATIVE, cache=settings.cache))
    return Served(model, None, run, metrics, app.__version__, sha256 if settings.verify else Hashes(known))


def _sizes(settings: Settings) -> tuple[int, ...]:
    return tuple(sorted({*settings.batch_sizes, settings.max_batch})) if settings.batch_sizes else ()


def _routing(settings: Settings, start: Starter, executor: ThreadPoolExecutor, metrics: Metrics) -> Routing:
    lanes, suspects = {}, Suspects()
    bounds = Bounds(images=settings.queue_limit, pixels=_pixels_in_flight(settings))
    placements = placing.here(settings.replicas)
    for name in (NATIVE, *KINDS):
        slot = Slot(name, start, metrics, placements=placements)
        batcher = MicroBatcher(slot, metrics, bounds=bounds, executor=executor, suspects=suspects)
        lanes[name] = Lane(slot, batcher)
    routing = Routing(lanes, metrics)
    states.expose(routing, metrics)
    zeros.begin(metrics, backends=list(lanes), copies=routing.copies, sizes=SIZES)
    return routing


def _pixels_in_flight(settings: Settings) -> int:
    """One of the largest pictures for each core keeps all of them busy, and two beside each other are always needed."""
    return settings.max_pixels_in_flight or settings.max_pixels * max(2, cores.usable())


def _gate(settings: Settings, routing: Routing, measuring: asyncio.Lock, clock: Clock) -> Gate:
    tolerance = Tolerance(
        matched=settings.gate_matched, mean_iou=settings.gate_mean_iou, score_diff=settings.gate_score_diff
    )
    rules = GateRules(tolerance=tolerance, speedup=settings.gate_speedup, seconds=settings.gate_seconds)
    load = partial(gate_pictures.pictures, settings.gate_images, _intake(settings))
    quiet = Quiet([lane.batcher for lane in routing.lanes.values()], measuring=measuring)
    return Gate(
        rules,
        pictures=partial(asyncio.to_thread, load),
        quiet=quiet,
        clock=clock,
        most_pixels=_pixels_in_flight(settings),
    )


def _detector(settings: Settings, attempts: Attempts, executor: ThreadPoolExecutor, metrics: Metrics) -> Detector:
    return Detector(attempts, metrics, executor=executor, intake=_intake(settings), timeout_s=settings.timeout_seconds)


def _intake(settings: Settings) -> Intake:
    return Intake(settings.max_pixels, upright=settings.orientation == "upright")


def _conversions(settings: Settings, served: Served, tolerance: Tolerance, metrics: Metrics) -> Conversions:
    files = JobFiles(places.location(served.now.folder, "jobs", cache=settings.cache))
    allowed = JobLimits(seconds=settings.convert_seconds, memory_mib=settings.convert_memory_mib)
    order = Order(tolerance=tolerance, pictures=settings.gate_images, verify=settings.verify)
    return Conversions(files=files, metrics=metrics, allowed=allowed, order=order)


def _copies(
    folders: CopyFolders, routing: Routing, fresh_judge: Judge, conversions: Conversions, metrics: Metrics
) -> Copies:
    slots = {name: routing.lanes[name].slot for name in routing.copies}
    return Copies(slots, folders, conversions, fresh_judge, metrics)


def _folders(settings: Settings, served: Served) -> CopyFolders:
    plan = Plan(
        wanted=settings.copies,
        convert=settings.startup_conversion != "off",
        precision=settings.precision,
        calibration_images=settings.calibration_images,
        cache=settings.cache,
    )
    return CopyFolders(served, plan)


def _telling(start: Starter, metrics: Metrics) -> Starter:
    """Tells how the model is read, and counts workers that run elsewhere than was asked for."""

    async def started(spec: Spec) -> Backend:
        backend = await start(spec)
        if backend.facts.fallback_reason:
            metrics.native_fallback.labels(spec.name, backend.facts.fallback_reason).inc()
            log.warning("backend fell back backend=%s fallback=%r", spec.name, backend.facts.fallback)
        if spec.name == NATIVE:
            _log_reading(backend.facts.signature)
        return backend

    return started


def _log_reading(signature: Mapping[str, Any]) -> None:
    taken, given = signature.get("input"), signature.get("output_kind")
    boxes, evidence = signature.get("boxes"), signature.get("boxes_evidence")
    log.info("model read input=%r outputs=%r boxes=%s evidence=%r", taken, given, boxes, evidence)


def _listener(metrics: Metrics) -> Callable[[str, str], None]:
    """Counts what TensorFlow says only in its log: that it ran a segment natively in place of an engine."""

    def listen(backend: str, line: str) -> None:
        if any(part in line for part in _FALLBACK_LINES):
            metrics.native_fallback.labels(backend, "no_engine_for_shape").inc()

    return listen
