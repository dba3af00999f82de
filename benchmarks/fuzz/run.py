"""One run of the fuzzing: the server that it is run against, its parts in turn, and the table of what was found."""

import contextlib
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from io import BytesIO
from pathlib import Path
from random import Random

import PIL.Image
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from app.settings import bundled_model
from benchmarks.fuzz import bodies, malformed, wire
from benchmarks.fuzz.expectation import Fault
from benchmarks.fuzz.finding import Found
from benchmarks.raw import PHOTOS
from benchmarks.serving import Server, children, descendants, serving

ADMIN = "secret"
MOST_GROWTH_MB = 100
_ROUND = 250  # cases between two looks at the server
_DELIVERED = 200_000  # bytes: the answer to a request of this size reaches also a client that has not sent all of it
_BUSY = {"target": "frozen", "batch_sizes": [3]}  # the conversion that runs all the time


@contextlib.contextmanager
def serve(folder: Path) -> Iterator[Server]:
    """The server with the bundled model in `folder`, its frozen copy and an admin's token."""
    if not (folder / "1").exists():
        shutil.copytree(bundled_model() / "1", folder / "1")
    environ = {
        "DETECTOR_MODEL": str(folder),
        "DETECTOR_COPIES": "frozen",
        "DETECTOR_STARTUP_CONVERSION": "blocking",
        "DETECTOR_MAX_BATCH": "1",
        "DETECTOR_GATE_SECONDS": "0.2",
        "DETECTOR_SHADOW_SHARE": "0",
        "DETECTOR_ADMIN_TOKEN": ADMIN,
    }
    with serving(environ) as server:
        server.wait_until_ready(within_s=300)
        yield server


class Target:
    """The server under fire, and what must be true of it all the time."""

    def __init__(self, server: Server) -> None:
        self._server, self.url = server, server.url
        self._workers = {name: server.worker_pid(name) for name in ("native", "frozen")}
        self._before, self._read = self.memory_mb, 0  # bytes of the log that have been looked at

    @property
    def memory_mb(self) -> float:
        """What the server's own process holds."""
        return _field(self._server.process.pid, "VmRSS") / 1024

    @property
    def growth_mb(self) -> float:
        """What it holds more than at the start."""
        return self.memory_mb - self._before

    def check_alive(self) -> None:
        """Fault if the server or a worker has died, or if there is a traceback in what it has logged since."""
        if self._server.get("/healthz").status_code != 200 or self._server.get("/readyz").status_code != 200:
            raise Fault("the server is not ready any more")
        if self._server.worker_pid("native") != self._workers["native"]:
            raise Fault("the worker of native has died")
        restarts = self._server.metric("detector_worker_restarts_total")
        if restarts:
            raise Fault(f"{restarts:.0f} workers were started again")
        written = self._server.log.read_bytes()
        log, self._read = written[self._read :].decode(errors="replace"), len(written)
        if "Traceback (most recent call last)" in log:
            named = re.findall(
                r"\w+(?:Error|Exception|Group|Disconnect)\b[^\\\n\"]{0,120}", log.partition("Traceback")[2]
            )
            raise Fault(f"the log has a traceback: {named[-1] if named else 'of what, it does not say'}")

    @contextlib.contextmanager
    def converting(self) -> Iterator[None]:
        """A conversion that has been stopped in the middle: a thousand that are asked for meanwhile are not run."""
        before = set(children(self._server.process.pid))
        self._server.convert(**_BUSY)
        self._server.wait_until(lambda: set(children(self._server.process.pid)) - before)
        stopped = [
            pid for child in set(children(self._server.process.pid)) - before for pid in (child, *descendants(child))
        ]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in stopped:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
            for job in self._server.admin("GET", "/convert/jobs").json():
                if not job["finished"]:
                    self._server.admin("DELETE", f"/convert/jobs/{job['id']}")


