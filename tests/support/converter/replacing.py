"""Puts a new copy in the place of FOLDER and is stopped on the way.

Run as `python -m tests.support.converter.replacing FOLDER EVENT N HOW`: HOW is SIGKILL or SIGINT and comes at the Nth
of Python's audit events called EVENT, before what it announces is done.
"""

import os
import signal
import sys
from pathlib import Path

from converter.disk import publish


def replace(folder: Path, event: str, number: int, how: str) -> None:
    left = number

    def stop(name: str, _: object) -> None:
        nonlocal left
        left -= name == event
        if name == event and left == 0:
            os.kill(os.getpid(), signal.Signals[how])

    sys.addaudithook(stop)
    with publish.written_beside(folder) as partial:
        (partial / "saved_model.pb").write_text("new")


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    replace(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4])
