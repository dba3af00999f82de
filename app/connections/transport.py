"""A transport that closes politely: a client that is still sending gets to read its answer, not a reset."""

import asyncio
from collections.abc import Callable


class PoliteTransport:
    """uvicorn's view of `transport`. `close` only ends our half if the client is `sending`; then `linger` is called.

    A socket that is closed with unread data in it is reset, and the client loses an answer that it has not read yet.
    """

    def __init__(
        self, transport: asyncio.Transport, *, sending: Callable[[], bool], linger: Callable[[], None]
    ) -> None:
        self._transport, self._sending, self._linger = transport, sending, linger
        self._lingering = False
        # What is asked often is asked of the transport itself.
        self.write = transport.write
        self.get_extra_info = transport.get_extra_info
        self.pause_reading, self.resume_reading = transport.pause_reading, transport.resume_reading
        self.get_write_buffer_size = transport.get_write_buffer_size
        self.abort = transport.abort

    def is_closing(self) -> bool:
        """Whether nothing may be written any more."""
        return self._lingering or self._transport.is_closing()

    def close(self) -> None:
        """Close when all has been written and the client can have read it."""
        if self.is_closing():
            return
        if self._sending():
            self._lingering = True
            self._transport.write_eof()
            self._linger()
        else:
            self._transport.close()

    def end(self) -> None:
        """Close when all has been written, whatever the client does."""
        self._transport.close()
