"""For ops: health, metrics, and what is served."""

from fastapi import APIRouter, Response

from app.api.discretion import discreet_in
from app.api.errors import described
from app.api.model_schemas import BackendAnswer, ModelAnswer, ReplicaAnswer, VersionsAnswer
from app.backends.served import Served
from app.choices import NATIVE
from app.copies.versions import Versions
from app.errors import BackendUnavailable
from app.lanes.replica import Replica
from app.metrics import Metrics
from app.model_folder import id_space
from app.verdicts.health import Health
from app.verdicts.routing import Routing
from app.verdicts.states import state_of


def routes(routing: Routing, served: Served, metrics: Metrics, health: Health, versions: Versions) -> APIRouter:
    """The router; nothing here needs a token."""
    router = APIRouter(tags=["operations"])
    _add_probes(router, health)

    @router.get("/metrics", summary="All series in Prometheus' text format", response_class=Response)
    async def show_metrics() -> Response:
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @router.get("/model", summary="What is served, and the state of every backend with its reason")
    async def show_model() -> ModelAnswer:
        return _model_answer(routing, served)

    @router.get("/model/versions", summary="Which versions of the model there are, and which of them is served")
    async def model_versions() -> VersionsAnswer:
        known = await versions.known()
        now = served.now
        return VersionsAnswer(name=now.name, serving=now.version, pinned=versions.pinned, versions=known)

    return router


def _add_probes(router: APIRouter, health: Health) -> None:
    not_yet = described({503: "Not yet, and why."})

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


def _model_answer(routing: Routing, served: Served) -> ModelAnswer:
    facts = routing.lanes[NATIVE].slot.facts
    return ModelAnswer(
        name=served.now.name,
        version=served.now.version,
        sha256=served.sha256,
        signature=dict(facts.signature) if facts else None,
        labels=dict(served.now.labels),
        label_ids=id_space(served.now.labels),
        label_evidence=served.now.label_evidence,
        active=routing.active,
        backends={name: backend_answer(routing, name) for name in routing.lanes},
    )


def backend_answer(routing: Routing, name: str) -> BackendAnswer:
    """The backend's state, its verdict, and what its worker says of itself."""
    state = state_of(routing, name)
    told = {"reason": state.reason, **routing.standing(name).to_json()}
    answer = BackendAnswer(state=state.name, **discreet_in(told))
    slot = routing.lanes[name].slot
    facts = slot.facts
    if facts is None:
        return answer
    return answer.model_copy(
        update={
            "replicas": [_replica_answer(each) for each in slot.replicas],
            "device": facts.device,
            "providers": dict(facts.providers) or None,
            "fallback": discreet_in(facts.fallback),
            "batch_sizes": list(facts.batch_sizes),
            "batches_in_flight": facts.batches_in_flight,
            "gpu_memory_bytes": facts.gpu_memory_bytes,
            "load_seconds": facts.load_seconds,
            "warm_seconds": facts.warm_seconds,
        }
    )


def _replica_answer(replica: Replica) -> ReplicaAnswer:
    placement = replica.placement
    return ReplicaAnswer(
        state=replica.phase.name,
        reason=discreet_in(replica.phase.reason),
        pid=replica.pid,
        device=replica.facts.device if replica.facts else None,
        gpu=placement.gpu,
        cores=list(placement.cores) or None,
    )
