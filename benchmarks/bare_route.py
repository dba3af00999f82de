"""A bare ASGI route over one of our workers: the least that a server in Python can do for a request.

    DETECTOR_BIND=127.0.0.1:8000 BARE_FOLDER=…/1_onnx BARE_BACKEND=onnx python -m benchmarks.bare_route

It knows only the packaged photos, checks nothing, counts nothing and makes no batches. With BARE_BACKEND=stub its
worker has no model.
"""

import os
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from pydantic_core import to_json

from app.backends.backend import Backend, Spec, Starter
from app.backends.worker import start_program, start_worker
from app.choices import NATIVE
from app.images import Image, check
from benchmarks.raw import PHOTOS
from benchmarks.stub_server import PROGRAM, STUB
from converter.machine import memory


class Route:
    """The application (https://asgi.readthedocs.io); its lifespan is the worker's."""

    def __init__(self, spec: Spec, start: Starter) -> None:
        photos = [path.read_bytes() for path in PHOTOS]
        self._checked = {len(photo): check(photo, max_pixels=1 << 29) for photo in photos}
        self._spec, self._start = spec, start
        self._worker: Backend

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        body = b"{}" if scope["path"] == "/readyz" else await self._detect(receive)
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _live(self, receive: Any, send: Any) -> None:
        await receive()
        self._worker = await self._start(self._spec)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._worker.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _detect(self, receive: Any) -> bytes:
        pieces, more = [], True
        while more:
            message = await receive()
            pieces.append(message["body"])
            more = message["more_body"]
        body = b"".join(pieces)
        known = self._checked[len(body)]
        (found,) = await self._worker.detect([Image(body, known.width, known.height)])
        keep = found.scores >= 0.25
        rows = zip(found.boxes[keep].tolist(), found.scores[keep].tolist(), found.classes[keep].tolist(), strict=True)
        return to_json([{"class_id": class_id, "score": score, "box": box} for box, score, class_id in rows])


if __name__ == "__main__":
    memory.give_back_early()
    host, _, port = os.environ["DETECTOR_BIND"].partition(":")
    name = os.environ["BARE_BACKEND"]
    start: Starter = partial(start_program, PROGRAM) if name == STUB else start_worker
    spec = Spec(NATIVE if name == STUB else name, Path(os.environ["BARE_FOLDER"]), max_batch=8)
    how: Any = {"lifespan": "on", "log_level": "warning", "access_log": False, "server_header": False}
    uvicorn.run(Route(spec, start), host=host, port=int(port), **how)
