"""Ours, the raw call and other servers in one run: `make bench-peers`.

    python -m benchmarks.peers [--rounds 3] [--seconds 5] [--only NAME …] [--add] [--table]

A round measures each server, in an order that turns, on two cores with wrk beside it, between two measurements of the
raw call of the signature. Writes benchmarks/results/peers.json and peers.svg, and the table in benchmarks/cpu.md.
`--add` adds rounds to those of an earlier run on this machine, `--table` only writes the table and the plot anew.
`--only` takes programs' names, and `native` and `auto` for ours. Needs wrk (Debian's package `wrk`), and the
environments that make builds.
"""

import argparse
import json
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import methodcaller
from pathlib import Path
from typing import Any

from app.settings import bundled_model
from benchmarks.peers import plot, tables
from benchmarks.peers.contestants import PEERS, Peer, as_jpeg
from benchmarks.peers.measuring import Load, measure
from benchmarks.peers.running import ROOT, NotStarted, running
from benchmarks.raw import PHOTOS, RawCalls
from benchmarks.serving import Server, clean_environ, serving

CORES = 2
RAW_S = 1.2  # for each of its layouts
RESULTS = ROOT / "benchmarks" / "results" / "peers.json"
CUT = 3  # a broken picture is the first third of a good one


@dataclass(frozen=True, slots=True)
class Contestant:
    """A server as it is started."""

    name: str
    command: tuple[str, ...]
    environ: dict[str, str]
    load: Load
    settle: Callable[[Server], None] | None = None  # of ours: wait until all that it does by itself is done
    why_missing: Path | None = None  # the end of what pip said, if its environment could not be made


def main() -> int:
    """Measure, write, print the table; 1 if nothing could be measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=[])
    parser.add_argument("--add", action="store_true")
    parser.add_argument("--table", action="store_true")
    args = parser.parse_args()
    if shutil.which("wrk") is None:
        print("bench-peers: wrk is needed (apt-get install wrk)", file=sys.stderr)
        return 2
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    found: dict[str, Any] = {"machine": _machine(), "rounds": []}
    if args.add or args.table:
        found = json.loads(RESULTS.read_text())
    if not args.table:
        model = _model()
        for _ in range(args.rounds):
            for _ in _round(model, args, found["rounds"]):
                RESULTS.parent.mkdir(exist_ok=True)
                RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    RESULTS.with_suffix(".svg").write_text(plot.drawn(tables.summary(found["rounds"])))
    tables.put_into(ROOT / "benchmarks" / "cpu.md", tables.rendered(found))
    print(tables.rendered(found))
    return int(not found["rounds"])


def _model() -> Path:
    """The folder of a copy of the bundled model's version, with its ONNX copy beside it; made once."""
    versions = ROOT / ".peers" / "yolox_nano"
    if not (versions / "1_onnx").exists():
        shutil.copytree(bundled_model() / "1", versions / "1", dirs_exist_ok=True)
    environ = {"DETECTOR_MODEL": str(versions), "DETECTOR_COPIES": "onnx", "DETECTOR_STARTUP_CONVERSION": "blocking"}
    with serving(environ) as server:  # which also makes one anew that does not belong here any more
        server.wait_until_ready(within_s=600)
    return versions / "1"


def _round(model: Path, args: argparse.Namespace, rounds: list[dict[str, Any]]) -> Iterator[None]:
    """One more round, which grows with each server that has been measured."""
    found: dict[str, Any] = {"seconds": args.seconds, "raw": [_called(model)], "servers": {}}
    chosen = list(_chosen(model, args.only))
    first = len(rounds) % len(chosen)
    rounds.append(found)
    for contestant in (*chosen[first:], *chosen[:first]):
        print(contestant.name, file=sys.stderr, flush=True)
        found["servers"][contestant.name] = _measured(contestant, args.seconds)
        yield
    found["raw"].append(_called(model))
    yield


def _called(model: Path) -> dict[str, Any]:
    with RawCalls(model) as raw:
        return raw.measure(RAW_S)


def _measured(contestant: Contestant, seconds: int) -> dict[str, Any]:
    load = contestant.load
    try:
        with running(contestant.command, contestant.environ, load.path, load.good[0]) as server:
            if contestant.settle:
                contestant.settle(Server(server.process, f"http://127.0.0.1:{server.port}", Path(os.devnull)))
            return measure(server, load, seconds)
    except NotStarted as error:
        return {"missing": str(error)}
    except OSError as error:  # there is no such program
        why = contestant.why_missing
        return {"missing": why.read_text().strip() if why and why.exists() else f"{error.strerror or error}"}


def _chosen(model: Path, only: list[str]) -> Iterator[Contestant]:
    for backend, copies in (("native", []), ("auto", ["onnx"])):
        if backend in only or not only:
            yield _ours(model, backend, copies)
    for peer in PEERS:
        if peer.program in only or not only:
            yield _theirs(model, peer)


def _ours(model: Path, backend: str, copies: list[str]) -> Contestant:
    environ = {"DETECTOR_MODEL": str(model.parent), "DETECTOR_COPIES": ",".join(copies), "DETECTOR_SHADOW_SHARE": "0"}
    environ |= {"DETECTOR_STARTUP_CONVERSION": "blocking"}
    command = (sys.executable, "-m", "app", "serve", "--bind", "127.0.0.1:{port}")
    load = _load(f"/detect?backend={backend}")
    settle = methodcaller("wait_until_settled", *copies)
    return Contestant(f"ours, `{backend}`", command, clean_environ(environ), load, settle)


def _theirs(model: Path, peer: Peer) -> Contestant:
    folder = ROOT / ".peers" / peer.environment
    program = f"benchmarks.peers.programs.{peer.program}"
    command = (str(folder / "bin" / "python"), "-m", program, str(model), "{port}")
    return Contestant(
        peer.name, command, dict(os.environ), _load(peer.path, peer), why_missing=folder.with_suffix(".failed")
    )


def _load(path: str, peer: Peer | None = None) -> Load:
    send = peer.send if peer else as_jpeg
    photos = [photo.read_bytes() for photo in PHOTOS]
    return Load(path, [send(photo) for photo in photos], send(photos[0][: len(photos[0]) // CUT]))


def _machine() -> dict[str, Any]:
    processor = next((line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "")
    return {"architecture": platform.machine(), "processor": processor.partition(":")[2].strip(), "cores": CORES}


if __name__ == "__main__":
    sys.exit(main())
