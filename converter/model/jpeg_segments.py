"""The segments of a JPEG file, found by walking from one to the next; nothing is decoded."""

import re
from collections.abc import Iterator

import numpy as np

START_OF_SCAN, END_OF_IMAGE = 0xDA, 0xD9
# Baseline, extended and progressive, with Huffman's or arithmetic coding. Newer libraries know lossless ones too.
FRAMES = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})
PROGRESSIVE = frozenset({0xC2, 0xCA})
BEGINNING = b"\xff\xd8\xff"  # of any JPEG file: the start of the image, and of its first segment
_START = BEGINNING[:2]
_MARKER_BYTES = 2
# Decoders pass over what is no marker, ff 00 and fill bytes too: they must hide nothing here either.
_MARKER = re.compile(rb"\xff[^\x00\xff]")
_NO_MARKER = (0x00, 0xFF)
# In a scan's data ff 00 is a stuffed byte and ff d0 to ff d7 are restarts; any other ff xx ends it.
_END_OF_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
# Markers without a length behind them (ITU-T T.81, table B.1), and reserved ones, of which no length is known: what
# were taken for it could hide scans.
_WITHOUT_LENGTH = frozenset({*range(0x01, 0xC0), *range(0xD0, 0xDA)})
_METADATA = frozenset({*range(0xE0, 0xF0), 0xFE})
_JFIF, _ADOBE = 0xE0, 0xEE
# What decoders read of them, to know the colours: its first bytes, and how many there must be (jdmarker.c).
_COLOURS = {_JFIF: (b"JFIF\0", 14), _ADOBE: (b"Adobe", 12)}
_STEP_BYTES = 64 << 10  # of one search: half a millisecond in which no other thread of the process runs


def segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Each marker's number, where the bytes behind it begin, and where they end; a scan's data is passed over.

    From the start of the image on, which is the first two bytes, to the end of `data`: behind the end of the image
    another one may follow.
    """
    at, last = 2, len(data) - 1
    while True:
        if at >= last or data[at] != 0xFF or data[at + 1] in _NO_MARKER:  # hardly ever
            at = _next_marker(data, at)
            if at >= last:
                break
        start = at + _MARKER_BYTES
        marker = data[at + 1]
        at = start if marker in _WITHOUT_LENGTH else start + int.from_bytes(data[start : start + 2], "big")
        yield marker, start, at
        if marker == START_OF_SCAN:
            at = _end_of_scan(data, at)


def sides_and_components(data: bytes, at: int) -> tuple[int, int, int]:
    """Of a frame's segment: width, height and the number of components; zeros where the file is cut."""
    sides = int.from_bytes(data[at + 3 : at + 7].ljust(4, b"\0"), "big")
    return sides & 0xFFFF, sides >> 16, int.from_bytes(data[at + 7 : at + 8], "big")


def is_adobe(data: bytes, marker: int, at: int) -> bool:
    """Whether this segment is Adobe's, which says how the colours are stored, and long enough to be read."""
    return marker == _ADOBE and _colours(data, marker, at) != b""


def bare(data: bytes) -> bytes:
    """The file without metadata and stray bytes in its header: all that decoders need, and nothing to choke on.

    Of what is left out, libjpeg reads only which colours are meant: that is kept.
    """
    parts: list[bytes | memoryview] = [_START]
    for marker, start, end in segments(data):
        if marker == START_OF_SCAN:
            parts.append(memoryview(data)[start - _MARKER_BYTES :])
            break
        if marker in _METADATA:
            parts.append(_colours(data, marker, start))
        elif marker not in _WITHOUT_LENGTH:
            parts.append(data[start - _MARKER_BYTES : max(end, start + 2)])
    return b"".join(parts)


def _colours(data: bytes, marker: int, at: int) -> bytes:
    """The segment, no longer than it must be, if decoders read the colours from it; else nothing."""
    name, size = _COLOURS.get(marker, (b"", 0))
    length = int.from_bytes(data[at : at + 2], "big") - 2
    content = data[at + 2 : at + 2 + size]
    if not size or length < size or len(content) < size or not content.startswith(name):
        return b""
    return bytes([0xFF, marker]) + (size + 2).to_bytes(2, "big") + content


def _next_marker(data: bytes, at: int) -> int:
    """Where the next marker is, at or behind `at`; the end of the file if nowhere."""
    while at < len(data) - 1:
        end = at + _STEP_BYTES
        if found := _MARKER.search(data, at, end + 1):
            return found.start()
        at = end
    return len(data)


def _end_of_scan(data: bytes, at: int) -> int:
    """Where the marker is that ends a scan's data, which begins at `at`; the end of the file if there is none."""
    values = np.frombuffer(data, np.uint8)
    while at < len(data) - 1:
        end = at + _STEP_BYTES
        step = values[at : end + 1]
        # Nearly all ff are stuffed, so the pattern is tried from the first one that is not.
        unstuffed = at + int(((step[:-1] == 0xFF) & (step[1:] != 0)).argmax())
        if found := _END_OF_SCAN.search(data, unstuffed, end + 1) if data[unstuffed] == 0xFF else None:
            return found.start()
        at = end
    return len(data)
