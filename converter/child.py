"""Runs a program of this package in a child process that ends when its parent does, and never holds a GPU alone."""

import os
import subprocess
import sys
import threading
from collections.abc import Mapping

ENDS_WITH_STDIN = "--ends-with-stdin"


def run(
    module: str, *arguments: str, timeout_s: float, environ: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """`python -m module arguments…`: what it said and how it ended; subprocess.TimeoutExpired if it was ended."""
    reading, writing = os.pipe()  # nobody writes: it closes with this process, however that ends
    try:
        return subprocess.run(
            [sys.executable, "-m", module, *arguments, ENDS_WITH_STDIN],
            stdin=reading,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_s,
            env=environ,
            check=False,
        )
    finally:
        os.close(reading)
        os.close(writing)


def end_with_stdin() -> None:
    """In the child: from now on end at once when standard input does, so when the parent is gone."""
    threading.Thread(target=_wait_for_the_end, daemon=True).start()


def _wait_for_the_end() -> None:
    while os.read(0, 4096):  # not sys.stdin: a thread that waits in it aborts the interpreter's own end
        pass
    os._exit(1)  # threads may be inside TensorFlow: nothing to wait for
