"""The soak's clients: threads that send a seeded mix over keep-alive connections and judge each answer."""

import contextlib
import http.client
import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any
from urllib.parse import urlsplit

from benchmarks.fuzz.expectation import Answer, Fault, check
from benchmarks.soak.requests import Request
from benchmarks.soak.right import Expected

_PATIENCE_S = 300.0  # a swap judges the copy first, which takes minutes beside load
_LINGER_OFF = struct.pack("ii", 1, 0)  # closing resets the connection


@dataclass
class Tally:
    """What came back so far; `refusals`: statuses that a good request may get too."""

    refusals: frozenset[int] = frozenset()
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)  # by kind of request
    wrong: list[str] = field(default_factory=list)
    lost: list[tuple[float, str]] = field(default_factory=list)  # moment, why no answer came
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def answers(self) -> int:
        """How many came."""
        return sum(self.statuses.values())

    def note(self, kind: str, status: int, problem: str | None) -> None:
        """An answer, and what is wrong with it."""
        with self._lock:
            self.statuses[kind, status] += 1
            if problem:
                self.wrong.append(f"{kind}: {problem}")


class Client:
    """One client with a connection of its own; not to be shared by threads."""

    def __init__(self, url: str, tally: Tally, expected: Expected) -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "", parts.port or 80)
        self._tally, self._expected = tally, expected
        self._connection = http.client.HTTPConnection(*self._address, timeout=_PATIENCE_S)

    def send(self, request: Request) -> bool:
        """Send it and judge the answer; whether there was one."""
        try:
            with contextlib.suppress(
                BrokenPipeError, ConnectionResetError
            ):  # it may have answered before it had read all
                self._connection.request(request.method, request.path, request.body or None, dict(request.headers))
            response = self._connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            if len(request.body) <= 200_000 or request.photos:  # a larger one may be refused before it has been sent
                self._tally.lost.append((time.monotonic(), f"{request.kind}: {type(error).__name__}: {error}"))
            return False
        answer = Answer(response.status, response.headers.get("Content-Type", ""), body)
        self._tally.note(request.kind, response.status, self._problem(request, answer))
        return True

    def leave(self, request: Request, random: Random) -> None:
        """Begin to send it, and go: in the head, in the body, while it waits, or in the middle of the answer."""
        names = "".join(f"{name}: {value}\r\n" for name, value in request.headers.items())
        line = f"{request.method} {request.path} HTTP/1.1\r\nHost: localhost\r\n{names}"
        whole = f"{line}Content-Length: {len(request.body)}\r\n\r\n".encode() + request.body
        head = len(whole) - len(request.body)
        sent = random.choice((random.randrange(head), random.randrange(head, len(whole)), len(whole)))
        with contextlib.suppress(OSError), socket.create_connection(self._address, timeout=10) as connection:
            connection.sendall(whole[:sent])
            if sent == len(whole) and random.random() < 0.5:
                connection.recv(random.choice((1, 200)))
            if random.random() < 0.5:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_OFF)
        self._tally.note("left", 0, None)

    def close(self) -> None:
        """Close its connection."""
        self._connection.close()

    def _problem(self, request: Request, answer: Answer) -> str | None:
        try:
            if answer.status < 500 or answer.status not in self._tally.refusals:
                check(answer, sent=f"{request.method} {request.path}".encode())
            return self._first_wrong(request, answer)
        except Fault as fault:
            return str(fault)
        except (AttributeError, LookupError, TypeError, ValueError) as error:  # it is not made as our answers are
            return f"{type(error).__name__}: {error}: {answer.body[:200]!r}"

    def _first_wrong(self, request: Request, answer: Answer) -> str | None:
        if not request.photos or answer.status in self._tally.refusals:
            return None
        if answer.status != 200:
            return f"status {answer.status}: {answer.body[:200]!r}"
        if request.kind == "picture":
            return None if answer.body.startswith(b"\xff\xd8\xff") else "the answer is no picture"
        return self._wrong_result(request, json.loads(answer.body))

    def _wrong_result(self, request: Request, answer: Mapping[str, Any]) -> str | None:
        items: Sequence[Mapping[str, Any]] = answer.get("results", [answer])
        if len(items) != len(request.photos):
            return f"{len(items)} results for {len(request.photos)} pictures"
        for photo, item in zip(request.photos, items, strict=True):
            pair = [item, item["copy"]] if "copy" in item else [item]
            for each in pair:
                if problem := self._wrong(photo, each):
                    return problem
        if request.kind == "annotate" and not answer["annotated"].startswith("data:image/jpeg;base64,/9j/"):
            return "the annotated picture is no picture"
        return None

    def _wrong(self, photo: int, item: Mapping[str, Any]) -> str | None:
        if "error" in item:
            return None if item["status"] in self._tally.refusals else f"status {item['status']}: {item['error']}"
        return self._expected.problem(photo, item)


@contextmanager
def clients(
    count: int, make: Callable[[], Client], turn: Callable[[Client, Random, threading.Event], None], *, seed: str
) -> Iterator[threading.Event]:
    """Have this many take turns while the block runs; the event that ends them. What one of them raises ends all."""
    stop = threading.Event()

    def run(number: int) -> None:
        random = Random(f"{seed}-{number}")
        try:
            with contextlib.closing(make()) as client:
                while not stop.is_set():
                    turn(client, random, stop)
        finally:
            stop.set()

    with ThreadPoolExecutor(count) as pool:
        running = [pool.submit(run, number) for number in range(count)]
        try:
            yield stop
        finally:
            stop.set()
    for each in running:
        each.result()
