"""What clients may send before a request is complete, and how long they may take over it."""

import resource
from dataclasses import dataclass

# Handles that are not for clients: four workers, their restarts, a conversion and the files that are read meanwhile.
_KEPT_HANDLES = 40
_MOST_CONNECTIONS, _FEWEST_CONNECTIONS = 4096, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bytes, seconds and numbers; what is not a setting says why it is as large as it is."""

    connections: int  # open at once
    body_bytes: int  # of all bodies together that are in memory: from their first byte to their answer
    seconds: float = 10  # for a head; and the longest that a body, or the client's reading of an answer, may pause
    keep_alive_s: float = 75  # between two requests
    head_bytes: int = 64 * 1024  # request line, headers and trailers; h11's limit, and more than browsers send
    head_lines: int = 128  # headers and trailers
    body_rate: float = 20_000  # bytes a second that a body must keep up with, beyond the pause that it may make
    small_bytes: int = 1_000_000  # a body of a usual picture: it passes while larger ones have used up `body_bytes`
    drained_bytes: int = 256_000  # of a body whose request has been answered already; beyond it the connection ends
    linger_bytes: int = 32_000_000  # of such a rest, that is read so that the client gets to read its answer
    linger_s: float = 5  # likewise
    check_s: float = 0.5  # between two looks at the deadlines


def connections_by_handles() -> int:
    """How many connections the limit on open files (RLIMIT_NOFILE) leaves room for."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return _MOST_CONNECTIONS
    # Some are accepted before those that make room for them are closed.
    return min(_MOST_CONNECTIONS, max(_FEWEST_CONNECTIONS, files - files // 8 - _KEPT_HANDLES))
