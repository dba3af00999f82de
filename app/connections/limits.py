"""What clients may send before a request is complete, and how long they may take over it."""

import math
import resource
from dataclasses import dataclass

from app.api.limits import KEPT_BYTES

# Handles that are not for clients: four workers, their restarts, a conversion and the files that are read meanwhile.
_KEPT_HANDLES = 40
_MOST_CONNECTIONS, _FEWEST_CONNECTIONS = 4096, 8
_MOST_BACKLOG = 2048  # uvicorn's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bytes, seconds and numbers; what is not a setting says why it is as large as it is."""

    connections: int  # open at once
    body_bytes: int  # of all bodies together that are in memory: from their first byte to their answer
    seconds: float  # for a head; and the longest that a body, or the client's reading of an answer, may pause
    keep_alive_s: float  # between two requests
    linger_bytes: int  # of a body whose request has been answered: read so that the client gets to read its answer
    head_bytes: int = 64 * 1024  # request line, headers and trailers; h11's limit, and more than browsers send
    head_lines: int = 128  # headers and trailers
    queued_requests: int = 16  # behind the one that is being answered; browsers and proxies send none
    body_rate: float = 20_000  # bytes a second of a body, or of an answer's reading, beyond the pause that it may make
    chunks: int = 1000  # of a body, however short it is
    chunk_bytes: int = 100  # the least on average beyond those: a chunk costs as much as 200 bytes of a body
    small_bytes: int = 1_000_000  # a body of a usual picture: it passes while larger ones have used up `body_bytes`
    drained_bytes: int = KEPT_BYTES  # of a body whose request has been answered already; beyond it the connection ends
    linger_s: float = 5  # the longest that the rest of such a body is read
    check_s: float = 0.5  # between two looks at the deadlines


def open_files() -> float:
    """The limit on them (RLIMIT_NOFILE), which connections count against; infinite if there is none."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return math.inf if files == resource.RLIM_INFINITY else files


def connections_by(files: float) -> int:
    """How many connections a limit on open files leaves room for; an eighth of it is for those that come at once."""
    return int(min(_MOST_CONNECTIONS, max(_FEWEST_CONNECTIONS, files * 7 / 8 - _KEPT_HANDLES)))


def backlog_by(files: float, *, connections: int) -> int:
    """How many connections may come at once: all are accepted before those that make room for them are closed."""
    return int(min(_MOST_BACKLOG, max(_FEWEST_CONNECTIONS, files - connections - _KEPT_HANDLES)))
