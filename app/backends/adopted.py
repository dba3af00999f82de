"""A process that was not started by the event loop, waited for as asyncio's own are."""

import asyncio
import contextlib
import subprocess
import threading
from collections.abc import Mapping, Sequence

from app.backends.sheltered import sheltered


def begun(command: Sequence[str], handle: int, log_handle: int | None, environ: Mapping[str, str]) -> "Adopted":
    """A process that inherits `handle` and writes to `log_handle`; OSError if there can be none.

    Nothing is awaited under its shelter: processes that are started at once would leave each other's signals blocked.
    """
    with sheltered():
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log_handle,
            stderr=subprocess.STDOUT,
            pass_fds=[handle],
            env=environ,
        )
    return Adopted(process)


class Adopted:
    """It, from the loop that runs now; a thread waits for its end."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process, self._loop = process, asyncio.get_running_loop()
        self._code: asyncio.Future[int] = self._loop.create_future()
        threading.Thread(target=self._watch, name="worker's end", daemon=True).start()

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    def kill(self) -> None:
        """End it by SIGKILL if it still lives."""
        self._process.kill()

    async def wait(self) -> int:
        """Wait until it has ended; its exit code, or a signal's number below zero."""
        return await asyncio.shield(self._code)

    def _watch(self) -> None:
        code = self._process.wait()
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            self._loop.call_soon_threadsafe(self._code.set_result, code)
