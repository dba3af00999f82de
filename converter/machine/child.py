"""Runs programs of this package in child processes that end when their parent does, within limits."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from converter.machine import memory
from converter.machine.confine import confine

ENDS_WITH_STDIN = "--ends-with-stdin"
_LAST_LINES = 50
_LOOK_S = 0.1  # between two looks at the child's memory


class OverLimit(Exception):
    """The child took too long or too much memory and was ended; the message says which, without a subject."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a child may take: until when it may run, of time.monotonic; and memory, its own children's with it."""

    until: float
    memory_bytes: int | None = None

    @classmethod
    def within(cls, seconds: float, memory_bytes: int | None = None) -> "Limits":
        """Limits that end `seconds` from now."""
        return cls(time.monotonic() + seconds, memory_bytes)


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended and what it wrote."""

    returncode: int  # negative: the signal that ended it
    stdout: str
    stderr: str  # its last lines
    starved: bool = False  # the system killed it for want of memory

    @property
    def signal_name(self) -> str | None:
        """SIGSEGV and the like, if a signal ended it."""
        return signal.Signals(-self.returncode).name if self.returncode < 0 else None


def run(
    module: str,
    *arguments: str,
    limits: Limits,
    environ: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] = lambda line: None,
    root: Path = memory.ROOT,
) -> Ended:
    """`python -m module arguments…`; `on_line` gets each line of its standard error at once.

    What was killed for want of memory is read below `root`.

    OverLimit if it had to be ended. It is gone when this returns or raises, whatever raises, its children with it.
    """
    kills = memory.kills(root=root)
    reading, writing = os.pipe()  # nobody writes: it closes with this process, however that ends
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments, ENDS_WITH_STDIN],
            stdin=reading,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=environ,
            # A group of its own, which is ended and measured as a whole. Not a session of its own: Linux' autogroups
            # (man 7 sched) share the cores between sessions, and being nice would mean nothing to another session.
            process_group=0,
        )
        ended = _follow(process, limits, on_line)
    finally:
        os.close(reading)
        os.close(writing)
    return replace(ended, starved=memory.starved(ended.returncode, kills, root=root))


def _follow(process: "subprocess.Popen[str]", limits: Limits, on_line: Callable[[str], None]) -> Ended:
    out: list[str] = []
    last: deque[str] = deque(maxlen=_LAST_LINES)

    def keep(line: str) -> None:
        last.append(line)
        on_line(line)

    readers = [_reader(process.stdout, out.append), _reader(process.stderr, keep)]
    waiting = _thread(process.wait)  # with a timeout it would look at the child now and then, up to 50 ms too late
    try:
        while _goes_on(waiting):
            _check(process.pid, limits)
    finally:
        _end(process)
        for reader in readers:
            reader.join()
    return Ended(process.returncode, "\n".join(out), "\n".join(last))


def _goes_on(waiting: threading.Thread) -> bool:
    waiting.join(_LOOK_S)
    return waiting.is_alive()


def _reader(stream: IO[str] | None, take: Callable[[str], None]) -> threading.Thread:
    def read() -> None:
        with stream or contextlib.nullcontext(()) as lines:
            for line in lines:
                take(line.rstrip("\n"))

    return _thread(read)


def _thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def _check(pid: int, limits: Limits) -> None:
    if time.monotonic() > limits.until:
        raise OverLimit("took longer than it may")
    if limits.memory_bytes is not None and (held := memory.group_bytes(pid)) > limits.memory_bytes:
        raise OverLimit(f"took {held >> 20} MiB of memory, {limits.memory_bytes >> 20} are allowed")


def _end(process: "subprocess.Popen[str]") -> None:
    with contextlib.suppress(ProcessLookupError):  # nothing is left of it
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def begin() -> None:
    """In a program that `run` has started: end when the parent is gone, and be confined. Nothing if a person did."""
    if ENDS_WITH_STDIN in sys.argv:
        end_with_stdin()
        confine()


def end_with_stdin() -> None:
    """In the child: from now on end at once when standard input does, so when the parent is gone."""
    _thread(_wait_for_the_end)


def _wait_for_the_end() -> None:
    while os.read(0, 4096):  # not sys.stdin: a thread that waits in it aborts the interpreter's own end
        pass
    os._exit(1)  # threads may be inside TensorFlow: nothing to wait for
