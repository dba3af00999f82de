"""A worker program without a model: it answers with each picture's size and length, or does what the size asks for."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from app.backends import child
from app.backends.backend import BatchFailed, Facts, ModelRefused
from converter.model.detections import Detections
from converter.model.orientation import Shown

# Widths of pictures that are orders.
INVALID, BUG, CRASH, EXIT, TALK, HANG, FORK, BABBLE = 1, 2, 3, 4, 5, 6, 7, 8


class Echo:
    """See `child.Runner`."""

    def __init__(self, job: child.WorkerOptions) -> None:
        if job.folder.name == "refused":
            raise ModelRefused("it has no signature 'serving_default'")
        if job.folder.name == "crashes":
            _die(signal.SIGABRT)
        self._has_run = threading.Event()
        self._takes_s = float(os.environ.get("ECHO_SECONDS", "0"))  # for each picture
        self.facts = Facts(
            batch_sizes=job.batch_sizes or job.gpu.batch_sizes or (1, job.max_batch),
            batches_in_flight=job.batches_in_flight or 2,
            padded=bool(job.batch_sizes),
            device=os.environ.get("ECHO_DEVICE", "CPU"),
            load_seconds=0.1,
            warm_seconds=0.2,
            signature={"folder": str(job.folder), "name": job.name},
            more_to_come="ECHO_LATER" in os.environ,
        )

    def finish(self) -> bool:
        """Say of another size if there is to be one, perhaps once a batch has come."""
        if not (later := os.environ.get("ECHO_LATER")):
            return False
        if "ECHO_LATER_WAITS" in os.environ:
            self._has_run.wait()
        self.facts = replace(self.facts, batch_sizes=(*self.facts.batch_sizes, int(later)), more_to_come=False)
        return True

    def run(self, jpegs: Sequence[bytes], sizes: Sequence[Shown], *, raw: bool = False) -> list[Detections]:
        self._has_run.set()
        for width, *_ in sizes:
            _obey(width)
        if self._takes_s:
            threading.Event().wait(self._takes_s * len(jpegs))
        return [
            _echo(_left_behind() if size[0] == FORK else len(jpeg), size)
            for jpeg, size in zip(jpegs, sizes, strict=True)
        ]


def _echo(class_id: int, size: Shown) -> Detections:
    box = np.array([[0, 0, *size[:2]]], np.float32)
    return Detections(box, np.array([0.5], np.float32), np.array([class_id], np.int32))


def _left_behind() -> int:
    """The process id of a child that holds whatever this process has open."""
    if child_id := os.fork():
        return child_id
    signal.pause()
    os._exit(0)


def _obey(order: int) -> None:
    if order == INVALID:
        raise BatchFailed("undecodable", "Invalid JPEG data")
    if order == BUG:
        raise ZeroDivisionError("a bug\nof two lines")
    if order == CRASH:
        _say("last words\n")
        _die(signal.SIGSEGV)
    if order == TALK:
        _say("2026-11-25 09:00:00.123456: W tensorflow/core/x.cc:1] Running native segment for engine\n")
        _say("x" * 200_000 + "\n")
    if order in _ENDINGS:
        _ENDINGS[order]()


def _babble() -> None:
    os.write(int(sys.argv[sys.argv.index("--socket") + 1]), bytes(8))
    threading.Event().wait()


_ENDINGS: dict[int, Callable[[], object]] = {EXIT: lambda: os._exit(3), HANG: threading.Event().wait, BABBLE: _babble}


def _die(how: signal.Signals) -> None:
    os.kill(os.getpid(), how)
    threading.Event().wait()  # another thread may get the signal: this one must not go on


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


if __name__ == "__main__":
    child.main(Echo)
