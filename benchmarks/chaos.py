"""Faults under load: `make chaos`. Workers die, hang and lose their files while 16 connections ask.

    python -m benchmarks.chaos [--seconds 600] [--seed 1] [--connections 16] [--models FOLDER] [--faults kill,stop]

Each fault waits until another agreeing backend has been warm for 2 s; from the first one on no request for `auto` may
be lost or answered wrongly, one for a named backend gets 200 or 503, /readyz never promises what is not there, and at
the end no process, handle or file is left over. Prints a table; the exit code is 1 if something did not hold.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from app.settings import bundled_model
from benchmarks.faults import FAULTS, Victim
from benchmarks.serving import Server, children, serving
from benchmarks.witnesses import Seen, Witnesses, boxes, witnesses

PHOTOS = sorted((Path(__file__).parent.parent / "converter" / "photos").glob("*.jpg"))
WARM_S, PATIENCE_S = 2.0, 300.0
DISK_BYTES = 600_000_000
ENDING_S = 30.0  # for processes that end, after which those that are there stay
ON_COPIES = ("convert", "version", "fill")  # which take the copies away, or make them, and leave native alone


def main() -> int:
    """Run; 0 if everything held."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--models", type=Path, default=bundled_model(), help="versions, perhaps with their copies")
    parser.add_argument("--faults", type=lambda text: text.split(","), default=list(FAULTS))
    args = parser.parse_args()
    with small_disk() as disk:
        models = disk / "models"
        shutil.copytree(args.models, models)
        environ = {
            "DETECTOR_MODEL": str(models),
            "DETECTOR_COPIES": "frozen",
            "DETECTOR_STARTUP_CONVERSION": "blocking",
            "DETECTOR_MAX_BATCH": "2",
            "DETECTOR_GATE_SECONDS": "0.2",  # what counts is who answers, not how fast
            "DETECTOR_HANG_SECONDS": "3",
            "DETECTOR_ADMIN_TOKEN": "secret",
        }
        with serving(environ) as server:
            server.wait_until_ready(within_s=PATIENCE_S)
            full = disk / "full" if os.path.ismount(disk) else None
            victim = Victim(server, models, random.Random(args.seed), full=full)
            return run(victim, args.faults, args.connections, args.seconds)


def run(victim: Victim, faults: Sequence[str], connections: int, seconds: float) -> int:
    """Strike under load until the time is over, then look what is left; 0 if everything held."""
    server = victim.server
    expected = {photo: boxes(server.detect(photo, backend="native").json()) for photo in map(Path.read_bytes, PHOTOS)}
    until_others_are_warm(server, "native", "frozen")
    handles, workers = opened(server), len(children(server.process.pid))
    struck: list[tuple[str, str, float]] = []
    backends = [("auto", "native", "auto", "frozen")[number % 4] for number in range(connections)]
    with witnesses(server.url, expected, backends) as seen:
        end = time.monotonic() + seconds
        for name in rounds(faults, victim.chance):
            if time.monotonic() >= end:
                break
            victim.backend = "frozen" if name in ON_COPIES else victim.chance.choice(("native", "frozen"))
            until_others_are_warm(server, "native", "frozen")
            struck.append((name, victim.backend, time.monotonic()))
            print(f"{name} {victim.backend}, {len(seen.seen)} answers", file=sys.stderr)
            FAULTS[name](victim)
        until_others_are_warm(server, "native", "frozen")
    return report(seen, struck, left_for_good(victim, handles, workers))


def rounds(faults: Sequence[str], chance: random.Random) -> Iterator[str]:
    """The faults without end, each once before any comes again, in an order of chance."""
    while True:
        yield from chance.sample(faults, len(faults))


