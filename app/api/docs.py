"""GET /docs and /openapi.json: the OpenAPI page, with all its files from here and under a strict policy."""

import base64
import hashlib
import re
from importlib import resources

from fastapi import FastAPI, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

PATHS = frozenset({"/docs", "/openapi.json"})
_FILES = "/static-offline-docs"
# What a browser asks with whether it has the file already. No parts of files are served: what is said to a bad Range
# would not be ours.
_READ, _MAX_BYTES = (b"if-none-match", b"if-modified-since"), 200
_INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def add_docs(api: FastAPI) -> None:
    """Serve the page for the document that `api` serves."""
    files = _FILES.lstrip("/")
    content = get_swagger_ui_html(
        openapi_url=str(api.openapi_url).lstrip("/"),  # from the page on: it may lie below a path of a proxy's
        title=api.title,
        swagger_js_url=f"{files}/swagger-ui-bundle.js",
        swagger_css_url=f"{files}/swagger-ui.css",
        swagger_favicon_url=f"{files}/favicon.png",
    ).body
    page = bytes(content)
    headers = {"Content-Security-Policy": _policy(page.decode()), "Referrer-Policy": "no-referrer"}

    @api.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return Response(page, media_type="text/html", headers=headers)

    api.mount(_FILES, _Files(directory=str(resources.files("fastapi_offline") / "static")))


class _Files(StaticFiles):
    """Files, each as a whole."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The application (https://asgi.readthedocs.io)."""
        read = [(name, value) for name, value in scope["headers"] if name in _READ and len(value) <= _MAX_BYTES]
        await super().__call__({**scope, "headers": read}, receive, send)


def _policy(page: str) -> str:
    """Scripts are our files, and the one in the page that starts them, named by its hash."""
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in _INLINE.findall(page)]
    return "; ".join(
        [
            "default-src 'none'",
            " ".join(["script-src 'self'", *(f"'sha256-{each}'" for each in hashes)]),
            "style-src 'self'",
            "img-src 'self' blob: data:",  # Swagger's icons; pictures that /detect answers
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    )
