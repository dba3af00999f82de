"""uvicorn's protocol, but bodies and answers come in one piece, and work for a client who leaves is ended at once."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from app.api.departures import DEPARTURE, Departure
from app.api.exchange import ANSWER, UNREAD
from app.api.limits import KEPT_BYTES, content_length

_EXTENSIONS: dict[str, dict[object, object]] = {ANSWER: {}}
_CLOSE = (b"connection", b"close")
_AHEAD_BYTES = 1 << 20  # of a body that come before its reader is woken, unless it is complete


class Pieces:
    """What of a body has come and is not handed over yet; uvicorn's protocol uses a `bytearray`, which copies more."""

    __slots__ = ("_pieces", "_size")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._size = 0

    def __iadd__(self, piece: bytes) -> "Pieces":
        self._pieces.append(piece)
        self._size += len(piece)
        return self

    def __len__(self) -> int:
        return self._size

    def __bytes__(self) -> bytes:
        return b"".join(self._pieces)  # a single one is not copied


class Cycle(RequestResponseCycle):
    """uvicorn's request and its answer, which may be sent as one message, of headers that are known to be right."""

    async def send(self, message: Any) -> None:
        """ASGI's `send`."""
        if message["type"] != ANSWER:
            await super().send(self._closing(message) if self.more_body else message)
        elif self._needs_steps():
            await super().send(
                {"type": "http.response.start", "status": message["status"], "headers": message["headers"]}
            )
            await super().send({"type": "http.response.body", "body": message["body"]})
        else:
            lines = [b"%b: %b\r\n" % each for each in (*self.default_headers, *message["headers"])]
            self.response_started = self.response_complete = True
            self.message_event.set()
            self.transport.write(b"".join([STATUS_LINE[message["status"]], *lines, b"\r\n"]))
            self.transport.write(message["body"])
            self.on_response()

    def _closing(self, message: Any) -> Any:
        """An answer that comes before its request's body: it says so if the connection ends, as too much is to come.

        Who is told asks the next time on another one.
        """
        headers = message.get("headers", ())
        if "status" not in message or _CLOSE in headers or (content_length(self.scope["headers"]) or 0) <= KEPT_BYTES:
            return message
        return {**message, "headers": [*headers, _CLOSE]}

    def _needs_steps(self) -> bool:
        """Whether uvicorn knows better: how a connection is closed, waits for its client, or may not have a body."""
        closing = self.response_started or self.disconnected or not self.keep_alive
        return closing or self.flow.write_paused or self.scope["method"] == "HEAD"


class WholeProtocol(HttpToolsProtocol):
    """One connection."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.answered: RequestResponseCycle | None = None  # the request that the app has begun with last
        self.length: int | None = None  # of the body, by its header

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone: nobody waits for the request that is being answered, nor for those behind it."""
        self.pipeline.clear()
        if self.answered and not self.answered.response_complete:
            self.leave(self.answered)
        super().connection_lost(exc)

    def on_headers_complete(self) -> None:
        """The app begins with the request."""
        super().on_headers_complete()
        self.cycle.__class__ = Cycle  # uvicorn makes it; there is nothing more in ours than in its own
        self.scope["extensions"] = _EXTENSIONS
        self.cycle.body = Pieces()  # type: ignore[assignment]  # it is all of a bytearray that uvicorn uses
        self.length = content_length(self.headers)

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        cycle = self.cycle
        if cycle.response_complete:
            return
        cycle.body += body
        if len(cycle.body) > _AHEAD_BYTES:
            self.flow.pause_reading()
        elif self.length is not None:
            return  # the app knows how much will come; it is woken by the last byte
        cycle.message_event.set()

    def on_response_complete(self) -> None:
        """The last byte of an answer. uvicorn would set a timer to close the connection: ours has its deadlines."""
        self.server_state.total_requests += 1
        if not self.transport.is_closing():
            self.flow.resume_reading()
            if self.pipeline:
                self._start_asgi_task(*self.pipeline.pop())

    def leave(self, cycle: RequestResponseCycle) -> None:
        """Tell whoever works on the request that its client is gone, once."""
        if cycle.disconnected:
            return
        cycle.disconnected = True
        cycle.message_event.set()
        cycle.scope["state"][UNREAD] = len(cycle.body)
        cycle.scope["state"][DEPARTURE].happen()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self.answered = cycle
        cycle.scope["state"][DEPARTURE] = Departure()
        super()._start_asgi_task(cycle, app)
