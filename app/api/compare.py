"""GET /compare: native against each copy, now."""

from typing import Any

from fastapi import APIRouter

from app.api.schemas import CompareAnswer, InferHistogram
from app.metrics import BUCKETS, Metrics
from app.verdicts.gate import Rules, rules_json
from app.verdicts.live_pairs import Comparison
from app.verdicts.routing import NATIVE, Election
from app.verdicts.shadow import Shadow

ROLES = ("serving", "shadow")


def routes(election: Election, comparison: Comparison, shadow: Shadow, metrics: Metrics, rules: Rules) -> APIRouter:
    """The router; it needs no token."""
    router = APIRouter(tags=["operations"])

    @router.get("/compare", summary="Native against each copy: latency, paired speed-up, agreement, worst pairs")
    async def compare() -> CompareAnswer:
        native = election.lanes[NATIVE].slot
        return CompareAnswer(
            backend=election.chosen,
            active=election.active,
            shadow_share=shadow.share,
            rules=rules_json(rules),
            native={"state": native.state, "reason": native.reason},
            infer_ms={name: _latency(metrics, name) for name in election.lanes},
            infer_histogram=_histogram(metrics, election),
            copies={copy: _copy(election, comparison, copy) for copy in election.copies},
        )

    return router


def _latency(metrics: Metrics, backend: str) -> dict[str, Any]:
    return {role: metrics.latency("infer", backend, role) for role in ROLES}


def _histogram(metrics: Metrics, election: Election) -> InferHistogram:
    return InferHistogram(
        upper_ms=[*(round(1000 * seconds, 3) for seconds in BUCKETS), None],
        counts={name: {role: metrics.counts("infer", name, role) for role in ROLES} for name in election.lanes},
    )


def _copy(election: Election, comparison: Comparison, copy: str) -> dict[str, Any]:
    slot = election.lanes[copy].slot
    return {
        "state": slot.state,
        "reason": slot.reason,
        **election.to_json(copy),
        "window": comparison.to_json(copy),
    }
