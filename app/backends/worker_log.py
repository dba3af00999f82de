"""What a worker prints: log lines at TensorFlow's levels, and the last of them for when the worker has ended."""

import asyncio
import logging
import os
import re
from collections import deque
from collections.abc import Callable

from app.streams import lines

log = logging.getLogger(__name__)

LogListener = Callable[[str, str], None]  # backend's name, line

# 2026-11-25 09:00:00.123456: W tensorflow/core/…] text
_TENSORFLOW_LINE = re.compile(r"^\d{4}-\d\d-\d\d [\d:.]+: ([IWEF]) (\S+?)\] (.*)")
_LEVELS = {"I": logging.DEBUG, "W": logging.INFO, "E": logging.WARNING, "F": logging.ERROR}
# TensorFlow 2.14 says the first as an error at every start, GPU or not (its issue 62075), the second on every CPU.
_HARMLESS = ("Unable to register cu", "TF-TRT Warning: Could not find TensorRT")
_LAST_LINES_S = 0.1  # for the lines that are still in the pipe when the worker has ended


class WorkerLog:
    """Reads the log of the backend `name` from a pipe of its own.

    asyncio's own pipes would do, were it not that waiting for a process waits for them as well: a process that the
    worker has left behind may hold its log open for ever.
    """

    def __init__(self, name: str, listen: LogListener | None, ours: int | None = None) -> None:
        self._name, self._listen = name, listen
        self._last: deque[str] = deque(maxlen=1)
        self.handle: int | None = None  # the worker's end; None: it has it already, and `ours` is the other one
        if ours is None:
            ours, self.handle = os.pipe()
        self._ours = os.fdopen(ours, "rb", 0)
        self._pipe: asyncio.BaseTransport | None = None
        self._reading: asyncio.Task[None] | None = None

    @property
    def last_line(self) -> str:
        """What it said last that may tell of its end, at most 300 characters."""
        return self._last[0][:300] if self._last else ""

    async def begin(self) -> None:
        """Read from now on; the worker has its end of the pipe, and ours of it is closed."""
        self._let_go()
        stream = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        self._pipe, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), self._ours)
        self._reading = asyncio.create_task(self._read(stream))

    def abandon(self) -> None:
        """The worker could not be started: nothing will be read."""
        self._let_go()
        self._ours.close()

    async def ended(self) -> None:
        """Read what is left, now that the worker has ended, and no longer than a moment."""
        if self._reading is None or self._pipe is None:
            return
        await asyncio.wait([self._reading], timeout=_LAST_LINES_S)
        self._pipe.close()
        self._reading.cancel()
        await asyncio.wait([self._reading])

    def _let_go(self) -> None:
        if self.handle is not None:
            os.close(self.handle)

    async def _read(self, stream: asyncio.StreamReader) -> None:
        async for text in lines(stream):
            level, said = _told(text)
            if said is not None:
                self._last.append(text)
            log.log(level, "worker says backend=%s text=%r", self._name, said or text)
            if self._listen:
                self._listen(self._name, text)


def _told(text: str) -> tuple[int, str | None]:
    """A line's level, and its words without TensorFlow's marks; None for those that every worker says."""
    found = _TENSORFLOW_LINE.match(text)
    if found is None:
        return logging.DEBUG, text
    if found[3].startswith(_HARMLESS):
        return logging.DEBUG, None
    return _LEVELS[found[1]], f"{found[2]}: {found[3]}"
