"""Clients in threads: closed-loop connections over some photos, each answer kept."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from benchmarks.serving import TLS


@dataclass
class Traffic:
    """What came back so far."""

    answers: list[tuple[int, httpx.Response]] = field(default_factory=list)  # index of the photo, response
    errors: list[Exception] = field(default_factory=list)

    @property
    def statuses(self) -> dict[int, int]:
        """How often each status came."""
        counts: dict[int, int] = {}
        for _, response in list(self.answers):
            counts[response.status_code] = counts.get(response.status_code, 0) + 1
        return counts

    def wait_for(self, count: int, *, within_s: float = 60) -> None:
        """Return when `count` more answers have come."""
        wanted, end = len(self.answers) + count, time.monotonic() + within_s
        while len(self.answers) < wanted and time.monotonic() < end:
            time.sleep(0.02)


@contextmanager
def traffic(
    url: str, photos: Sequence[bytes], *, connections: int, pause_s: float = 0, **parameters: Any
) -> Iterator[Traffic]:
    """Send the photos in turn over this many connections while the block runs; a 429 is tried again after its pause.

    With `pause_s` each connection rests after an answer, and the machine has time for something else.
    """
    result, stop = Traffic(), threading.Event()

    def client(number: int) -> None:
        with httpx.Client(base_url=url, timeout=60, verify=TLS) as http:
            index = number
            while not stop.is_set():
                index = (index + 1) % len(photos)
                try:
                    response = http.post("/detect", content=photos[index], params=parameters)
                except httpx.HTTPError as error:
                    result.errors.append(error)
                    continue
                result.answers.append((index, response))
                stop.wait(pause_s)
                if response.status_code in (429, 503):
                    stop.wait(float(response.headers.get("Retry-After", 0.1)))

    threads = [threading.Thread(target=client, args=(number,)) for number in range(connections)]
    for thread in threads:
        thread.start()
    try:
        yield result
    finally:
        stop.set()
        for thread in threads:
            thread.join()
