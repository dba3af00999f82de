"""Requests that are wrong as HTTP: request lines, headers, framing; each the work of one `random.Random`."""

from collections.abc import Callable, Sequence
from random import Random

_LINES = (
    *(
        b"GET / HTTP/1.0",
        b"GET /",
        b"GET",
        b"",
        b" GET /healthz HTTP/1.1",
        b"get /healthz HTTP/1.1",
        b"GET /healthz HTTP/9.9",
    ),
    *(b"GET  /healthz  HTTP/1.1", b"GET /healthz HTTP/1.1 x", b"GET\t/healthz\tHTTP/1.1", b"HEAD /healthz HTTP/1.1"),
    *(b"OPTIONS * HTTP/1.1", b"CONNECT a:1 HTTP/1.1", b"TRACE / HTTP/1.1", b"PRI * HTTP/2.0", b"BREW /detect HTTP/1.1"),
    *(b"GET http://other/healthz HTTP/1.1", b"GET //healthz HTTP/1.1", b"GET /samples/..%2f..%2fetc%2fpasswd HTTP/1.1"),
    *(
        b"GET /samples/%00 HTTP/1.1",
        b"GET /page/../../app/main.py HTTP/1.1",
        b"GET /\xff\xfe HTTP/1.1",
        b"GET /%ff%fe HTTP/1.1",
    ),
    *(
        b"GET /convert/jobs/%2e%2e HTTP/1.1",
        b"GET /healthz\0 HTTP/1.1",
        b"GET /healthz#x HTTP/1.1",
        b"\x16\x03\x01\x02\0\x01",
    ),
    *(b"POST /detect?classes=" + b"9" * 5000 + b" HTTP/1.1", b"POST /detect?timeout_ms=1" + b"0" * 400 + b" HTTP/1.1"),
    *(b"POST /detect?" + b"a=1&" * 9000 + b" HTTP/1.1", b"POST /detect?threshold=%ud800&\xff=%zz HTTP/1.1"),
    *(b"GET /" + b"a" * 70_000 + b" HTTP/1.1", b"DELETE /convert/jobs/" + b"x" * 4000 + b" HTTP/1.1"),
)
_HEADERS = (
    *(
        b"no colon",
        b": no name",
        b"X Y: space",
        b"X-A : space before",
        b" X-Folded: yes",
        b"X-A: b\r\n c",
        b"X-A: \0",
        b"X-A: \xff\xfe",
    ),
    *(
        b"Host: other",
        b"Host: ",
        b"Host: a\r\nHost: b",
        b"Host: user@host:99999",
        b"Connection: upgrade",
        b"X-A: b\rX-B: c",
        b"X-A: b\nX-B: c",
    ),
    *(
        b"Content-Length: -1",
        b"Content-Length: 1e3",
        b"Content-Length: " + b"0" * 5000,
        b"Content-Length: " + b"9" * 400,
    ),
    *(
        b"Content-Length: 5\r\nContent-Length: 6",
        b"Content-Length: 3, 3",
        b"Content-Length: +3",
        b"Content-Length: \xb2",
    ),
    *(
        b"Transfer-Encoding: chunked\r\nContent-Length: 3",
        b"Transfer-Encoding: chunked, chunked",
        b"Transfer-Encoding: gzip",
    ),
    *(b"Transfer-Encoding: xchunked", b"Transfer-Encoding:\x0bchunked", b"Expect: 100-continue", b"Expect: a miracle"),
    *(
        b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    ),
    *(b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c", b"Content-Encoding: gzip", b"Content-Encoding: \xff"),
    *(b"Content-Type: multipart/form-data", b"Content-Type: multipart/form-data; boundary=" + b"b" * 5000),
    *(
        b'Content-Type: application/json; charset="punycode"',
        b"Content-Type: \xe4/\xf6",
        b"Content-Type: a\r\nContent-Type: b",
    ),
    *(
        b"Authorization: Bearer \xff\xfe",
        b"Authorization: " + b"x" * 60_000,
        b"Authorization: Bearer a\r\nAuthorization: Bearer b",
    ),
    *(
        b"X-Request-Id: a\x1b[31mb",
        b"X-Request-Id: " + b"i" * 9000,
        b"Accept: " + b"image/*;q=0.0000001," * 900,
        b"Accept: \xff;q=\xff",
    ),
    *(
        b"X-Request-Timeout-Ms: 1" + b"0" * 400,
        b"X-Request-Timeout-Ms: -0",
        b"Origin: null",
        b"Sec-Fetch-Site: cross-site",
    ),
    *(
        b"X-Long: " + b"x" * 70_000,
        b"\r\n".join(b"X-%d: y" % number for number in range(900)),
        b"Traceparent: 00-" + b"f" * 999,
    ),
)
_CHUNKS = (
    *(
        b"5\r\nhello\r\n0\r\n\r\n",
        b"5;ext=" + b"e" * 900 + b"\r\nhello\r\n0\r\n\r\n",
        b"0\r\n\r\n",
        b"00000005\r\nhello\r\n0\r\n\r\n",
    ),
    *(
        b"-1\r\nhello\r\n0\r\n\r\n",
        b"0x5\r\nhello\r\n0\r\n\r\n",
        b"fffffffffffffffff\r\nhello",
        b"ffffffff\r\nhello",
        b"5\r\nhel",
    ),
    *(
        b"5\r\nhello0\r\n\r\n",
        b"5\nhello\n0\n\n",
        b"zz\r\n",
        b"\r\n\r\n",
        b"0\r\nX-Trailer: t\r\n\r\n",
        b"0\r\n" + b"X-T: t\r\n" * 9000 + b"\r\n",
    ),
    *(b"1\r\n\xff\r\n" * 500 + b"0\r\n\r\n", b"5 \r\nhello\r\n0\r\n\r\n", b"+5\r\nhello\r\n0\r\n\r\n"),
)


def malformed(photos: Sequence[bytes], random: Random) -> bytes:
    """One connection's bytes: a request with one or more faults, sometimes with others before or behind it."""
    made = random.choice(KINDS)(photos, random)
    if b"HEAD" in made:
        return made  # alone: its answer has no body, and the next one's begin could not be told
    if random.random() < 0.2:
        made = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" + made
    if random.random() < 0.2:
        made += b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    return made


def _line(photos: Sequence[bytes], random: Random) -> bytes:
    return random.choice(_LINES) + b"\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def _headers(photos: Sequence[bytes], random: Random) -> bytes:
    path = random.choice((b"GET /healthz", b"POST /detect", b"POST /convert", b"PUT /admin/backend", b"GET /metrics"))
    fields = [b"Host: localhost", *random.sample(_HEADERS, random.randint(1, 3))]
    body = random.choice((b"", b"abc", photos[0][:5000]))
    return path + b" HTTP/1.1\r\n" + b"\r\n".join(random.sample(fields, len(fields))) + b"\r\n\r\n" + body


def _chunks(photos: Sequence[bytes], random: Random) -> bytes:
    kind = random.choice((b"image/jpeg", b"application/json", b"multipart/form-data; boundary=x"))
    head = (
        b"POST /detect HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Type: " + kind + b"\r\n\r\n"
    )
    return head + b"".join(random.choice(_CHUNKS) for _ in range(random.choice((1, 1, 3))))


def _cut(photos: Sequence[bytes], random: Random) -> bytes:
    photo = random.choice(photos)
    whole = b"POST /detect HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(photo) + photo
    return whole[: random.choice((random.randrange(90), random.randrange(len(whole))))]


def _flipped(photos: Sequence[bytes], random: Random) -> bytes:
    made = bytearray(random.choice((_line, _headers, _chunks))(photos, random))
    for _ in range(random.choice((1, 2, 8))):
        made[random.randrange(min(len(made), 400))] = random.choice(
            (0, 10, 13, 32, 58, 127, 255, random.randrange(256))
        )
    return bytes(made)


KINDS: Sequence[Callable[[Sequence[bytes], Random], bytes]] = (_line, _headers, _headers, _chunks, _cut, _flipped)
