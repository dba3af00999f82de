"""GET /: the page for people, its files, and sample photos. Nothing of it is loaded from elsewhere."""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from fastapi import APIRouter, Request, Response

from app.api.schemas import ErrorAnswer, SampleAnswer
from app.errors import NotFound
from app.web.samples import Samples

POLICY = "; ".join(
    [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)
_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_START = "index.html"


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    packed: bytes  # the same, gzipped
    media_type: str

    def response(self, request: Request, headers: Mapping[str, str]) -> Response:
        """The file as the browser likes it."""
        # A page and its scripts belong together: a browser asks again after an update of the server.
        all_headers = {"Cache-Control": "no-cache", "Vary": "Accept-Encoding", **headers}
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(self.content, media_type=self.media_type, headers=all_headers)
        return Response(self.packed, media_type=self.media_type, headers={**all_headers, "Content-Encoding": "gzip"})


def routes(samples: Samples) -> APIRouter:
    """The router; it needs no token and tells nothing that /compare does not tell."""
    router = APIRouter(tags=["for people"])
    _add_page(router, _files())
    _add_samples(router, samples)
    return router


def _add_page(router: APIRouter, files: Mapping[str, _File]) -> None:
    @router.get("/", include_in_schema=False)
    async def index(request: Request) -> Response:
        return files[_START].response(request, {"Content-Security-Policy": POLICY, "Referrer-Policy": "no-referrer"})

    @router.get("/page/{name}", include_in_schema=False)
    async def file(name: str, request: Request) -> Response:
        if name not in files or name == _START:
            raise NotFound("the page has no such file")
        return files[name].response(request, {})


def _add_samples(router: APIRouter, samples: Samples) -> None:
    missing: dict[int | str, dict[str, Any]] = {
        404: {"model": ErrorAnswer, "description": "No such sample."},
        422: {"model": ErrorAnswer, "description": "Never: any name may be asked for."},
    }
    picture: dict[int | str, dict[str, Any]] = {200: {"content": {"image/jpeg": {}}, "description": "A JPEG file."}}
    kept = {"Cache-Control": "max-age=3600"}

    @router.get("/samples", summary="The packaged sample photos")
    def index() -> list[SampleAnswer]:
        return [SampleAnswer(name=each.name, width=each.width, height=each.height) for each in samples.all()]

    @router.get(
        "/samples/{name}", summary="One sample photo", response_class=Response, responses={**picture, **missing}
    )
    def sample(name: str) -> Response:
        return Response(samples.get(name).data, media_type="image/jpeg", headers=kept)

    @router.get(
        "/samples/{name}/preview",
        summary="One sample photo, small",
        response_class=Response,
        responses={**picture, **missing},
    )
    def preview(name: str) -> Response:
        return Response(samples.preview(name), media_type="image/jpeg", headers=kept)


def _files() -> dict[str, _File]:
    """What the page is made of, by name."""
    folder = resources.files("app.web") / "page"
    kinds = {each: _TYPES.get(each.name.rpartition(".")[2]) for each in folder.iterdir()}
    return {
        each.name: _File(content := each.read_bytes(), gzip.compress(content, mtime=0), f"{kind}; charset=utf-8")
        for each, kind in kinds.items()
        if kind
    }