def fuzzed(target: Target, amounts: Mapping[str, int], *, seed: int, until: float) -> int:
    """Run all parts, print what they found; 0 if all held."""
    photos = small_photos()
    found = [
        *mutated(target, photos, amounts["bodies"], seed, until),
        raw(target, photos, amounts["connections"], seed, until),
    ]
    if amounts["cases"]:
        found.append(documented(target, photos, amounts["cases"], seed, until))
    print(f"seed {seed}; the server's memory grew by {target.growth_mb:.0f} MB (limit {MOST_GROWTH_MB})\n")
    print("| part | cases | statuses | faults |\n| --- | ---: | --- | ---: |")
    for each in found:
        statuses = ", ".join(f"{status}: {count}" for status, count in sorted(each.statuses.items()))
        print(f"| {each.part} | {each.cases:,} | {statuses} | {len(each.faults)} |")
    faults = [each for each in found if each.faults]
    for each in faults:
        print("\n" + each.told(Path("fuzz-faults")))
    return int(bool(faults) or target.growth_mb > MOST_GROWTH_MB)


def mutated(target: Target, photos: Sequence[bytes], cases: int, first: int, until: float) -> Iterator[Found]:
    """Bodies of /detect that hypothesis breaks, and makes smaller where they show a fault."""
    for kind, make in bodies.MAKERS.items():
        found = Found(f"{kind} (hypothesis)", until)
        for number, most in enumerate(_rounds(cases // len(bodies.MAKERS))):
            if not found.over:
                _round(found, target, partial(make, photos), first=first + number, most=most)
                _look(found, target)
        yield found


def _rounds(cases: int) -> list[int]:
    return [min(_ROUND, cases - begun) for begun in range(0, cases, _ROUND)]


def _round(found: Found, target: Target, make: Callable[[Random], bytes], *, first: int, most: int) -> None:
    sent = b""

    @seed(first)
    @settings(
        max_examples=most,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.randoms(use_true_random=False))
    def one(random: Random) -> None:
        nonlocal sent
        sent = make(random)
        _send(found, target, sent, whole=True)

    try:
        one()
    except Fault as fault:
        found.note(str(fault), sent)


def raw(target: Target, photos: Sequence[bytes], cases: int, first: int, until: float) -> Found:
    """Connections whose bytes are no right HTTP."""
    found = Found("HTTP (raw sockets)", until)
    for number in range(cases):
        if found.over:
            break
        sent = malformed.malformed(photos, Random(f"{first}-{number}"))
        try:
            _send(found, target, sent, whole=False)
        except Fault as fault:
            found.note(str(fault), sent)
        if number % _ROUND == _ROUND - 1:
            _look(found, target)
    _look(found, target)
    return found


def documented(target: Target, photos: Sequence[bytes], cases: int, first: int, until: float) -> Found:
    """Cases from the OpenAPI document."""
    from benchmarks.fuzz.openapi import Cases

    found = Found("OpenAPI (schemathesis)", until)
    with target.converting():
        made = Cases(target.url, headers=_headers, photos=photos)
        made.send(found, cases=cases, first_seed=first, after_round=partial(_look, found, target))
        _look(found, target)
    return found


def _headers(path: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {ADMIN}"} if path.startswith(("/admin", "/convert")) else {}


def _look(found: Found, target: Target) -> None:
    """Whatever is wrong now may be the fault of any case so far."""
    try:
        target.check_alive()
    except Fault as fault:
        found.note(str(fault), b"")


def _send(found: Found, target: Target, sent: bytes, *, whole: bool) -> None:
    answers = wire.probe(target.url, sent, whole=whole)
    found.cases += 1
    found.statuses.update(answer.status for answer in answers)
    if whole and not answers and len(sent) <= _DELIVERED:
        raise Fault("the connection was closed without an answer")


def small_photos() -> list[bytes]:
    """The packaged photos at 160 pixels, baseline and progressive."""
    made = []
    for number, path in enumerate(PHOTOS):
        with PIL.Image.open(path) as picture:
            picture.thumbnail((160, 160))
            picture.save(out := BytesIO(), "JPEG", quality=80, progressive=number % 2 == 1)
        made.append(out.getvalue())
    return made


def _field(pid: int, name: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))
