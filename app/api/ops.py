"""For ops: health, metrics, and what is served."""

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Response

from app.api.schemas import BackendAnswer, ErrorAnswer, ModelAnswer
from app.copies.versions import Served
from app.errors import BackendUnavailable
from app.metrics import Metrics
from app.model_folder import id_space
from app.verdicts.routing import Election


class Health:
    """What the probes ask: draining is told as not ready."""

    def __init__(self, election: Election, *, wait_for_copies: bool) -> None:
        self._election = election
        self._wait_for_copies = wait_for_copies
        self._native_done = self._copies_done = False
        self.draining = False

    def native_done(self) -> None:
        """Native has become warm."""
        self._native_done = True

    def copies_done(self) -> None:
        """All copies have become what they can be."""
        self._copies_done = True

    @property
    def started(self) -> bool:
        """Whether it has been ready once."""
        return self._copies_done if self._wait_for_copies else self._native_done

    def unready(self) -> str | None:
        """A sentence saying why no request should be sent here, or None."""
        if self.draining:
            return "the server is stopping"
        if self._wait_for_copies and not self._copies_done:
            return "the copies are being prepared"
        slots = [lane.slot for lane in self._election.lanes.values()]
        if not any(slot.ready for slot in slots):
            return "no backend is warm: " + "; ".join(f"{slot.name} is {slot.state}, {slot.reason}" for slot in slots)
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """What is shown."""

    election: Election
    served: Served
    metrics: Metrics
    health: Health


def routes(views: Views) -> APIRouter:
    """The router; nothing here needs a token."""
    router = APIRouter(tags=["operations"])
    not_yet: dict[int | str, dict[str, Any]] = {503: {"model": ErrorAnswer, "description": "Not yet, and why."}}
    health = views.health

    @router.get("/healthz", summary="Is the process alive?")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @router.get("/readyz", summary="Is a backend warm?", responses=not_yet)
    async def readyz() -> dict[str, str]:
        if reason := health.unready():
            raise BackendUnavailable(reason, retry_after_s=2)
        return {"status": "ready"}

    @router.get("/startupz", summary="Has it been ready once?", responses=not_yet)
    async def startupz() -> dict[str, str]:
        reason = health.unready()
        if not health.started:
            raise BackendUnavailable(reason or "the server is starting", retry_after_s=2)
        return {"status": "started"}

    @router.get("/metrics", summary="Prometheus' text format", response_class=Response)
    async def show_metrics() -> Response:
        return Response(views.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @router.get("/model", summary="What is served, and every backend's state with its reason")
    async def show_model() -> ModelAnswer:
        return _model_answer(views)

    return router


def _model_answer(views: Views) -> ModelAnswer:
    facts = views.election.lanes["native"].slot.facts
    return ModelAnswer(
        name=views.served.now.name,
        version=views.served.now.version,
        sha256=views.served.sha256,
        signature=dict(facts.signature) if facts else None,
        labels=views.served.now.labels,
        label_ids=id_space(views.served.now.labels),
        active=views.election.active,
        backends={name: backend_answer(views.election, name) for name in views.election.lanes},
    )


def backend_answer(election: Election, name: str) -> BackendAnswer:
    """The backend's state, its verdict, and what its worker says of itself."""
    slot = election.lanes[name].slot
    answer = BackendAnswer(state=slot.state, reason=slot.reason, **election.to_json(name))
    facts = slot.facts
    if facts is None:
        return answer
    return answer.model_copy(
        update={
            "device": facts.device,
            "providers": dict(facts.providers) or None,
            "fallback": facts.fallback,
            "batch_sizes": list(facts.batch_sizes),
            "load_seconds": facts.load_seconds,
            "warm_seconds": facts.warm_seconds,
        }
    )
