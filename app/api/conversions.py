"""POST /convert and its jobs: copies made on an admin's word."""

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request, Response

from app.api.accept import wants_page
from app.api.access import TOKEN
from app.api.admin_schemas import ConvertRequest, JobAnswer
from app.api.discretion import discreet_in
from app.api.errors import described
from app.copies.conversions import Conversions
from app.copies.copies import Copies
from app.errors import BadParameter, NotFound
from app.web.report_page import page
from converter.contract import BadOptions

ADMIN_ERRORS = {401: "The token is missing.", 403: "The token is wrong, or no DETECTOR_ADMIN_TOKEN is set."}
BODY_ERRORS = {400: "The body is empty or is not JSON.", 413: "The body is over its limit."}
_CONVERT_ERRORS = {**BODY_ERRORS, 409: "Another conversion, with other options, runs.", 422: "An option is wrong."}
_JOB_ERRORS = {404: "No such job.", 422: "Never: any id may be asked for."}


def routes(copies: Copies, conversions: Conversions, calibration_images: Path | None) -> APIRouter:
    """The router of /convert."""
    router = APIRouter(tags=["administration"], dependencies=[TOKEN], responses=described(ADMIN_ERRORS))
    _add_convert(router, copies, calibration_images)
    _add_jobs(router, copies, conversions)
    _add_report(router, conversions)
    return router


def _add_convert(router: APIRouter, copies: Copies, calibration_images: Path | None) -> None:
    @router.post(
        "/convert", status_code=202, summary="Make a copy and swap it in", responses=described(_CONVERT_ERRORS)
    )
    async def convert(wanted: Annotated[ConvertRequest, Body()], request: Request) -> JobAnswer:
        request.state.asked = asked = wanted.model_dump(exclude_unset=True)
        try:
            options = wanted.options(copies.folders.default_options(wanted.target), calibration_images)
        except BadOptions as error:
            raise BadParameter(str(error)) from error
        job = copies.convert(options)
        asked["job"] = job.id
        return JobAnswer.of(job)


def _add_jobs(router: APIRouter, copies: Copies, conversions: Conversions) -> None:
    @router.get("/convert/jobs", summary="The last conversions, newest first, also those of earlier servers")
    async def jobs() -> list[JobAnswer]:
        return [JobAnswer.of(job) for job in conversions.jobs]

    @router.delete("/convert/jobs", summary="Forget the conversions that have ended, and list those that are left")
    async def forget() -> list[JobAnswer]:
        conversions.forget_ended()
        return [JobAnswer.of(job) for job in conversions.jobs]

    @router.get("/convert/jobs/{job_id}", summary="One conversion", responses=described(_JOB_ERRORS))
    async def job(job_id: str) -> JobAnswer:
        return JobAnswer.of(conversions.job(job_id))

    @router.delete(
        "/convert/jobs/{job_id}",
        summary="End a conversion that runs; forget one that has ended",
        responses=described(_JOB_ERRORS),
    )
    async def cancel(job_id: str) -> JobAnswer:
        return JobAnswer.of(await copies.cancel(job_id))


def _add_report(router: APIRouter, conversions: Conversions) -> None:
    @router.get(
        "/convert/jobs/{job_id}/report",
        summary="The report of one conversion, as JSON or, with `Accept: text/html`, as a page",
        response_model=dict[str, Any],
        responses=described({**_JOB_ERRORS, 404: "No such job, or it made no copy."}),
    )
    async def report(job_id: str, request: Request) -> Any:
        found = conversions.job(job_id)
        if found.report is None:
            raise NotFound(f"the conversion {job_id} has no report: it is {found.state}{_because(found.reason)}")
        told = discreet_in(found.report)
        if wants_page(request.headers.get("accept", "")):
            return Response(page(told), media_type="text/html")
        return told


def _because(reason: str) -> str:
    return f", {reason}" if reason else ""
