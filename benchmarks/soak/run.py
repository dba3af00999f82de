"""One soak from beginning to end, and what it found."""

import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random

from app.settings import bundled_model
from benchmarks.raw import PHOTOS
from benchmarks.serving import Server, serving
from benchmarks.soak import admin as admins
from benchmarks.soak.clients import Client, Tally, clients
from benchmarks.soak.requests import Requests
from benchmarks.soak.right import Expected
from benchmarks.soak.watch import API, Samples, resources, watched

CLIENTS, CROWD = 6, 40
MOST_MB_A_MINUTE = 1.0
_PAUSE_S = 0.05  # of a client between two requests, at most: conversions and the gate come after all else
_DRAIN_S = 5.0
_SWAPPING = 0.4  # of the soak: a worker that has just been started still grows, and would hide what grows for ever
_LONG_S = 300.0  # a shorter soak ends while its processes still grow to what they will hold: slopes say nothing yet
# Nor is there time for gates beside the load, which a swap waits for: no copy is worth timing under all of it so.
_SOON_JUDGED = {"DETECTOR_GATE_SPEEDUP": "100", "DETECTOR_GATE_SECONDS": "0.2"}
_MOST_API_MB = 160  # of a shorter one; in ten minutes it settles at 137


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked for on the command line."""

    seconds: float
    seed: int
    copy: str
    leak: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that must hold."""

    what: str
    found: str
    limit: str
    holds: bool


def soak(folder: Path, plan: Plan) -> list[Row]:
    """Start a server whose model stands in `folder`, or is put there, and do it all."""
    if not (folder / "1").exists():
        shutil.copytree(bundled_model() / "1", folder / "1")
    environ = {
        "DETECTOR_MODEL": str(folder),
        "DETECTOR_COPIES": plan.copy,
        "DETECTOR_STARTUP_CONVERSION": "blocking",
        "DETECTOR_GATE_SECONDS": "1",
        "DETECTOR_DRAIN_SECONDS": str(_DRAIN_S),
        "DETECTOR_ADMIN_TOKEN": admins.TOKEN,
        **(_SOON_JUDGED if plan.seconds < _LONG_S else {}),
    }
    with serving(environ, program=("benchmarks.soak.leaking" if plan.leak else "app", "serve")) as server:
        server.wait_until_ready(within_s=300)
        return Soak(server, plan).rows()


