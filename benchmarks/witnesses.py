"""Clients that remember when they asked, what they got and whether it was right; and one that watches /readyz."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from benchmarks.serving import TLS

Boxes = Sequence[tuple[str, float, tuple[float, ...]]]  # label, score, corners
SURE, ALMOST, PIXELS = 0.5, 0.45, 3.0


@dataclass(frozen=True, slots=True)
class Seen:
    """One request; `status` is a word where there was no answer."""

    backend: str
    begun: float
    ended: float
    status: int | str
    wrong: bool = False


@dataclass
class Witnesses:
    """What all clients have seen so far."""

    expected: Mapping[bytes, Boxes]
    seen: list[Seen] = field(default_factory=list)
    ready: list[float] = field(default_factory=list)  # when /readyz said so
    stop: threading.Event = field(default_factory=threading.Event)

    def ask(self, url: str, backend: str) -> None:
        """Send the photos in turn until told to stop."""
        photos = list(self.expected)
        with httpx.Client(base_url=url, timeout=60, verify=TLS) as http:
            while not self.stop.is_set():
                photo, begun = photos[len(self.seen) % len(photos)], time.monotonic()
                status: int | str
                try:
                    response = http.post("/detect", content=photo, params={"backend": backend})
                    status = response.status_code
                    wrong = status == 200 and not same(boxes(response.json()), self.expected[photo])
                except httpx.HTTPError as error:
                    status, wrong = type(error).__name__, False
                self.seen.append(Seen(backend, begun, time.monotonic(), status, wrong))
                if status != 200:
                    self.stop.wait(0.2)

    def watch(self, url: str) -> None:
        """Ask /readyz again and again."""
        with httpx.Client(base_url=url, timeout=10, verify=TLS) as http:
            while not self.stop.wait(0.05):
                try:
                    answer = http.get("/readyz")
                except httpx.HTTPError:
                    continue
                if answer.status_code == 200:
                    self.ready.append(time.monotonic())

    def deceived(self) -> list[Seen]:
        """Requests that began within 0.2 s after /readyz said 200 and were told that there is no backend."""
        refused = [each for each in self.seen if each.backend == "auto" and each.status == 503]
        return [each for each in refused if any(0 <= each.ended - at <= 0.2 for at in self.ready)]


@contextmanager
def witnesses(url: str, expected: Mapping[bytes, Boxes], backends: Sequence[str]) -> Iterator[Witnesses]:
    """One client for each of these backends, and one for /readyz, while the block runs."""
    found = Witnesses(expected)
    threads = [threading.Thread(target=found.ask, args=(url, backend)) for backend in backends]
    threads.append(threading.Thread(target=found.watch, args=(url,)))
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        found.stop.set()
        for thread in threads:
            thread.join()


def boxes(answer: Any) -> Boxes:
    """What an answer of /detect found."""
    corners = ("xmin", "ymin", "xmax", "ymax")
    return [
        (each["label"], each["score"], tuple(each["box"][corner] for corner in corners))
        for each in answer["detections"]
    ]


def same(one: Boxes, other: Boxes) -> bool:
    """Whether each has what the other one is sure of."""
    return _has(one, other) and _has(other, one)


def _has(some: Boxes, wanted: Boxes) -> bool:
    return all(any(_alike(each, sure) for each in some) for sure in wanted if sure[1] >= SURE)


def _alike(each: tuple[str, float, tuple[float, ...]], sure: tuple[str, float, tuple[float, ...]]) -> bool:
    near = all(abs(a - b) <= PIXELS for a, b in zip(each[2], sure[2], strict=True))
    return each[0] == sure[0] and each[1] >= ALMOST and near
