"""The server with a planted leak, the soak's control: `python -m benchmarks.soak.leaking serve …` serves as usual."""

import sys
from collections.abc import Sequence

from starlette.types import ASGIApp, Receive, Scope, Send

import app.__main__
import app.main

LEAK_BYTES = 10_000  # each request


class Leaking:
    """An ASGI layer that keeps some bytes of each request."""

    def __init__(self, inner: ASGIApp) -> None:
        self._inner, self._kept = inner, list[bytes]()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The layer (https://asgi.readthedocs.io)."""
        if scope["type"] == "http":
            self._kept.append(b"x" * LEAK_BYTES)
        await self._inner(scope, receive, send)


def main(argv: Sequence[str]) -> int:
    """Run the server's command line with the layer around the app that it builds."""
    create_app = app.main.create_app

    def leaking_app(*args, **options):  # type: ignore[no-untyped-def]  # as create_app
        api = create_app(*args, **options)
        api.add_middleware(Leaking)
        return api

    app.main.create_app = leaking_app
    return app.__main__.main(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
