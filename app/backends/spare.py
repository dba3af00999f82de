"""A worker's process that is started before it is wanted: it loads its libraries while the server loads its own.

Whoever imports this has nothing loaded yet, so it imports little itself.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Mapping

from app.backends.sheltered import sheltered

LATER = "--later"  # in place of the rest of a worker's command line, which then comes over its socket


def command(program: str, name: str, handle: int) -> list[str]:
    """The beginning of a worker's command line."""
    return [sys.executable, "-m", program, "--socket", str(handle), "--name", name]


def environment(own: Mapping[str, str], *, usual: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment variables of a worker: `own` whatever else is set, `usual` where nothing else is."""
    return {"TF_CPP_MIN_LOG_LEVEL": "1", "PYTHONUNBUFFERED": "1", **(usual or {}), **os.environ, **own}


class Spare:
    """A process of `program` for the backend `name`; in a `with`, at whose end it is gone if nobody has taken it."""

    def __init__(self, program: str, name: str) -> None:
        self._kind = (program, name)
        self.socket, theirs = socket.socketpair()
        self.log, said = os.pipe()
        try:
            with sheltered():
                self.process: subprocess.Popen[bytes] | None = subprocess.Popen(
                    [*command(program, name, theirs.fileno()), LATER],
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=subprocess.STDOUT,
                    pass_fds=[theirs.fileno()],
                    env=environment({}),
                )
        except OSError:  # no memory, no handles: who starts one when it is wanted tells of it
            self.process = None
            self._close()
        finally:
            theirs.close()
            os.close(said)

    def __enter__(self) -> "Spare":
        return self

    def __exit__(self, *_: object) -> None:
        if process := self.take(*self._kind):
            process.kill()
            process.wait()
            self._close()

    def take(self, program: str, name: str) -> "subprocess.Popen[bytes] | None":
        """The process, with `socket` and `log`, for whoever asks first and for such a worker; None for all others."""
        if self.process is None or (program, name) != self._kind:
            return None
        taken, self.process = self.process, None
        return taken

    def _close(self) -> None:
        self.socket.close()
        os.close(self.log)