@dataclass
class Soak:
    """A soak of this server."""

    server: Server
    plan: Plan
    photos: list[bytes] = field(default_factory=lambda: [path.read_bytes() for path in PHOTOS])

    def __post_init__(self) -> None:
        """Ask what is right."""
        self.requests = Requests(self.photos, copy=self.plan.copy)
        self.expected = Expected(self.server, self.photos, self.plan.copy)
        self.admin = admins.Admin(self.plan.copy, rest_s=max(3.0, self.plan.seconds / 20))
        if self.plan.seconds < _LONG_S:
            self.admin.until = 0.0  # its start has no conversion, whose end would be waited for

    def rows(self) -> list[Row]:
        """What was found, in the order in which it is done."""
        self.mixed("start", Tally(), max(10.0, self.plan.seconds / 10))
        self.settle({})
        before, tally = _allowed(resources(self.server)), Tally()
        with watched(self.server) as samples:
            self.admin.until = time.monotonic() + _SWAPPING * self.plan.seconds
            self.mixed("first half", tally, self.plan.seconds / 2)
            peak = self.peak(max(5.0, self.plan.seconds / 20))
            since = time.monotonic()
            self.mixed("second half", tally, self.plan.seconds / 2)
        after = self.settle(before)
        end, code = self.all_at_once(max(15.0, self.plan.seconds / 10))
        return [
            *self._answers("mixed load", tally),
            *self._answers("its peak", peak),
            *self._growth(samples, since),
            *(
                Row(f"{name} after it", f"{after.get(name, 0)}", f"≤ {most}", after.get(name, 0) <= most)
                for name, most in before.items()
            ),
            *self._answers("all at once", end),
            Row("exit code after SIGTERM", str(code), str(-signal.SIGTERM), code == -signal.SIGTERM),
        ]

    def mixed(self, part: str, tally: Tally, seconds: float) -> None:
        """The mix for so long; each part of a soak has requests of its own."""
        with clients(CLIENTS, partial(self._client, tally), self._turn, seed=f"{self.plan.seed}-{part}") as stop:
            for _ in range(int(seconds // 10)):
                time.sleep(10)
                print(f"{tally.answers} answers, {self.admin.acts} swaps and conversions", file=sys.stderr)
            time.sleep(seconds % 10)
            stop.set()

    def settle(self, before: dict[str, int], *, within_s: float = 60) -> dict[str, int]:
        """Wait until no conversion runs and no more is held than `before`; what is held then."""
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            time.sleep(2)
            now = resources(self.server)
            jobs = self.server.admin("GET", "/convert/jobs").json()
            if all(job["finished"] for job in jobs) and all(now.get(name, 0) <= most for name, most in before.items()):
                break
        return resources(self.server)

    def peak(self, seconds: float) -> Tally:
        """More than it can answer, so that every worker has its largest batches at once, and their memory."""
        tally = Tally(frozenset({429, 503}))
        with clients(CROWD, partial(self._client, tally), self._crowd_turn, seed=f"{self.plan.seed}-peak") as stop:
            time.sleep(seconds)
            stop.set()
        return tally

    def all_at_once(self, seconds: float) -> tuple[Tally, int]:
        """More than it can answer, odd pictures and swaps together; SIGTERM in the middle. What came, the exit code."""
        tally, over = Tally(frozenset({429, 503})), threading.Event()
        swapping = threading.Thread(target=self._swap, args=(tally, over))
        with clients(CROWD, partial(self._client, tally), self._crowd_turn, seed=f"{self.plan.seed}-crowd") as stop:
            swapping.start()
            time.sleep(seconds - _DRAIN_S)
            over.set()
            self.server.process.send_signal(signal.SIGTERM)
            ended = time.monotonic() + _DRAIN_S - 1  # until then it accepts
            code = self.server.process.wait(timeout=120)
            stop.set()
        swapping.join()
        tally.lost = [each for each in tally.lost if each[0] < ended]
        return tally, code

    def _client(self, tally: Tally) -> Client:
        return Client(self.server.url, tally, self.expected)

    def _turn(self, client: Client, random: Random, stop: threading.Event) -> None:
        chance = random.random()
        if chance < 0.8:
            client.send(self.requests.good(random))
        elif chance < 0.9:
            client.send(self.requests.odd(random))
        elif chance < 0.95:
            client.leave(self.requests.good(random), random)
        else:
            self.admin.turn(client, random)
        stop.wait(random.random() * _PAUSE_S)

    def _crowd_turn(self, client: Client, random: Random, stop: threading.Event) -> None:
        make = self.requests.odd if random.random() < 0.1 else self.requests.several
        if not client.send(make(random)):
            stop.wait(0.1)

    def _swap(self, tally: Tally, over: threading.Event) -> None:
        client = self._client(tally)
        while not over.wait(1):
            client.send(self.admin.reload())
        client.close()

    def _answers(self, what: str, tally: Tally) -> Iterator[Row]:
        by_status: dict[int, int] = {}
        for (_, status), count in tally.statuses.items():
            by_status[status] = by_status.get(status, 0) + count
        told = ", ".join(f"{count:,} × {status or 'left'}" for status, count in sorted(by_status.items()))
        failed = sum(count for status, count in by_status.items() if status >= 500 and status not in tally.refusals)
        yield Row(f"{what}: answers", told, "some", by_status.get(200, 0) > 0)
        yield Row(f"{what}: 5xx{' but 503' if tally.refusals else ''}", str(failed), "0", failed == 0)
        yield Row(f"{what}: wrong", _few(tally.wrong), "0", not tally.wrong)
        yield Row(f"{what}: without an answer", _few([why for _, why in tally.lost]), "0", not tally.lost)

    def _growth(self, samples: Samples, since: float) -> Iterator[Row]:
        """Of all processes by their slopes; in a short soak only the API, by what it holds at last."""
        long = self.plan.seconds >= _LONG_S
        for name, found in samples.slopes(since, window_s=self.plan.seconds / 60).items():
            held_mb = samples.held[name][-1][1] / 1e6
            limit, holds = "not judged", True
            if long:
                limit, holds = f"< {MOST_MB_A_MINUTE:.1f} MB/min", found < MOST_MB_A_MINUTE
            elif name == API:
                limit, holds = f"≤ {_MOST_API_MB} MB", held_mb <= _MOST_API_MB
            yield Row(f"memory of {name}, second half", f"{found:+.2f} MB/min, now {held_mb:.0f} MB", limit, holds)


def _allowed(held: dict[str, int]) -> dict[str, int]:
    """As many as are held, and of threads those that a pool starts only when all others are busy for the first time."""
    late = len(os.sched_getaffinity(0)) + 1
    return {name: count + late * name.endswith("threads") for name, count in held.items()}


def _few(sentences: list[str]) -> str:
    return str(len(sentences)) + "".join(f"<br>{each[:300]}" for each in sentences[:3])
