"""Log lines are written by a thread, so that a standard error that nobody reads stops no request."""

import logging
import queue
import threading
import time
from typing import TextIO

log = logging.getLogger(__name__)

_MOST_WAITING = 10_000  # lines; what comes beyond is lost, and counted
_LONGEST_FLUSH_S = 2.0


class LineWriter:
    """Writes lines to a stream, which may block for as long as it likes; once `most_waiting` wait, more are lost.

    How many were lost is a line of its own, when there is room again.
    """

    def __init__(self, stream: TextIO, *, most_waiting: int = _MOST_WAITING) -> None:
        self._stream = stream
        self._lost, self._counting = 0, threading.Lock()
        self._lines = queue.Queue[str](most_waiting)
        threading.Thread(target=self._write_all, name="log", daemon=True).start()

    def put(self, line: str) -> None:
        """Have a line written; returns at once."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._count_lost(1)

    def flush(self) -> None:
        """Wait until all has been written, but no longer than 2 s: perhaps nobody reads."""
        end = time.monotonic() + _LONGEST_FLUSH_S
        while self._lines.unfinished_tasks and time.monotonic() < end:
            time.sleep(0.002)

    def _write_all(self) -> None:
        while True:
            line = self._lines.get()
            try:
                self._stream.write(line + "\n")
                self._stream.flush()
            except (OSError, ValueError):  # its reader is gone, its disk is full, or it is closed
                self._count_lost(1)
            else:
                self._tell_lost()
            self._lines.task_done()

    def _tell_lost(self) -> None:
        lost = self._lost
        if lost and self._lines.qsize() < self._lines.maxsize // 2:  # or this line would be lost too
            self._count_lost(-lost)
            log.warning("log lines lost count=%s", lost)

    def _count_lost(self, more: int) -> None:
        with self._counting:
            self._lost += more


class WrittenByThread(logging.Handler):
    """Leaves each line to a writer, which handlers with other forms may share."""

    def __init__(self, writer: LineWriter, formatter: logging.Formatter) -> None:
        super().__init__()
        self._writer = writer
        self.setFormatter(formatter)

    def createLock(self) -> None:
        """Have none: the writer's queue is all that is shared, and a flush must not keep the writer's own line out."""
        self.lock = None

    def emit(self, record: logging.LogRecord) -> None:
        """Hand it over, in its form."""
        try:
            self._writer.put(self.format(record))
        except Exception:  # as logging's own handlers: a value that can't be formatted must not harm who logs it
            self.handleError(record)

    def flush(self) -> None:
        """Wait for the writer; logging asks for it when the process ends."""
        self._writer.flush()
