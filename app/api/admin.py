"""For admins: conversions."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Body

from app.api.auth import TOKEN
from app.api.schemas import ConvertRequest, ErrorAnswer, JobAnswer
from app.conversion import Conversions
from app.errors import BadParameter
from converter.contract import BadOptions, Options

_ERRORS = {401: "The token is missing.", 403: "The token is wrong, or no DETECTOR_ADMIN_TOKEN is set."}
_CONVERT_ERRORS = {
    400: "The body is empty or is not JSON.",
    409: "Another conversion, with other options, runs.",
    413: "The body is over its limit.",
    422: "An option is wrong.",
}


def routes(conversions: Conversions, default_options: Callable[[str], Options]) -> APIRouter:
    """The router of /convert."""
    router = APIRouter(
        tags=["conversion"],
        dependencies=[TOKEN],
        responses={status: {"model": ErrorAnswer, "description": text} for status, text in _ERRORS.items()},
    )

    @router.post(
        "/convert",
        status_code=202,
        summary="Make a copy and swap it in",
        responses={code: {"model": ErrorAnswer, "description": text} for code, text in _CONVERT_ERRORS.items()},
    )
    async def convert(wanted: Annotated[ConvertRequest, Body()]) -> JobAnswer:
        try:
            options = wanted.options(default_options(wanted.target))
        except BadOptions as error:
            raise BadParameter(str(error)) from error
        return JobAnswer.of(conversions.start(options))

    @router.get("/convert/jobs", summary="All conversions since the start, newest first")
    async def jobs() -> list[JobAnswer]:
        return [JobAnswer.of(job) for job in conversions.jobs]

    @router.get(
        "/convert/jobs/{job_id}",
        summary="One conversion",
        responses={
            404: {"model": ErrorAnswer, "description": "No such job."},
            422: {"model": ErrorAnswer, "description": "Never: any id may be asked for."},
        },
    )
    async def job(job_id: str) -> JobAnswer:
        return JobAnswer.of(conversions.job(job_id))

    return router
