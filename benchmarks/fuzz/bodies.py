"""Requests to /detect whose bodies are a little wrong, as raw bytes; pictures, JSON and forms."""

import base64
import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from benchmarks.fuzz.pictures import broken

_NAMES = (
    "image",
    "images",
    "threshold",
    "classes",
    "box",
    "backend",
    "annotate",
    "timeout_ms",
    "orientation",
    "max_detections",
)
_VALUES: Sequence[Any] = (
    *(None, True, 0, -1, 2**63, 10**400, -0.0, 1e308, "", "auto", "both", "\ud800", "\0", "0x10", "½", "１２"),
    *([], {}, [[]], [None], ["dog"] * 2000, {"a": {"b": []}}, "9" * 5000, "dog," * 3000, "x" * 300_000, [1e-320]),
)
_TAILS = (
    b"\0",
    b"}",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"NaN",
    b"1e999999",
    b"[" * 20_000,
    b'"\\ud800":',
    b"\\u0000",
    b",,",
)
_TYPES = ("image/jpeg", "image/png", "", "application/octet-stream", "text/plain", "application/json", "IMAGE/JPEG;q=1")
_CODECS = ("utf-8", "utf-16", "utf-7", "punycode", "idna", "unicode_escape", "rot13", "base64", "zlib", "x" * 900)
_PART_HEADERS = (
    'Content-Disposition: form-data; name="{name}"; filename="{name}.jpg"',
    'Content-Disposition: form-data; name="{name}"',
    "Content-Disposition: form-data; name*=utf-8''{name}; filename*=UTF-16''%00",
    "Content-Disposition: form-data",
    "Content-Disposition: attachment; name={name}; name={name}; filename=" + "a" * 4000,
    "Content-Type: image/jpeg",
    "Content-Type: multipart/mixed; boundary=x",
    "Content-Transfer-Encoding: base64",
    "X-Header: " + "y" * 9000,
    "no colon",
)


def picture(photos: Sequence[bytes], random: Random) -> bytes:
    """A request whose body is a broken picture."""
    kind = random.choice((*_TYPES[:1] * 5, *_TYPES))
    query = random.choice(("", "", "?annotate=true", "?backend=both", "?backend=native&box=xywh"))
    return request(broken(random.choice(photos), random), kind, query)


def json_body(photos: Sequence[bytes], random: Random) -> bytes:
    """A request with odd JSON: wrong values, wrong names, and now and then wrong bytes."""
    encoded = base64.b64encode(broken(photos[0], random) if random.random() < 0.3 else photos[0]).decode()
    body: dict[str, Any] = (
        {"image": encoded} if random.random() < 0.5 else {"images": [encoded] * random.choice((1, 2))}
    )
    for _ in range(random.randint(0, 3)):
        name = random.choice(_NAMES) if random.random() < 0.8 else str(random.choice(_VALUES))[:5000]
        body[name] = random.choice(_VALUES)
    return request(_garbled(json.dumps(body).encode(), random), "application/json")


def form_body(photos: Sequence[bytes], random: Random) -> bytes:
    """A request with an odd form: headers of parts, codecs, boundaries, and now and then wrong bytes."""
    boundary = random.choice(("x", "x", "x", "-" * 70, "x" * 300, "a b", "ü"))
    parts = []
    for _ in range(random.choice((0, 1, 1, 2, 5, 40))):
        chosen = [_PART_HEADERS[0], *random.sample(_PART_HEADERS, random.randint(0, 2))]
        head = "\r\n".join(random.sample(chosen, len(chosen))).replace("{name}", random.choice(_NAMES))
        value = photos[0] if random.random() < 0.5 else str(random.choice(_VALUES)).encode("utf-8", "surrogatepass")
        parts.append(f"--{boundary}\r\n{head}\r\n\r\n".encode() + value + b"\r\n")
    if random.random() < 0.3:
        codec = random.choice(_CODECS)
        parts.append(f'--{boundary}\r\nContent-Disposition: form-data; name="_charset_"\r\n\r\n{codec}\r\n'.encode())
    kind = f"multipart/form-data; boundary={boundary}" + random.choice(("", "", f"; charset={random.choice(_CODECS)}"))
    return request(_garbled(b"".join([*parts, f"--{boundary}--\r\n".encode()]), random), kind)


def request(body: bytes, kind: str, query: str = "") -> bytes:
    """POST /detect as raw bytes, the last one of its connection."""
    head = f"POST /detect{query} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
    return (head + (f"Content-Type: {kind}\r\n" if kind else "") + "\r\n").encode("utf-8") + body


def _garbled(body: bytes, random: Random) -> bytes:
    """Half of the time as it is, else cut off, or with bytes of its own or strange ones in some place."""
    if random.random() < 0.5:
        return body
    at = random.randrange(len(body) + 1)
    return body[:at] + random.choice((b"", random.choice(_TAILS), random.choice(_TAILS) + body[at:], body[:at]))


MAKERS: dict[str, Callable[[Sequence[bytes], Random], bytes]] = {
    "pictures": picture,
    "JSON": json_body,
    "forms": form_body,
}