def until_others_are_warm(server: Server, *names: str) -> None:
    """Return when these backends have been warm, and agreed with native, for some time."""
    since = [time.monotonic()]

    def warm() -> bool:
        found = server.model()["backends"]
        if not all(agrees(name, found[name]) for name in names):
            since[0] = time.monotonic()
        time.sleep(0.1)
        return time.monotonic() - since[0] > WARM_S

    server.wait_until(warm, within_s=PATIENCE_S)


def agrees(name: str, told: dict[str, object]) -> bool:
    """Whether a backend that /model tells of may answer `auto`."""
    verdict = told["verdict"]
    word = verdict["verdict"] if isinstance(verdict, dict) else ""
    fit = name == "native" or (word in ("passed", "slower") and not told["rolled_back"])
    return fit and told["state"] in ("active", "standby")


def opened(server: Server) -> int:
    """How many handles the server has."""
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


def left_for_good(victim: Victim, handles: int, workers: int) -> list[str]:
    """What is left over and does not go away: closed connections and ended processes take a moment."""
    end = time.monotonic() + ENDING_S
    while (found := leftovers(victim, handles, workers)) and time.monotonic() < end:
        time.sleep(1)
    return found


def leftovers(victim: Victim, handles: int, workers: int) -> list[str]:
    """What is there that was not there before, in words."""
    now, alive = opened(victim.server), len(children(victim.server.process.pid))
    files = [path.name for path in victim.models.iterdir() if ".partial-" in path.name or ".stale-" in path.name]
    found = [f"{now - handles} handles"] if now > handles else []
    found += [f"{alive - workers} processes"] if alive > workers else []
    return [*found, *files]


def report(seen: Witnesses, struck: Sequence[tuple[str, str, float]], left: Sequence[str]) -> int:
    """Print; 0 if everything held."""
    auto = [each for each in seen.seen if each.backend == "auto"]
    lost, wrong = [each for each in auto if each.status != 200], [each for each in seen.seen if each.wrong]
    odd = [each for each in seen.seen if each.backend != "auto" and each.status not in (200, 503)]
    deceived = seen.deceived()
    print("| fault | times | longest answer of `auto` begun within 10 s after it | lost |\n| --- | --- | --- | --- |")
    for name, times in sorted(Counter(name for name, _, _ in struck).items()):
        near = [each for each in auto if any(n == name and 0 <= each.begun - at < 10 for n, _, at in struck)]
        longest = max((each.ended - each.begun for each in near), default=0)
        print(f"| {name} | {times} | {longest:.1f} s | {sum(each.status != 200 for each in near)} |")
    named = Counter(each.status for each in seen.seen if each.backend != "auto")
    print(f"\n{len(auto)} requests for auto: {len(lost)} lost, {len(wrong)} wrong; named: {dict(named)}")
    for what, some in (("lost", lost), ("wrong", wrong), ("odd", odd), ("ready, but 503", deceived)):
        for each in some[:5]:
            print(f"{what}: {in_words(each, struck)}")
    print(f"left over: {', '.join(left) or 'nothing'}")
    return int(bool(lost or wrong or odd or deceived or left))


def in_words(each: Seen, struck: Sequence[tuple[str, str, float]]) -> str:
    """A request and what had been done before it."""
    before = [(name, backend, each.begun - at) for name, backend, at in struck if at <= each.ended][-1:]
    fault = "".join(f", {s:.1f} s after {name} of {backend}" for name, backend, s in before)
    return f"{each.backend} {each.status} after {each.ended - each.begun:.1f} s{fault}"


@contextmanager
def small_disk() -> Iterator[Path]:
    """A folder on a disk of its own that can be filled up, where this user may mount one."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", folder]
        mounted = os.geteuid() == 0 and subprocess.run(command, capture_output=True).returncode == 0
        if not mounted:
            print("no disk is filled up: only root may mount a small one", file=sys.stderr)
        try:
            yield Path(folder)
        finally:
            if mounted:
                subprocess.run(["umount", "--lazy", folder], check=True)


if __name__ == "__main__":
    sys.exit(main())
