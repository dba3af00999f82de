"""Wrong anything: the status and the sentence, and a server whose memory stays where it was."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from benchmarks.serving import Server

pytestmark = pytest.mark.tensorflow

JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "multipart/form-data; boundary=x"}

TABLE: list[tuple[str, dict[str, Any], int, str, str]] = [
    ("empty", {"content": b""}, 400, "bad_request", "the body is empty"),
    ("png", {"content": b"\x89PNG\r\n\x1a\n" + bytes(50)}, 415, "not_a_jpeg", "the body is not a JPEG file"),
    (
        "png as jpeg",
        {"content": b"\x89PNG", "headers": {"Content-Type": "image/jpeg"}},
        415,
        "not_a_jpeg",
        "the body is",
    ),
    (
        "text",
        {"content": b"hello", "headers": {"Content-Type": "text/html"}},
        415,
        "not_a_jpeg",
        "'text/html' is not",
    ),
    ("gzip", {"content": b"\x1f\x8b", "headers": {"Content-Encoding": "gzip"}}, 400, "bad_request", "the compressed"),
    (
        "brotli",
        {"content": b"x", "headers": {"Content-Encoding": "br"}},
        415,
        "not_a_jpeg",
        "the Content-Encoding 'br'",
    ),
    ("cut header", {"content": b"\xff\xd8\xff\xe0"}, 422, "invalid_image", "the JPEG file's header can't be read"),
    ("broken json", {"content": b"{", "headers": JSON}, 400, "bad_request", "the body is not valid JSON"),
    ("deep json", {"content": b"[" * 10_000, "headers": JSON}, 400, "bad_request", "the body is not valid JSON"),
    (
        "nan",
        {"content": b'{"image": "", "threshold": NaN}', "headers": JSON},
        400,
        "bad_request",
        "the body is not valid",
    ),
    ("utf-16", {"content": b"\xff\xfe{", "headers": JSON}, 400, "bad_request", "the body is not valid JSON"),
    ("list", {"json": []}, 400, "bad_request", "the JSON must be an object"),
    ("neither", {"json": {"picture": ""}}, 400, "bad_request", "the JSON must be an object"),
    ("both", {"json": {"image": "", "images": []}}, 400, "bad_request", "the JSON must be an object"),
    ("no images", {"json": {"images": []}}, 400, "bad_request", '"images" must be a list'),
    ("33 images", {"json": {"images": [""] * 33}}, 400, "bad_request", "the request has 33 pictures; the limit is 32"),
    ("number", {"json": {"image": 7}}, 400, "bad_request", "the picture is not a string of base64"),
    ("no base64", {"json": {"image": "%%%"}}, 400, "bad_request", "the picture is not valid base64"),
    ("data uri", {"json": {"image": "data:image/jpeg,abc"}}, 400, "bad_request", "the data: URI of the picture"),
    ("empty base64", {"json": {"image": ""}}, 400, "bad_request", "the body is empty"),
    (
        "no boundary",
        {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}},
        400,
        "bad_request",
        "the form",
    ),
    ("no part", {"content": b"x", "headers": FORM}, 400, "bad_request", "the form"),
    (
        "no file",
        {"data": {"threshold": "0.5"}, "files": {"a": (None, "b")}},
        400,
        "bad_request",
        "the form has no file",
    ),
    ("33 files", {"files": [("f", b"x")] * 33}, 400, "bad_request", "the form has more than 32 files"),
    (
        "field of 2 MB",
        {"data": {"x": "y" * 2_000_000}, "files": {"a": b"b"}},
        400,
        "bad_request",
        "the form's field 'x' has",
    ),
]


@pytest.mark.parametrize(("case", "request_", "status", "code", "sentence"), TABLE, ids=[row[0] for row in TABLE])
def test_a_wrong_body_gets_its_sentence(
    server: Server, case: str, request_: dict[str, Any], status: int, code: str, sentence: str
) -> None:
    with server.client as client:
        response = client.post("/detect", **request_)
    body = response.json()
    assert (response.status_code, body["code"]) == (status, code), case
    assert body["error"].startswith(sentence)
    assert body.keys() == {"error", "code", "request_id"}


def resident_mb(server: Server) -> float:
    lines = Path(f"/proc/{server.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def test_a_declared_100_gb_is_refused_before_it_is_sent(server: Server) -> None:
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(b"POST /detect HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000000\r\n\r\n")
        answer = b""
        while part := connection.recv(65536):  # to the end: the server closes
            answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close" in head.lower()
    assert json.loads(body)["error"] == "the body is larger than the limit of 20,000,000 bytes"


def test_300_mb_in_chunks_are_cut_off_and_leave_the_memory_as_it_was(server: Server) -> None:
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(300):
            sent += 1 << 20
            yield bytes(1 << 20)

    before = resident_mb(server)
    for _ in range(3):
        sent = 0
        try:
            with server.client as client:
                response = client.post("/detect", content=chunks(), headers={"Content-Type": "image/jpeg"})
            assert (response.status_code, response.json()["code"]) == (413, "body_too_large")
        except httpx.TransportError:
            pass  # it was reset while it sent
        assert sent < 60 << 20
    assert resident_mb(server) - before < 50
