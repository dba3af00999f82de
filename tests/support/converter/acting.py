"""A child that does what a test needs: `python -m tests.support.converter.acting WHAT…`."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from converter.machine import child

ITSELF = "tests.support.converter.acting"


def say() -> None:
    sys.stdout.write("one\ntwo\n")
    sys.stderr.write("".join(f"line {number}\n" for number in range(100)))
    sys.stderr.buffer.write(b"\xff no text\n")


def hang() -> None:
    threading.Event().wait()


def wait(pipe: str) -> None:
    """Say something, and end when it has been heard."""
    sys.stderr.write("heard?\n")
    sys.stderr.flush()
    Path(pipe).read_bytes()


def end(name: str) -> None:
    os.kill(os.getpid(), signal.Signals[name])


def count_and_end(counter: str) -> None:
    """As the system kills one that takes too much memory."""
    Path(counter).write_text("oom_kill 2\n")
    end("SIGKILL")


def take(mib: str) -> None:
    _ = b"x" * (int(mib) << 20)
    hang()


def start(*what: str) -> None:
    """A process of its own that does something, whose id it tells; and end."""
    process = subprocess.Popen([sys.executable, "-m", ITSELF, *what], stdin=subprocess.DEVNULL)
    sys.stderr.write(f"{process.pid}\n")


def start_and_hang(*what: str) -> None:
    start(*what)
    sys.stderr.flush()
    hang()


def be_parent() -> None:
    """Have one hang, as a converter starts it."""
    child.run(ITSELF, "hang", limits=child.Limits.within(60))


WHAT = {each.__name__: each for each in (say, hang, wait, end, count_and_end, take, start, start_and_hang, be_parent)}

if __name__ == "__main__":
    arguments = [argument for argument in sys.argv[1:] if argument != child.ENDS_WITH_STDIN]
    if len(arguments) < len(sys.argv) - 1:
        child.end_with_stdin()
    WHAT[arguments[0]](*arguments[1:])
