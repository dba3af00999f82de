"""For admins: conversions, and loading a copy again."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request, Response

from app.api.accept import wants_page
from app.api.admin_schemas import AutoAnswer, AutoRequest, ConvertRequest, JobAnswer, ReloadRequest
from app.api.auth import TOKEN
from app.api.schemas import BackendAnswer, ErrorAnswer
from app.copies.conversions import Conversions
from app.errors import BadParameter, NotFound
from app.verdicts.live_pairs import Comparison
from app.verdicts.routing import AUTO, Election
from app.verdicts.shadow import Shadow
from app.web.report_page import page
from converter.contract import BadOptions, Options

_ERRORS = {401: "The token is missing.", 403: "The token is wrong, or no DETECTOR_ADMIN_TOKEN is set."}
_BODY_ERRORS = {400: "The body is empty or is not JSON.", 413: "The body is over its limit."}
_CONVERT_ERRORS = {**_BODY_ERRORS, 409: "Another conversion, with other options, runs.", 422: "An option is wrong."}
_RELOAD_ERRORS = {**_BODY_ERRORS, 409: "It can't be loaded; what served serves on.", 422: "There is no such copy."}
_CHOICE_ERRORS = {**_BODY_ERRORS, 422: "There is no such backend.", 503: "The backend is not warm."}
_JOB_ERRORS = {404: "No such job.", 422: "Never: any id may be asked for."}


@dataclass(frozen=True, slots=True, kw_only=True)
class Powers:
    """What an admin may do."""

    conversions: Conversions
    default_options: Callable[[str], Options]
    calibration_images: Path | None
    reload: Callable[[str], Awaitable[BackendAnswer]]
    election: Election
    comparison: Comparison
    shadow: Shadow


def routes(powers: Powers) -> APIRouter:
    """The router of /convert and /admin."""
    router = APIRouter(tags=["administration"], dependencies=[TOKEN], responses=_described(_ERRORS))
    _add_conversions(router, powers)
    _add_jobs(router, powers.conversions)
    _add_report(router, powers.conversions)
    _add_choice(router, powers)
    return router


def _add_conversions(router: APIRouter, powers: Powers) -> None:
    @router.post(
        "/convert", status_code=202, summary="Make a copy and swap it in", responses=_described(_CONVERT_ERRORS)
    )
    async def convert(wanted: Annotated[ConvertRequest, Body()]) -> JobAnswer:
        try:
            options = wanted.options(powers.default_options(wanted.target), powers.calibration_images)
        except BadOptions as error:
            raise BadParameter(str(error)) from error
        return JobAnswer.of(powers.conversions.start(options))

    @router.post(
        "/admin/reload",
        summary="Load a copy again, or with `native` the newest version",
        responses=_described(_RELOAD_ERRORS),
    )
    async def reload(wanted: Annotated[ReloadRequest, Body()]) -> BackendAnswer:
        return await powers.reload(wanted.backend)


def _add_jobs(router: APIRouter, conversions: Conversions) -> None:
    @router.get("/convert/jobs", summary="The last conversions, newest first; those of earlier servers too")
    async def jobs() -> list[JobAnswer]:
        return [JobAnswer.of(job) for job in conversions.jobs]

    @router.delete("/convert/jobs", summary="Forget the conversions that have ended; those that are left")
    async def forget() -> list[JobAnswer]:
        conversions.forget_ended()
        return [JobAnswer.of(job) for job in conversions.jobs]

    @router.get("/convert/jobs/{job_id}", summary="One conversion", responses=_described(_JOB_ERRORS))
    async def job(job_id: str) -> JobAnswer:
        return JobAnswer.of(conversions.job(job_id))

    @router.delete(
        "/convert/jobs/{job_id}",
        summary="End a conversion that runs; forget one that has ended",
        responses=_described(_JOB_ERRORS),
    )
    async def cancel(job_id: str) -> JobAnswer:
        return JobAnswer.of(await conversions.cancel(job_id))


def _add_report(router: APIRouter, conversions: Conversions) -> None:
    @router.get(
        "/convert/jobs/{job_id}/report",
        summary="The report of one conversion, as JSON or, with `Accept: text/html`, as a page",
        response_model=dict[str, Any],
        responses=_described({**_JOB_ERRORS, 404: "No such job, or it made no copy."}),
    )
    async def report(job_id: str, request: Request) -> Any:
        found = conversions.job(job_id)
        if found.report is None:
            raise NotFound(f"the conversion {job_id} has no report: it is {found.state}{_because(found.reason)}")
        if wants_page(request.headers.get("accept", "")):
            return Response(page(found.report), media_type="text/html")
        return found.report


def _add_choice(router: APIRouter, powers: Powers) -> None:
    @router.put("/admin/backend", summary="Choose who answers `auto`", responses=_described(_CHOICE_ERRORS))
    async def choose(wanted: Annotated[AutoRequest, Body()]) -> AutoAnswer:
        if wanted.backend is not None:
            if wanted.backend == AUTO:
                powers.comparison.forgive()
            powers.election.choose(wanted.backend)
        if wanted.shadow_share is not None:
            powers.shadow.share = wanted.shadow_share
        return AutoAnswer(
            backend=powers.election.chosen, active=powers.election.active, shadow_share=powers.shadow.share
        )


def _because(reason: str) -> str:
    return f", {reason}" if reason else ""


def _described(errors: dict[int, str]) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": ErrorAnswer, "description": text} for status, text in errors.items()}
