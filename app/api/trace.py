"""W3C trace context (https://www.w3.org/TR/trace-context/): the `traceparent` of a request and of its answer."""

import random
import re
from dataclasses import dataclass

_PARENT = re.compile(rb"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_KNOWN_FLAGS = 0x03  # sampled, and random (level 2); a version that we don't know may give others another meaning


@dataclass(frozen=True, slots=True)
class Trace:
    """The caller's trace, and the span in it that this request is."""

    trace_id: str
    span_id: str
    flags: int

    @property
    def header(self) -> bytes:
        """The `traceparent` of the answer: the caller's trace and flags, with this request's span in it."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}".encode()


def read(header: bytes) -> Trace | None:
    """The trace that the header names; None if it is not valid, which is as if there were none.

    A version that is newer than 00 is read as 00, as the standard asks; it may have more fields at its end.
    """
    found = _PARENT.fullmatch(header)
    if found is None:
        return None
    version, trace_id, parent, flags, more = found.groups()
    unknown = version == b"ff" or (version == b"00" and more is not None)
    if unknown or not trace_id.strip(b"0") or not parent.strip(b"0"):
        return None
    span_id = f"{random.randint(1, 2**64 - 1):016x}"  # unique is enough, it opens nothing
    return Trace(trace_id.decode(), span_id, int(flags, 16) & _KNOWN_FLAGS)
