"""Signals to the whole group, such as Ctrl-C's or a service manager's, end no worker that is still starting."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

_ENDING = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def sheltered() -> Iterator[None]:
    """Processes that are started in the block wait with these signals until they say what to do about them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def pass_over_signals() -> None:
    """In a worker: the server decides when it ends, by closing its socket."""
    for each in _ENDING:
        signal.signal(each, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ENDING)
