"""Hostile bodies of the largest allowed size, with `/healthz` and a good request beside each.

    python -m benchmarks.hostile [PART OF A CASE'S NAME]

A Markdown table; exit code 1 if a body has a 5xx, `/healthz` beside it is more than 100 ms slower than its unloaded
p99, a good request takes more than 1 s, or the server's memory grows by more than twice the body, 16 MB and the
picture that is being drawn.
"""

import base64
import http.client
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from multiprocessing.connection import Connection
from pathlib import Path

import PIL.Image

from benchmarks.serving import Server, serving

SIZE = 18_000_000
HEALTH_S, GOOD_S, SLACK_MB = 0.1, 1.0, 16
GOOD = Path("tests/data/dog.jpg")
JSON, FORM, JPEG = "application/json", "multipart/form-data; boundary=x", "image/jpeg"
_SMALL = 64


@dataclass(frozen=True)
class Case:
    """One body."""

    name: str
    body: bytes
    kind: str
    query: str = ""
    drawing_mb: float = 0


@dataclass(frozen=True)
class Row:
    """What became of one."""

    name: str
    status: int
    seconds: float
    health_s: float  # beyond the unloaded p99
    good_s: float
    peak_mb: float
    left_mb: float
    body_mb: float
    drawing_mb: float  # of the one picture that is drawn at a time

    @property
    def broken(self) -> bool:
        """Whether a limit is."""
        too_slow = self.health_s > HEALTH_S or self.good_s > GOOD_S
        return self.status >= 500 or too_slow or self.peak_mb > 2 * self.body_mb + SLACK_MB + self.drawing_mb


