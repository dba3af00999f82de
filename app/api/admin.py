"""For admins: loading a backend again, and who answers."""

from typing import Annotated

from fastapi import APIRouter, Body, Request

from app.api.access import TOKEN
from app.api.admin_schemas import AutoAnswer, AutoRequest, ReloadRequest
from app.api.conversions import ADMIN_ERRORS, BODY_ERRORS
from app.api.ending import unless_ending
from app.api.errors import described
from app.api.model_schemas import BackendAnswer
from app.api.ops import backend_answer
from app.choices import AUTO, NATIVE
from app.copies.copies import Copies
from app.copies.versions import Versions
from app.errors import BadParameter
from app.verdicts.live_pairs import LivePairs
from app.verdicts.routing import Routing
from app.verdicts.shadow import Shadow

_RELOAD_ERRORS = {
    **BODY_ERRORS,
    409: "It can't be loaded. What served before goes on serving.",
    422: "There is no such copy.",
    503: "The server is stopping.",
}
_CHOICE_ERRORS = {**BODY_ERRORS, 422: "There is no such backend.", 503: "The backend is not warm."}


def routes(routing: Routing, live_pairs: LivePairs, shadow: Shadow, copies: Copies, versions: Versions) -> APIRouter:
    """The router of /admin."""
    router = APIRouter(tags=["administration"], dependencies=[TOKEN], responses=described(ADMIN_ERRORS))

    @router.post(
        "/admin/reload",
        summary="Load a copy again, or with `native` a version of the model",
        responses=described(_RELOAD_ERRORS),
    )
    async def reload(wanted: Annotated[ReloadRequest, Body()], request: Request) -> BackendAnswer:
        request.state.asked = wanted.model_dump(exclude_unset=True)
        if wanted.backend != NATIVE and wanted.version is not None:
            raise BadParameter(f"version: it goes with the backend 'native'; the backend is {wanted.backend!r}")
        native = wanted.backend == NATIVE
        ending = request.app.state.health.ending
        await unless_ending(ending, versions.load(wanted.version) if native else copies.reload(wanted.backend))
        return backend_answer(routing, wanted.backend)

    @router.put("/admin/backend", summary="Choose who answers `auto`", responses=described(_CHOICE_ERRORS))
    async def choose(wanted: Annotated[AutoRequest, Body()], request: Request) -> AutoAnswer:
        request.state.asked = wanted.model_dump(exclude_unset=True)
        if wanted.backend is not None:
            if wanted.backend == AUTO:
                live_pairs.forgive()
            routing.choose(wanted.backend)
        if wanted.shadow_share is not None:
            shadow.share = wanted.shadow_share
        return AutoAnswer(backend=routing.chosen, active=routing.active, shadow_share=shadow.share)

    return router
