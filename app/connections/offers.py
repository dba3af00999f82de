"""Offers to speak another protocol (Upgrade): Java's client makes one with each request, HTTP/2. None is taken here."""

import re

_OFFER = re.compile(rb"\r\nupgrade:", re.IGNORECASE)
_LONGEST = len(b"\r\nupgrade")  # of an offer's beginning in one piece of a head
_HIDING = b"-"  # behind the header's name, which is then another one


class Offers:
    """Hides the offers in the heads of one connection: the parser would take the body for the other protocol's."""

    def __init__(self) -> None:
        self._before = b""  # the end of the piece before, in which an offer may have begun

    def hidden(self, data: bytes) -> bytes:
        """A piece of a head, and what may follow it, without the offer."""
        whole = self._before + data
        start = 0
        while whole.startswith(b"\r\n", start):  # empty lines before a request
            start += 2
        end = whole.find(b"\r\n\r\n", start)
        found = _OFFER.search(whole, 0, end if end >= 0 else len(whole))
        self._before = whole[-_LONGEST:] if end < 0 else b""
        if found is None:
            return data
        colon = found.end() - 1 - (len(whole) - len(data))
        return data[:colon] + _HIDING + data[colon:]
