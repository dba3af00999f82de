"""A lock that many may hold together, or one alone."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class SharedLock:
    """Held by any number of threads as `shared`, or by one as `alone`, which waits for the others to leave."""

    def __init__(self) -> None:
        self._sharing, self._changed = 0, threading.Condition()

    @contextmanager
    def shared(self) -> Iterator[None]:
        """Beside others."""
        with self._changed:
            self._sharing += 1
        try:
            yield
        finally:
            with self._changed:
                self._sharing -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """While nobody shares it; those who come meanwhile wait."""
        with self._changed:
            self._changed.wait_for(lambda: not self._sharing)
            yield
