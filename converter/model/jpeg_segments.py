"""The segments of a JPEG file, found by walking from one to the next; nothing is decoded."""

import re
from collections.abc import Iterator

START_OF_SCAN, END_OF_IMAGE = 0xDA, 0xD9
# Decoders pass over what is no marker, ff 00 and fill bytes too: they must hide nothing here either.
_MARKER = re.compile(rb"\xff[^\x00\xff]")
# In a scan's data ff 00 is a stuffed byte and ff d0 to ff d7 are restarts; any other ff xx ends it.
_END_OF_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
# Markers without a length behind them (ITU-T T.81, table B.1), and reserved ones, of which no length is known: what
# were taken for it could hide scans.
_WITHOUT_LENGTH = frozenset({*range(0x01, 0xC0), *range(0xD0, 0xDA)})


def segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Each marker's number, where the bytes behind it begin, and where they end; a scan's data is passed over.

    From the start of the image on, which is the first two bytes, to the end of `data`: behind the end of the image
    another one may follow.
    """
    at = 2
    while found := _MARKER.search(data, at):
        start = found.end()
        marker = data[start - 1]
        at = start if marker in _WITHOUT_LENGTH else start + int.from_bytes(data[start : start + 2], "big")
        yield marker, start, at
        if marker == START_OF_SCAN:
            end = _END_OF_SCAN.search(data, at)
            at = end.start() if end else len(data)
