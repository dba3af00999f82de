"""Offers to speak another protocol (Upgrade): Java's client makes one with each request, HTTP/2. None is taken here."""

import re

_OFFER = re.compile(rb"\r\nupgrade:", re.IGNORECASE)
_HIDDEN = b"\r\nx-offer:"  # as long


def without_offer(data: bytes) -> bytes:
    """The beginning of a request with the offer hidden: the parser would take the body for the other protocol's."""
    end = data.find(b"\r\n\r\n")
    found = _OFFER.search(data, 0, end if end >= 0 else len(data))
    return data if found is None else data[: found.start()] + _HIDDEN + data[found.end() :]
