"""Swaps under load: `make swaps`. A copy is loaded again and again while 16 connections ask for it.

    python -m benchmarks.swaps [--swaps 100] [--connections 16]

No request may fail, the memory must come back to within 5 % of the start, no process may be left. Prints what it saw;
the exit code is 1 if something did not hold.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import httpx

from app.settings import bundled_model
from benchmarks.serving import Server, children, serving
from benchmarks.traffic import Traffic, traffic

PHOTOS = sorted((Path(__file__).parent.parent / "converter" / "photos").glob("*.jpg"))
TOKEN = {"Authorization": "Bearer secret"}
ALLOWED = 1.05  # of the memory at the start


def main() -> int:
    """Run; 0 if everything held."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--swaps", type=int, default=100)
    parser.add_argument("--connections", type=int, default=16)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(bundled_model() / "1", Path(folder) / "1")
        environ = {
            "DETECTOR_MODEL": folder,
            "DETECTOR_COPIES": "frozen",
            "DETECTOR_STARTUP_CONVERSION": "blocking",
            "DETECTOR_MAX_BATCH": "1",
            "DETECTOR_GATE_SECONDS": "0.2",  # what counts is the swap, not the verdict on the copy
            "DETECTOR_ADMIN_TOKEN": "secret",
        }
        with serving(environ) as server:
            server.wait_until_ready(within_s=300)
            return run(server, args.swaps, args.connections)


def run(server: Server, swaps: int, connections: int) -> int:
    """Swap under load and compare; 0 if everything held."""
    photos = [path.read_bytes() for path in PHOTOS]
    with traffic(server.url, photos, connections=connections, backend="frozen") as sent:
        sent.wait_for(20 * connections)
        swap(server)  # the first leaves the allocator as each one after it does
        sent.wait_for(10 * connections)
        at_start, processes = memory(server), workers(server)
        began = time.monotonic()
        for number in range(1, swaps + 1):
            swap(server)
            if number % 10 == 0:
                print(f"{number} swaps, {len(sent.answers)} answers, {in_mib(memory(server))}", file=sys.stderr)
        seconds = time.monotonic() - began
        sent.wait_for(20 * connections)
        at_end = memory(server)
    return report(sent, at_start, at_end, f"{swaps} swaps in {seconds:.0f} s", workers(server) == processes)


def swap(server: Server) -> None:
    """Load the frozen copy again; it is back when the old worker is gone."""
    answer = httpx.post(f"{server.url}/admin/reload", json={"backend": "frozen"}, headers=TOKEN, timeout=300)
    answer.raise_for_status()


def workers(server: Server) -> int:
    """Processes that the server has started and that live."""
    return len(children(server.process.pid))


def memory(server: Server) -> tuple[int, int]:
    """Bytes that the server's own process and its workers hold."""
    page = os.sysconf("SC_PAGE_SIZE")
    pids = [server.process.pid, *children(server.process.pid)]
    held = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * page for pid in pids]
    return held[0], sum(held[1:])


def report(sent: Traffic, at_start: tuple[int, int], at_end: tuple[int, int], what: str, same: bool) -> int:
    """Print; 0 if everything held."""
    statuses = sent.statuses
    failed = sum(count for status, count in statuses.items() if status != 200) + len(sent.errors)
    ratio = sum(at_end) / sum(at_start)
    print(f"{what}; {statuses.get(200, 0)} answers of 200, {failed} requests failed")
    print(f"memory: {in_mib(at_start)} after the first swap, {in_mib(at_end)} at the end: {ratio:.3f} of it")
    print(f"as many worker processes as before: {'yes' if same else 'NO'}")
    return int(bool(failed) or ratio > ALLOWED or not same)


def in_mib(held: tuple[int, int]) -> str:
    """Memory in words."""
    return f"server {held[0] >> 20} MiB, workers {held[1] >> 20} MiB"


if __name__ == "__main__":
    sys.exit(main())
