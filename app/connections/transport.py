"""A transport that closes politely: a client that is still sending gets to read its answer, not a reset."""

import asyncio
import fcntl
import struct
import termios
from collections.abc import Callable
from contextlib import suppress

_HEAD = (
    b"HTTP/1.1 2",
    b"HTTP/1.1 3",
    b"HTTP/1.1 4",
    b"HTTP/1.1 5",
)  # not that of 100 Continue, which waits for nothing


class PoliteTransport:
    """uvicorn's view of `transport`. `close` only ends our half if the client is `sending`; then `linger` is called.

    A socket that is closed with unread data in it is reset, and the client loses an answer that it has not read yet.
    """

    def __init__(
        self, transport: asyncio.Transport, *, sending: Callable[[], bool], linger: Callable[[], None]
    ) -> None:
        self._transport, self._sending, self._linger = transport, sending, linger
        self._lingering = False
        self._written_bytes = 0
        self._head = b""  # of an answer whose body has not come
        # What is asked often is asked of the transport itself.
        self.get_extra_info = transport.get_extra_info
        self.pause_reading, self.resume_reading = transport.pause_reading, transport.resume_reading
        self.get_write_buffer_size = transport.get_write_buffer_size
        self.abort = transport.abort

    def write(self, data: bytes) -> None:
        """Send `data`, as soon as the client takes it; the head of an answer with what follows it, in one go."""
        if self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(_HEAD):
            self._head = data
            return
        self._written_bytes += len(data)
        self._transport.write(data)

    def let_go(self) -> None:
        """Send what begins as a head and is kept: nothing follows it."""
        if self._head:
            self.write(b"")

    def taken_bytes(self) -> int:
        """Of all that was written: what the client's side has acknowledged.

        The system takes megabytes from us in advance and then nothing for a while, however steadily the client reads.
        """
        queued = bytes(4)
        with suppress(OSError, ValueError):  # the socket is closed already
            queued = fcntl.ioctl(self.get_extra_info("socket").fileno(), termios.TIOCOUTQ, queued)
        return self._written_bytes - self.get_write_buffer_size() - int(struct.unpack("i", queued)[0])

    def is_closing(self) -> bool:
        """Whether nothing may be written any more."""
        return self._lingering or self._transport.is_closing()

    def close(self) -> None:
        """Close when all has been written and the client can have read it."""
        if self.is_closing():
            return
        self.let_go()
        if self._sending():
            self._lingering = True
            self._transport.write_eof()
            self._linger()
        else:
            self._transport.close()

    def end(self) -> None:
        """Close when all has been written, whatever the client does."""
        self._transport.close()
