"""The ASGI layer that gives errors the form that a protocol's clients read, whichever layer has refused them."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pydantic_core import to_json
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ErrorForm = Callable[[int, Mapping[str, Any]], Mapping[str, Any]]  # from status and our body to the protocol's body


class ErrorForms:
    """Writes the body of an error anew below the paths of `forms`; our errors come in one piece."""

    def __init__(self, app: ASGIApp, forms: Mapping[str, ErrorForm]) -> None:
        self._app, self._forms, self._beginnings = app, forms, tuple(forms)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """The layer (https://asgi.readthedocs.io)."""
        form = self._form(scope["path"]) if scope["type"] == "http" else None
        return self._app(scope, receive, send if form is None else _Formed(send, form))

    def _form(self, path: str) -> ErrorForm | None:
        if not path.startswith(self._beginnings):
            return None
        return next((form for beginning, form in self._forms.items() if path.startswith(beginning)), None)


class _Formed:
    """A `send` that holds the beginning of an error back until its body comes."""

    def __init__(self, send: Send, form: ErrorForm) -> None:
        self._send, self._form = send, form
        self._begun: Message | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] >= 400:
            self._begun = message
            return
        if self._begun is None:
            await self._send(message)
            return
        begun, self._begun = self._begun, None
        if not message.get("body"):
            await self._send(begun)
            await self._send(message)
            return
        body = to_json(self._form(begun["status"], json.loads(message["body"])))
        kept = [(name, value) for name, value in begun["headers"] if name != b"content-length"]
        await self._send({**begun, "headers": [*kept, (b"content-length", b"%d" % len(body))]})
        await self._send({"type": "http.response.body", "body": body})
