"""A worker process's side of the pipe: load, warm, say so, then answer batches until the server is gone."""

import argparse
import contextlib
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

from app.backends import wire
from app.backends.backend import BatchFailed, Facts, GpuUse, ModelRefused
from app.backends.placement import Placement
from app.backends.sheltered import pass_over_signals
from app.backends.spare import LATER
from converter.description import Declared
from converter.machine.confine import SPARE_BYTES, confine
from converter.machine.memory import give_back, share_heaps
from converter.model.detections import Detections
from converter.model.orientation import AS_STORED, Shown

_LARGE_PIXELS = 8_000_000  # of a batch whose memory is worth the milliseconds that giving it back takes
_KEPT_S = 20.0  # for so long other batches' memory is kept for what comes next; pictures of other sizes break it up


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """The worker's command line."""

    name: str
    folder: Path
    max_batch: int
    batch_sizes: tuple[int, ...]
    batches_in_flight: int | None
    declared: Declared = field(default_factory=Declared)
    finding: Path | None = None  # the file that keeps what was found of the model
    gpu: GpuUse = field(default_factory=GpuUse)
    placement: Placement = field(default_factory=Placement)


class Runner(Protocol):
    """A loaded and warm model in this process; `run` is called from several threads at once."""

    facts: Facts

    def finish(self) -> bool:
        """Do what it can serve without, while others run it already; whether its `facts` are others now."""

    def run(self, jpegs: Sequence[bytes], sizes: Sequence[Shown], *, raw: bool = False) -> list[Detections]:
        """Answer one batch of pictures as they are shown, `raw` with all outputs. BatchFailed if the model raises."""


def main(load: Callable[[WorkerOptions], Runner]) -> None:
    """Serve the model that `load` makes over the socket whose number is on the command line.

    The socket is read from the start, in a thread of its own: when its other end is gone the process ends, whatever
    it does, so that no worker outlives its server.
    """
    share_heaps()
    confine(largest_file=SPARE_BYTES)
    pass_over_signals()
    words = sys.argv[1:]
    channel = Channel(socket.socket(fileno=int(words[words.index("--socket") + 1])))
    threading.Thread(target=channel.read_forever, daemon=True).start()
    if LATER in words:
        words = channel.next()[0]["words"]
    options = _parse(words)
    options.placement.settle()
    try:
        runner = load(options)
    except ModelRefused as error:
        channel.send({"refused": str(error)})
        return
    give_back()  # what loading and warming up left
    channel.send({"ready": asdict(runner.facts)})
    leftovers = Leftovers()
    # All serve from now on, also while this thread finishes.
    for _ in range(runner.facts.batches_in_flight):
        serving = threading.Thread(target=_serve, args=(channel, runner, leftovers), daemon=True)
        serving.start()
    if runner.finish():
        give_back()
        channel.send({"facts": asdict(runner.facts)})
    serving.join()  # it never ends


class Channel:
    """The socket: whole messages in and out, from any thread."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._sending = threading.Lock()
        self._messages: SimpleQueue[tuple[dict[str, Any], bytes]] = SimpleQueue()

    def send(self, header: dict[str, Any], payload: bytes = b"") -> None:
        """Write one message; it is dropped if the server is gone, since then so is this process."""
        with self._sending, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._connection.sendall(b"".join(wire.frame(header, [payload])))

    def next(self) -> tuple[dict[str, Any], bytes]:
        """Wait for the next message."""
        return self._messages.get()

    def read_forever(self) -> None:
        """Take messages as they come; end the process at the end of the stream."""
        with contextlib.suppress(OSError, EOFError):
            while True:
                head, size = wire.PREFIX.unpack(self._read(wire.PREFIX.size))
                self._messages.put((json.loads(self._read(head)), self._read(size)))
        os._exit(0)  # threads may be inside the model: nothing to wait for

    def _read(self, size: int) -> bytes:
        """So many bytes in one call: after each it waits for Python's lock, which the model's threads want too."""
        read = self._connection.recv(size, socket.MSG_WAITALL)
        while missing := size - len(read):  # a signal came, or the end of the stream
            more = self._connection.recv(missing, socket.MSG_WAITALL)
            if not more:
                raise EOFError
            read += more
        return read


class Leftovers:
    """The memory that batches leave behind: free, but held by this process until it gives it back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._given_back = clock()

    def after(self, *, pixels: int, failed: bool) -> None:
        """Give it back if a batch is likely to have left much, or if that was long ago.

        A broken file may declare any size: what was taken for it would stay between other pictures' memory.
        """
        if failed or pixels > _LARGE_PIXELS or self._clock() - self._given_back > _KEPT_S:
            self._given_back = self._clock()
            give_back()


def _serve(channel: Channel, runner: Runner, leftovers: Leftovers) -> None:
    """Answer one batch after the other, in each of as many threads as batches are in flight."""
    while True:
        header, payload = channel.next()
        _answer(channel, runner, header, payload, leftovers)


def _answer(channel: Channel, runner: Runner, header: dict[str, Any], payload: bytes, leftovers: Leftovers) -> None:
    failed = True
    try:
        jpegs, at = [], 0
        for _, _, length, _ in header["images"]:
            jpegs.append(payload[at : at + length])
            at += length
        started = time.perf_counter()
        detections = runner.run(jpegs, [_shown(*each) for each in header["images"]], raw=header["raw"])
        fields, rows = wire.pack(detections)
        channel.send({"id": header["id"], "seconds": time.perf_counter() - started, **fields}, rows)
        failed = False
    except BatchFailed as error:
        channel.send({"id": header["id"], "failed": error.kind, "message": str(error)})
    # The edge of this process: whatever else the model raises is told to the server, which decides.
    except Exception as error:
        channel.send({"id": header["id"], "failed": "other", "message": f"{type(error).__name__}: {error}"})
    finally:
        leftovers.after(pixels=sum(width * height for width, height, *_ in header["images"]), failed=failed)


def _shown(width: int, height: int, _: int, applied: int) -> Shown:
    return (width, height) if applied == AS_STORED else (width, height, applied)


def _parse(words: Sequence[str]) -> WorkerOptions:
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", type=int, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--max-batch", type=int, required=True)
    parser.add_argument("--batch-size", type=int, action="append", default=[])
    parser.add_argument("--batches-in-flight", type=int)
    parser.add_argument("--declared", type=json.loads, default={})
    parser.add_argument("--finding", type=Path)
    parser.add_argument("--gpu", type=json.loads, default={})
    parser.add_argument("--placement", type=json.loads, default={})
    args = parser.parse_args(words)
    return WorkerOptions(
        name=args.name,
        folder=args.folder,
        max_batch=args.max_batch,
        batch_sizes=tuple(args.batch_size),
        batches_in_flight=args.batches_in_flight,
        declared=Declared(**args.declared),
        finding=args.finding,
        gpu=GpuUse(**{**args.gpu, "batch_sizes": tuple(args.gpu.get("batch_sizes", ()))}),
        placement=Placement.of(args.placement),
    )
