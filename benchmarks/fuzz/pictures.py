"""JPEG files that are a little wrong: each the work of one `random.Random`, so that its seed makes it again."""

from collections.abc import Callable, Sequence
from random import Random

SOI, EOI, SOS = b"\xff\xd8", b"\xff\xd9", 0xDA
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_MOST = 1_000_000  # bytes that one change may add


def broken(jpeg: bytes, random: Random) -> bytes:
    """A good file after one to four changes."""
    for _ in range(random.randint(1, 4)):
        jpeg = random.choice(CHANGES)(jpeg, random)
    return jpeg


def segments(jpeg: bytes) -> list[bytes]:
    """The segments between the start of the file and its first scan, whole; then the rest as one."""
    found, at = [], 2
    while jpeg[at : at + 1] == b"\xff" and len(jpeg) >= at + 4 and jpeg[at + 1] != SOS:
        end = at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
        found.append(jpeg[at:end])
        at = end
    return [*found, jpeg[at:]]


def segment(marker: int, body: bytes) -> bytes:
    """One segment with a right length."""
    return bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2, "big") + body


def _flip(jpeg: bytes, random: Random) -> bytes:
    changed = bytearray(jpeg)
    most = len(changed) if random.random() < 0.5 else min(len(changed), 700)  # the headers
    for _ in range(random.choice((1, 2, 8, 64)) if most else 0):
        changed[random.randrange(most)] = random.randrange(256)
    return bytes(changed)


def _insert(jpeg: bytes, random: Random) -> bytes:
    size = random.choice((0, 1, 5, 14, 200, 10_000, 65_533))
    start = random.choice(
        (b"", b"Exif\0\0II*\0\x08\0\0\0", b"JFIF\0", b"Adobe\0", b"ICC_PROFILE\0", b"Photoshop 3.0\0", b"MPF\0")
    )
    marker = random.choice((*range(0xE0, 0xF0), 0xFE, 0xDB, 0xC4, 0xDD, 0xC0, 0xC2, 0x01, 0xD0))
    body = (start + random.randbytes(16) * (size // 16 + 1))[:size]
    times = min(random.choice((1, 1, 1, 2, 100, 2000)), _MOST // (size + 4) + 1)
    return _joined(jpeg, random, [segment(marker, body)] * times)


def _duplicate(jpeg: bytes, random: Random) -> bytes:
    chosen = random.choice(segments(jpeg))
    times = min(random.choice((1, 2, 70, 1000)), _MOST // (len(chosen) + 1) + 1)
    return _joined(jpeg, random, [chosen] * times)


def _joined(jpeg: bytes, random: Random, more: Sequence[bytes]) -> bytes:
    parts = segments(jpeg)
    at = random.randrange(len(parts))
    return SOI + b"".join([*parts[:at], *more, *parts[at:]])


def _cut_out(jpeg: bytes, random: Random) -> bytes:
    parts = segments(jpeg)
    del parts[random.randrange(len(parts))]
    return SOI + b"".join(parts)


def _wrong_length(jpeg: bytes, random: Random) -> bytes:
    parts = segments(jpeg)
    at = random.randrange(len(parts))
    length = random.choice((0, 1, 2, 3, 8, 65_535, random.randrange(65_536)))
    parts[at] = parts[at][:2] + length.to_bytes(2, "big") + parts[at][4:]
    return SOI + b"".join(parts)


def _other_frame(jpeg: bytes, random: Random) -> bytes:
    """Another kind of frame, precision, size, or number of components than the file has."""
    parts = segments(jpeg)
    for at, part in enumerate(parts):
        if len(part) >= 10 and part[1] in _FRAMES:
            changed = bytearray(part)
            changed[1] = random.choice((part[1], part[1], *_FRAMES))
            changed[random.randrange(4, 10)] = random.choice((0, 1, 2, 4, 8, 12, 16, 255))
            parts[at] = bytes(changed)
    return SOI + b"".join(parts)


def _cut_off(jpeg: bytes, random: Random) -> bytes:
    return jpeg[: random.choice((random.randrange(len(jpeg) + 1), random.randrange(700)))]


def _append(jpeg: bytes, random: Random) -> bytes:
    return jpeg + random.choice((EOI, jpeg, SOI, bytes(1000), random.randbytes(16) * 50, b"\xff" * 1000))


CHANGES: Sequence[Callable[[bytes, Random], bytes]] = (
    *(_flip, _insert, _duplicate, _cut_out),
    *(_wrong_length, _other_frame, _cut_off, _append),
)
