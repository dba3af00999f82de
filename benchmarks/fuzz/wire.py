"""Raw bytes to the server and what comes back, without a client's library that would refuse to send them."""

import contextlib
import re
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

from benchmarks.fuzz.expectation import Answer, Fault, check

_WAIT_S = 30.0  # longer than the server may take to answer and close
_PAUSE_S = 0.15
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) ?[^\r\n]*\r\n")


def probe(url: str, sent: bytes, *, whole: bool) -> list[Answer]:
    """Send the bytes and read to the end; Fault if an answer must not be, or if there is no end (see `exchange`)."""
    head_only = sent.startswith(b"HEAD ")
    answers = list(read(exchange(url, sent, whole=whole), head_only=head_only))
    for answer in answers:
        check(answer, sent=sent, head_only=head_only)
    return answers


def exchange(url: str, sent: bytes, *, whole: bool) -> bytes:
    """All that comes back; Fault if the server neither answers nor closes.

    `whole`: it is a request that the server closes after. Else, when nothing comes any more, it is told that no more
    will be sent: then it must close.
    """
    host = urlsplit(url)
    address = (host.hostname or "", host.port or 80)
    with socket.create_connection(address, timeout=_WAIT_S if whole else _PAUSE_S) as connection:
        # It may close before it has read all: what it has answered counts.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, TimeoutError):
            connection.sendall(sent)
        received = b"" if whole else _until_quiet(connection)
        try:
            return received + b"".join(iter(lambda: connection.recv(1 << 16), b""))
        except ConnectionResetError:
            return received
        except TimeoutError as error:
            raise Fault(f"no end within {_WAIT_S:.0f} s; so far {received[:200]!r}") from error


def _until_quiet(connection: socket.socket) -> bytes:
    """What comes until it pauses; then our side of the connection is closed."""
    received = bytearray()
    try:
        while part := connection.recv(1 << 16):
            received += part
    except TimeoutError:
        connection.settimeout(_WAIT_S)
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)
    except ConnectionResetError:
        pass
    return bytes(received)


def read(received: bytes, *, head_only: bool = False) -> Iterator[Answer]:
    """The answers in a stream of them; what a closed connection has cut off is left out."""
    at = 0
    while found := _STATUS.match(received, at):
        head, end, _ = received[found.end() :].partition(b"\r\n\r\n")
        if not end and not head.startswith(b"\r\n"):
            return
        fields = dict(_field(line) for line in head.split(b"\r\n") if b":" in line)
        start = found.end() + len(head) + len(end)
        body, at = _body(received, start, fields, empty=head_only or found[1] in (b"100", b"101", b"204", b"304"))
        yield Answer(int(found[1]), fields.get(b"content-type", b"").decode("latin-1"), body)
    if at == 0 and received:
        raise Fault(f"no HTTP answer: {received[:200]!r}")


def _field(line: bytes) -> tuple[bytes, bytes]:
    name, _, value = line.partition(b":")
    return name.strip().lower(), value.strip()


def _body(received: bytes, start: int, fields: dict[bytes, bytes], *, empty: bool) -> tuple[bytes, int]:
    """The body of the answer whose head ends at `start`, and where the next answer begins."""
    if empty:
        return b"", start
    if fields.get(b"transfer-encoding") != b"chunked":
        end = start + int(fields[b"content-length"]) if b"content-length" in fields else len(received)
        return received[start:end], end
    parts = []
    while True:
        size, _, _ = received[start:].partition(b"\r\n")
        length, start = int(size or b"0", 16), start + len(size) + 2
        parts.append(received[start : start + length])
        start += length + 2
        if length == 0:
            return b"".join(parts), start
