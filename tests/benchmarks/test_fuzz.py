"""A short `make fuzz`, and that it notices what it looks for."""

import contextlib
import json
import time
from pathlib import Path

import pytest

from benchmarks.fuzz.expectation import Answer, Fault, check
from benchmarks.fuzz.run import Target, fuzzed, serve
from benchmarks.serving import copied

CASES = {"cases": 300, "bodies": 600, "connections": 300}


def error(code: str, text: str = "no") -> bytes:
    return json.dumps({"error": text, "code": code, "request_id": "a"}).encode()


@pytest.mark.parametrize(
    ("status", "body", "sent", "noticed"),
    [
        (500, error("internal"), b"POST /detect", "status 500"),
        (503, error("backend_unavailable"), b"POST /detect?backend=native", "status 503"),
        (503, error("backend_unavailable"), b"POST /detect?backend=trt", None),
        (504, error("deadline_exceeded"), b"POST /detect", "status 504"),
        (504, error("deadline_exceeded"), b"POST /detect?timeout_ms=1", None),
        (404, b"Not Found", b"GET /", "no error with a known code"),
        (400, error("oops"), b"GET /", "no error with a known code"),
        (422, error("invalid_image", f"{Path.cwd()}/app/images.py"), b"POST /detect", "tells"),
        (200, error("x", 'File "a", line 1, in f'), b"POST /detect", "tells"),
        (200, error("x", f"{Path.cwd()}/models"), b"GET /convert/jobs", None),
    ],
)
def test_it_notices_what_must_not_be(status: int, body: bytes, sent: bytes, noticed: str | None) -> None:
    with pytest.raises(Fault, match=noticed) if noticed else contextlib.nullcontext():
        check(Answer(status, "application/json", body), sent=sent)


@pytest.mark.heavy
@pytest.mark.tensorflow
def test_no_request_brings_the_server_to_fail(model_folder: Path, tmp_path: Path) -> None:
    with serve(copied(model_folder, tmp_path / "yolox_nano")) as server:
        assert fuzzed(Target(server), CASES, seed=20261125, until=time.monotonic() + 300) == 0
