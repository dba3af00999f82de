"""A worker's end of the socket: whole messages, however their bytes come."""

import io
import os
import socket
import threading
from collections.abc import Iterator
from typing import cast

import pytest

from app.backends import wire
from app.backends.child import Channel

SENT = [({"id": number}, bytes([number]) * size) for number, size in enumerate((0, 1, 100_000, 3_000_000))]


class Worker:
    """A channel that is read in a thread, which ends where a worker would."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.server, self._own = socket.socketpair()
        self.channel, self.exit_codes = Channel(self._own), list[int]()
        monkeypatch.setattr(os, "_exit", self.exit_codes.append)
        self._reading = threading.Thread(target=self.channel.read_forever, daemon=True)
        self._reading.start()

    def end(self) -> None:
        """Close the server's end, and wait until the worker has noticed."""
        self.server.close()
        self._reading.join(30)
        self._own.close()


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    made = Worker(monkeypatch)
    yield made
    made.end()


@pytest.mark.parametrize(("piece_bytes", "messages"), [(1, SENT[:2]), (7, SENT[:3]), (1 << 20, SENT)])
def test_messages_come_whole(worker: Worker, piece_bytes: int, messages: list[tuple[dict[str, int], bytes]]) -> None:
    stream = b"".join(piece for header, payload in messages for piece in wire.frame(header, [payload]))
    for at in range(0, len(stream), piece_bytes):
        worker.server.sendall(stream[at : at + piece_bytes])
    assert [worker.channel.next() for _ in messages] == messages


def test_a_read_that_a_signal_cuts_short_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.BytesIO(b"".join(piece for header, payload in SENT[:2] for piece in wire.frame(header, [payload])))

    class CutShort:
        def recv(self, size: int, _: int) -> bytes:
            return stream.read(min(size, 3))

    monkeypatch.setattr(os, "_exit", lambda _: None)
    channel = Channel(cast("socket.socket", CutShort()))
    channel.read_forever()
    assert [channel.next() for _ in SENT[:2]] == SENT[:2]


@pytest.mark.parametrize("missing", [0, 1, 20], ids=["between messages", "in the payload", "in the header"])
def test_a_worker_ends_with_the_stream(worker: Worker, missing: int) -> None:
    whole = b"".join(wire.frame({"id": 1}, [b"12345"]))
    worker.server.sendall(whole[: len(whole) - missing])
    worker.end()
    assert worker.exit_codes == [0]