def fill(piece: bytes) -> bytes:
    """As much of `piece` as a body may have."""
    return piece * (SIZE // len(piece))


def picture(side: int) -> bytes:
    """A square, of one colour."""
    file = BytesIO()
    PIL.Image.new("RGB", (side, side), (40, 90, 160)).save(file, "JPEG", quality=40)
    return file.getvalue()


def segments(marker: int, content: bytes) -> bytes:
    """A small picture with as many segments of this content before it as a file may have."""
    one = bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content
    return b"\xff\xd8" + one * min(1_980, SIZE // len(one)) + picture(_SMALL)[2:]


def part(name: str, content: bytes, more: str = "") -> bytes:
    """A part of a form."""
    return f'--x\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + content + b"\r\n"


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _jsons()
    yield from _forms()
    yield from _pictures()


def _jsons() -> Iterator[Case]:
    image = b'{"image":"/9j/",'
    yield Case("JSON: unknown keys", image + fill(b'"key":1,') + b'"a":1}', JSON)
    yield Case("JSON: objects for pictures", b'{"images":[' + fill(b"{},") + b"{}]}", JSON)
    yield Case("JSON: class ids", image + b'"classes":[' + fill(b"1,") + b"1]}", JSON)
    yield Case("JSON: strings", image + b'"classes":[' + fill(b'"",') + b'""]}', JSON)
    yield Case("JSON: brackets", b'{"image":' + fill(b"["), JSON)
    yield Case("JSON: a number", image + b'"timeout_ms":' + fill(b"9") + b"}", JSON)
    for name, piece in (("spaces", b" "), ("newlines", b"\\n"), ("slashes", b"\\/"), ("backslashes", b"\\\\")):
        yield Case(f"JSON: a picture of {name}", b'{"image":"' + fill(piece) + b'"}', JSON)
    yield Case("JSON: escaped quotes", b'{"image":"' + fill(b'\\"') + b'"}', JSON)
    yield Case("JSON: surrogates", b'{"image":"' + fill(b"\\ud800") + b'"}', JSON)
    yield Case(
        "JSON: a junk picture", b'{"image":"' + base64.b64encode(b"\xff\xd8\xff" + bytes(13_000_000)) + b'"}', JSON
    )


def _forms() -> Iterator[Case]:
    file, end = part("image", picture(_SMALL), '; filename="a"'), b"--x--"
    yield Case("form: punycode", part("classes", b"a-" + fill(b"kva")) + file + end, FORM + "; charset=punycode")
    yield Case("form: large fields", part("classes", b"1," * 450_000) * 19 + file + end, FORM)
    yield Case("form: parts", fill(part("a", b"b")) + end, FORM)
    yield Case("form: a part's header", part("a" * SIZE, b"b") + end, FORM)
    for name, piece in (
        ("CR", b"\r"),
        ("CRLF", b"\r\n"),
        ("beginnings of boundaries", b"\r\n--"),
        ("near ones", b"\r\n--xy"),
    ):
        yield Case(f"form: a file of {name}", part("a", fill(piece), '; filename="a"') + end, FORM)


def _pictures() -> Iterator[Case]:
    exif = b"Exif\0\0" + bytes(9_000)
    for name, marker, content in (
        ("Exif", 0xE1, exif),
        ("profiles", 0xE2, b"ICC_PROFILE\0\x01\xff" + bytes(65_000)),
        ("Photoshop", 0xED, b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0\0\0\0\0" * 5_400),
        ("comments", 0xFE, bytes(65_000)),
        ("quantization tables", 0xDB, (b"\0" + bytes(range(1, 65))) * 1_000),
        ("Huffman tables", 0xC4, (b"\0" + bytes(16)) * 3_800),
    ):
        yield Case(f"picture: {name}", segments(marker, content), JPEG)
    start, scan = b"\xff\xd8\xff", picture(_SMALL)[:-2]
    yield Case("picture: fill bytes", start + fill(b"\xff"), JPEG)
    yield Case("picture: markers", start + fill(b"\xff\x01"), JPEG)
    yield Case("picture: noise", start + os.urandom(SIZE), JPEG)
    for name, piece in (("stuffed bytes", b"\xff\0"), ("restarts", b"\xff\xd0"), ("markers", b"\xff\x01")):
        yield Case(f"picture: a scan of {name}", scan + fill(piece), JPEG)
    yield Case("picture: junk behind its end", picture(_SMALL) + bytes(SIZE), JPEG)
    large = base64.b64encode(picture(5_000)).decode()
    many = json.dumps({"images": [large] * min(32, SIZE // len(large))}).encode()
    yield Case("32 pictures of 25 MP", many, JSON)
    yield Case("32 pictures of 25 MP, annotated", many, JSON, "?annotate=true", drawing_mb=4 * 25_000_000 / 2**20)


def ask(address: str, method: str, path: str, body: bytes | None = None, kind: str = JPEG) -> int:
    """The status of one request on a connection of its own; 0 if there was none."""
    connection = http.client.HTTPConnection(address, timeout=60)
    try:
        connection.request(method, path, body, {"Content-Type": kind} if body else {})
        answer = connection.getresponse()
        answer.read()
        return answer.status
    except OSError:
        return 0
    finally:
        connection.close()


def probe(address: str, pipe: Connection) -> None:
    """In a process of its own: /healthz and good requests in turn until told to stop; then the seconds of each."""
    photo = GOOD.read_bytes()
    health: list[float] = []
    good: list[float] = []
    while not pipe.poll(0.02):
        health.append(timed(lambda: ask(address, "GET", "/healthz"))[1])
        if len(health) % 5 == 0:
            good.append(timed(lambda: ask(address, "POST", "/detect", photo))[1])
    pipe.send((health, good))


def timed(work: Callable[[], int]) -> tuple[int, float]:
    """Its result, and seconds."""
    started = time.perf_counter()
    result = work()
    return result, time.perf_counter() - started


def beside(address: str, work: Callable[[], int]) -> tuple[int, float, list[float], list[float]]:
    """What `work` gives and takes, and what /healthz and good requests took meanwhile."""
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=probe, args=(address, theirs))
    process.start()
    time.sleep(1)  # until it has begun
    status, seconds = timed(work)
    ours.send(None)
    health, good = ours.recv()
    process.join()
    return status, seconds, health, good


def pause() -> int:
    """Nothing, for four seconds."""
    time.sleep(4)
    return 0


def memory_mb(server: Server, name: str) -> float:
    """A line of the API process' status: VmRSS is what it holds, VmHWM the most it held."""
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def row(server: Server, case: Case, unloaded_s: float) -> Row:
    """Send one body and look at what is beside it."""
    address = server.url.removeprefix("http://")
    Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")  # VmHWM begins anew (proc(5))
    before = memory_mb(server, "VmRSS")
    path = "/detect" + case.query
    status, seconds, health, good = beside(address, lambda: ask(address, "POST", path, case.body, case.kind))
    peak = memory_mb(server, "VmHWM") - before
    time.sleep(1)
    left = memory_mb(server, "VmRSS") - before
    slowest = max(health) - unloaded_s, max(good, default=0)
    return Row(case.name, status, seconds, *slowest, peak, left, len(case.body) / 2**20, case.drawing_mb)


def main(wanted: str = "") -> int:
    """Print the table; 1 if a limit is broken."""
    broken = False
    with serving({"DETECTOR_COPIES": ""}) as server:
        server.wait_until_ready()
        _, _, health, _ = beside(server.url.removeprefix("http://"), pause)
        unloaded = sorted(health)[int(0.99 * len(health))]
        print(
            "| case | status | s | worst /healthz beyond its p99, ms | worst good request, ms | API peak / left, MB | |"
        )
        print("|---|---|---|---|---|---|---|")
        for case in cases():
            if wanted in case.name:
                found = row(server, case, unloaded)
                broken |= found.broken
                print(
                    f"| {found.name} | {found.status} | {found.seconds:.2f} | {1000 * found.health_s:.0f} "
                    f"| {1000 * found.good_s:.0f} | {found.peak_mb:.0f} / {found.left_mb:.0f} "
                    f"| {'**broken**' if found.broken else 'holds'} |",
                    flush=True,
                )
    return int(broken)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
