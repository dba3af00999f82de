"""uvicorn's protocol with bounds: on the bytes of a head, on the time a request takes to arrive, on what is held."""

import asyncio
import math
from enum import Enum
from typing import Any, cast

import httptools

from app.connections.answers import body_too_slow, head_too_large, head_too_slow, not_http, written
from app.connections.connections import Connections, Stage
from app.connections.offers import Offers
from app.connections.reading import Reading
from app.connections.transport import PoliteTransport
from app.connections.whole import WholeProtocol
from app.errors import BadRequest, HeadersTooLarge, Overloaded, ServiceError

_WASTE_PER_BYTE = 1.0  # chunk framing and extensions
_RESET_BYTES = 2_000_000  # of a rest that is too long to be read to its end
_REASONS = {HeadersTooLarge: "headers", Overloaded: "pipelined"}  # of what the parser's callbacks raise


class Part(Enum):
    """The part of a request that is being received."""

    NONE = 0  # the next byte begins a request
    HEAD = 1
    BODY = 2


class BoundedProtocol(WholeProtocol):
    """One connection. httptools delivers a header when it is complete, so the bytes that it is fed are counted too.

    The deadline of a body is a budget of time: it runs out where the body pauses for too long, and what comes fills
    it up again. A body that keeps up with the rate is never late, however large.
    """

    def __init__(self, connections: Connections, **given: Any) -> None:
        super().__init__(**given)
        self._connections, self._limits = connections, connections.limits
        self.stage, self.deadline, self.held = Stage.FRESH, math.inf, 0
        self._part, self._offers = Part.NONE, Offers()
        self._begun = self._moved = False  # in what is being fed a head began; a request began or ended
        self._deaf = False  # nothing more is wanted
        self._head_bytes = self._head_lines = self._fed_bytes = 0  # delivered; of them; fed since the head began
        self._body_bytes = self._waste_bytes = 0  # of this request: delivered; fed and not delivered
        self._got_bytes = self._rest_bytes = 0  # of bodies: in what is being fed; still to be read while lingering
        self._chunks_left: float = 0  # for this request, and for those in front of it that are not answered yet

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn does
        """A client has connected; it has to send a head soon."""
        polite = PoliteTransport(transport, sending=lambda: self._part is not Part.NONE, linger=self._linger)
        self._reading = Reading(polite, self._limits)
        super().connection_made(polite)  # type: ignore[arg-type]  # it is all of a transport that uvicorn uses
        self.deadline = self.loop.time() + self._limits.seconds
        self._connections.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._connections.closed(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and count what it was fed."""
        if self.stage is Stage.LINGERING or self._deaf:
            self._throw_away(len(data))
            return
        self._begun, self._moved, self._got_bytes, part = False, False, 0, self._part
        if part is Part.NONE:  # so that empty lines before a request take none of its time
            self.deadline = min(self.deadline, self.loop.time() + self._limits.seconds)
        try:
            self.parser.feed_data(data if part is Part.BODY else self._offers.hidden(data))
        except httptools.HttpParserUpgrade:
            pass  # CONNECT: the request is answered as it is
        except httptools.HttpParserError as error:
            self._settle_if_moved()
            cause = error.__context__
            refusal = cause if isinstance(cause, ServiceError) else not_http(error, data)
            self.refuse(refusal, _REASONS.get(type(refusal), "malformed"))
        else:
            self._settle_if_moved()
            self._count(len(data), went_on=part is self._part and not self._begun)

    def on_message_begin(self) -> None:
        """The first byte of a request; if too many wait already, the connection ends with the last one's answer."""
        if len(self.pipeline) >= self._limits.queued_requests:
            raise Overloaded(f"more than {self._limits.queued_requests} requests wait on this connection")
        super().on_message_begin()
        self._part, self._begun, self._moved = Part.HEAD, True, True
        self._head_bytes = self._head_lines = self._fed_bytes = 0

    def on_url(self, url: bytes) -> None:
        """A piece of the URL."""
        self._add_to_head(len(url))
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header; or a trailer, which is counted and thrown away, since the app has its headers already."""
        self._head_lines += 1
        self._add_to_head(len(name) + len(value))
        if self._part is Part.HEAD:
            name = name.lower()
            if name == b"expect" and value.lower() == b"100-continue":
                self.expect_100_continue = True
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """The app begins with the request."""
        super().on_headers_complete()
        self._part = Part.BODY
        self._body_bytes = self._waste_bytes = 0
        self._chunks_left = self._chunks_left if self.pipeline else self._limits.chunks
        self.deadline = self.loop.time() + self._limits.seconds

    def on_chunk_header(self) -> None:
        """A chunk begins."""
        self._chunks_left -= 1
        if self._chunks_left < 0:
            raise BadRequest(f"chunks of less than {self._limits.chunk_bytes} bytes on average: send larger ones")

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._got_bytes += len(body)
        self._body_bytes += len(body)
        self._chunks_left += len(body) / self._limits.chunk_bytes
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The last byte of a request."""
        super().on_message_complete()
        self._part, self._moved = Part.NONE, True

    def on_response_complete(self) -> None:
        """The last byte of an answer."""
        self._connections.release(self)
        self.transport.let_go()  # type: ignore[attr-defined]  # it is ours
        super().on_response_complete()
        self._settle()

    def check(self, now: float) -> None:
        """Close what is late: with an answer if a request has begun."""
        if self._reading.is_late(now):
            self._connections.count("slow")
            self.abort()
        elif self.stage is Stage.LINGERING and now > self.deadline:
            self.abort()
        elif now <= self.deadline or self.stage is Stage.ANSWERING:
            return
        elif self._part is Part.NONE:
            self.transport.close()
        elif self.flow.read_paused:  # it is we who don't go on
            self.deadline = now + self._limits.seconds
        else:
            late = head_too_slow if self._part is Part.HEAD else body_too_slow
            self.refuse(late(self._limits), "slow")

    def refuse(self, error: ServiceError, reason: str) -> None:
        """Answer the request that is not complete with an error, and close.

        If requests before it are still being answered, the client gets their answers alone; if the app has begun with
        this one too, it gets none.
        """
        self._connections.count(reason)
        if self._part is Part.NONE:
            self._part = Part.HEAD  # of something that can't be read; more of it may come
            self.scope = {"headers": []}  # type: ignore[typeddict-item]  # not that of the request before
        if self.stage is Stage.ANSWERING and self._part is Part.HEAD:
            self._deaf, self.cycle.keep_alive = True, False
        elif self.pipeline:
            self.abort()
        else:
            if not (self._part is Part.BODY and self._leave_app()):
                self.transport.write(
                    written(error, cast(dict[str, Any], self.scope), self.server_state.default_headers)
                )
            self.transport.close()

    def abort(self) -> None:
        """Close at once."""
        self.transport.abort()

    def _leave_app(self) -> bool:
        """Tell the app that its client is gone; whether it has begun to answer."""
        cycle = self.cycle
        if not cycle.response_complete:
            self.leave(cycle)
        cycle.body = bytearray()
        return cycle.response_started

    def _add_to_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self._limits.head_bytes or self._head_lines > self._limits.head_lines:
            raise head_too_large(self._limits)

    def _count(self, size: int, *, went_on: bool) -> None:
        """Judge what was fed; `went_on`: all of it was of the same part of the same request."""
        got = self._got_bytes
        if got and not self.cycle.response_complete:
            self._connections.hold(self, got)
        if not went_on or self.stage is Stage.LINGERING:
            return
        if self._part is Part.HEAD:
            self._fed_bytes += size
            if self._fed_bytes > self._limits.head_bytes:
                self.refuse(head_too_large(self._limits), "headers")
        elif self._part is Part.BODY:
            self._count_body(size, got)

    def _count_body(self, size: int, got: int) -> None:
        self._waste_bytes += size - got
        self.deadline = min(self.loop.time() + self._limits.seconds, self.deadline + got / self._limits.body_rate)
        if self._waste_bytes > self._limits.head_bytes + _WASTE_PER_BYTE * self._body_bytes:
            sentence = f"{self._waste_bytes:,} bytes of chunk framing for {self._body_bytes:,} bytes of body"
            self.refuse(BadRequest(f"{sentence}: send larger chunks, without extensions"), "malformed")
        elif self.cycle.response_complete and self._body_bytes + self._waste_bytes > self._limits.drained_bytes:
            self.transport.close()

    def _settle_if_moved(self) -> None:
        if self._moved:
            self._settle()

    def _settle(self) -> None:
        """Find what the connection does now, and the deadline that goes with it."""
        if self.stage is Stage.LINGERING:
            return
        working = self.cycle is not None and not self.cycle.response_complete
        before, now = self.stage, self.loop.time()
        if working and (self._part is not Part.BODY or self.pipeline):
            stage, self.deadline = Stage.ANSWERING, math.inf
        elif self._part is Part.NONE:
            stage, self.deadline = Stage.IDLE, now + self._limits.keep_alive_s
        else:
            stage = Stage.RECEIVING
            if before is not Stage.FRESH or self._part is Part.BODY:
                self.deadline = now + self._limits.seconds
        self._connections.moved(self, stage)

    def _linger(self) -> None:
        """Read the rest of what the client sends, if it is not too much, and throw it away."""
        rest = (self.length or 0) - self._body_bytes if self._part is Part.BODY else 0
        self._rest_bytes = rest if 0 < rest <= self._limits.linger_bytes else _RESET_BYTES
        self._connections.release(self)
        self._connections.moved(self, Stage.LINGERING)
        self.deadline = self.loop.time() + self._limits.linger_s
        self.flow.resume_reading()

    def _throw_away(self, size: int) -> None:
        self._rest_bytes -= size
        if self.stage is Stage.LINGERING and self._rest_bytes <= 0:
            self.transport.end()  # type: ignore[attr-defined]  # it is ours
