"""GET /compare: native against each copy, now."""

from typing import Any

from fastapi import APIRouter

from app.api.compare_schemas import CompareAnswer, ConversionNow, InferHistogram
from app.api.discretion import discreet_in
from app.buckets import INFER_BUCKETS
from app.choices import NATIVE
from app.copies.conversions import Conversions
from app.metrics import PER_IMAGE, Metrics
from app.verdicts.gate import rules_json
from app.verdicts.live_pairs import LivePairs
from app.verdicts.routing import Routing
from app.verdicts.shadow import Shadow
from app.verdicts.states import state_of
from converter.sizes import SIZES, WORDS

ROLES = ("serving", "shadow", PER_IMAGE)


def routes(
    routing: Routing, live_pairs: LivePairs, shadow: Shadow, metrics: Metrics, conversions: Conversions
) -> APIRouter:
    """The router; it needs no token."""
    router = APIRouter(tags=["operations"])

    @router.get("/compare", summary="Native against each copy: latency, paired speed-up, agreement, worst pairs")
    async def compare() -> CompareAnswer:
        native = state_of(routing, NATIVE)
        return CompareAnswer(
            backend=routing.chosen,
            active=routing.active,
            answers=routing.answers,
            size_classes={size: WORDS[size] for size in SIZES},
            traffic=metrics.sizes_seen(),
            shadow_share=shadow.share,
            rules=rules_json(live_pairs.rules),
            conversion=_conversion(conversions),
            native=discreet_in({"state": native.name, "reason": native.reason}),
            infer_ms={name: _latency(metrics, name) for name in routing.lanes},
            infer_histogram=_histogram(metrics, routing),
            copies=discreet_in({copy: _copy(routing, live_pairs, copy) for copy in routing.copies}),
        )

    return router


def _conversion(conversions: Conversions) -> ConversionNow | None:
    job = conversions.running
    if job is None:
        return None
    return ConversionNow(target=job.options.target, doing=job.doing, progress=job.progress, created=job.created)


def _latency(metrics: Metrics, backend: str) -> dict[str, Any]:
    return {role: metrics.latency(backend, role) for role in ROLES}


def _histogram(metrics: Metrics, routing: Routing) -> InferHistogram:
    return InferHistogram(
        upper_ms=[*(round(1000 * seconds, 3) for seconds in INFER_BUCKETS), None],
        counts={name: {role: metrics.counts(name, role) for role in ROLES} for name in routing.lanes},
    )


def _copy(routing: Routing, live_pairs: LivePairs, copy: str) -> dict[str, Any]:
    state = state_of(routing, copy)
    return {
        "state": state.name,
        "reason": state.reason,
        **routing.standing(copy).to_json(),
        "window": live_pairs.to_json(copy),
    }
