"""The whole server over fake backends, all its logs as JSON: every line of a day in which everything was tried."""

import json
import re
import socket
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from benchmarks.serving import Server, serving

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SECRETS = ("open-sesame", "wrong-token", "a-query", "a-path", "a-name.jpg")
ADMIN = {"Authorization": "Bearer open-sesame"}
PHOTO = {"content": Path("converter/photos/camera.jpg").read_bytes(), "headers": {"Content-Type": "image/jpeg"}}
NO_DETECTION = {"backend": "none"}
# Method, path, what is sent, and what the request log and the audit log say of it.
ASKED: list[tuple[str, str, dict[str, Any], dict[str, Any] | None, dict[str, Any] | None]] = [
    ("GET", "/healthz", {}, None, None),
    ("GET", "/a-path?a-query=1", {}, {"route": "unmatched", "status": 404, **NO_DETECTION}, None),
    (
        "POST",
        "/detect?max_detections=7",
        PHOTO,
        {"route": "/detect", "status": 200, "backend": "native", "pictures": 1, "bytes_in": len(PHOTO["content"])},
        None,
    ),
    ("POST", "/detect", {"files": {"image": ("a-name.jpg", b"no jpeg")}}, {"status": 415, **NO_DETECTION}, None),
    (
        "DELETE",
        "/convert/jobs/7",
        {"headers": {"Authorization": "Bearer wrong-token"}},
        {"route": "unmatched", "status": 403},
        {"route": "/convert/jobs/{job_id}", "asked": {"job_id": "7"}, "status": 403, "outcome": "refused"},
    ),
    ("PUT", "/admin/backend", {}, {"status": 401}, {"asked": {}, "by": "nobody known", "outcome": "refused"}),
    (
        "PUT",
        "/admin/backend",
        {"headers": ADMIN, "json": {"backend": "native", "shadow_share": 0.5}},
        {"route": "/admin/backend", "status": 200},
        {"asked": {"backend": "native", "shadow_share": 0.5}, "by": "admin token", "outcome": "done"},
    ),
    (
        "POST",
        "/convert",
        {"headers": ADMIN, "json": {"target": "trt", "precision": "INT8"}},
        {"status": 422},
        {"asked": {"target": "trt", "precision": "INT8"}, "client": "127.0.0.1", "outcome": "failed"},
    ),
    ("GET", "/convert/jobs", {"headers": ADMIN}, {"route": "/convert/jobs", "status": 200}, None),
]
RAW = {
    "no HTTP": b"\x00\x1b[31m{}\r\n\r\n",
    "control characters": b"GET /model HTTP/1.1\r\nHost: localhost\r\n"
    b"X-Request-Id: \x1b[31m\r\nConnection: close\r\n\r\n",
    "a line's end": b"GET /model HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: a\x85b\r\nConnection: close\r\n\r\n",
    "long id": b"GET /model HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: "
    + b"a" * 10_000
    + b"\r\nConnection: close\r\n\r\n",
    "no pieces": b"POST /detect HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: cut\r\ntraceparent: 00-%b-%b-01\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n%b" % (TRACE.encode(), b"1" * 16, b"1\r\na\r\n" * 100_000),
    "it leaves": b"POST /detect HTTP/1.1\r\nHost: localhost\r\n"
    b"X-Request-Id: left\r\nContent-Length: 99\r\n\r\n\xff\xd8",
}


@pytest.fixture(scope="module")
def lines() -> list[dict[str, Any]]:
    environ = {"DETECTOR_ADMIN_TOKEN": "open-sesame", "DETECTOR_COPIES": ""}
    environ |= {"DETECTOR_LOG_FORMAT": "json", "DETECTOR_REQUEST_LOG": "json"}
    with serving(environ, program=["tests.support.programs.serve_fakes"]) as server:
        server.wait_until(lambda: server.get("/readyz").status_code == 200)
        ask(server)
        server.stop()
        text = server.log.read_bytes()
    assert not any(secret.encode() in text for secret in SECRETS)
    assert text.isascii()
    return [json.loads(line, parse_constant=pytest.fail) for line in text.splitlines()]


def ask(server: Server) -> None:
    with server.client as client:
        for number, (method, path, how, _, _) in enumerate(ASKED):
            headers = {
                **how.get("headers", {}),
                "X-Request-Id": f"r-{number}",
                "traceparent": f"00-{TRACE}-{'1' * 16}-01",
            }
            answer = client.request(method, path, **{**how, "headers": headers})
            assert re.fullmatch(f"00-{TRACE}-[0-9a-f]{{16}}-01", answer.headers["traceparent"])
    host, port = server.url.removeprefix("http://").split(":")
    got = {}
    for name, sent in RAW.items():
        with closing(socket.create_connection((host, int(port)))) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            got[name] = b"".join(iter(partial(connection.recv, 65536), b""))
    assert json.loads(got["no HTTP"].partition(b"\r\n\r\n")[2])["code"] == "bad_request"
    head, _, body = got["no pieces"].partition(b"\r\n\r\n")
    assert json.loads(body)["request_id"] == "cut"
    assert b"x-request-id: cut" in head
    assert f"traceparent: 00-{TRACE}-".encode() in head
    assert server.metric("detector_connections_cut_total", reason="malformed") == 3


def test_a_request_has_one_line_with_its_fields(lines: list[dict[str, Any]]) -> None:
    told = {line["request_id"]: line for line in lines if line["logger"] == "app.requests"}
    for number, (method, _, _, wanted, _) in enumerate(ASKED):
        line = told.pop(f"r-{number}", None)
        if wanted is None:
            assert line is None
            continue
        assert line
        assert line | {"event": "request", "method": method, "trace_id": TRACE, **wanted} == line
        assert line["total_ms"] >= line.get("queue_ms", 0) + line.get("infer_ms", 0)
    left = told.pop("left")
    assert left | {"route": "/detect", "status": 499, "bytes_in": 2, "bytes_out": 0} == left
    cut = told.pop("cut")  # refused by the server while the app was reading its body
    assert cut | {"route": "/detect", "status": 400, "trace_id": TRACE} == cut
    assert cut["bytes_out"] > 0
    assert [(line["route"], line["status"]) for line in told.values()] == [("/model", 200)] * 2
    assert all(re.fullmatch("[0-9a-f]{32}", request_id) for request_id in told)


def test_a_change_by_an_admin_has_a_line_whether_allowed_or_not(lines: list[dict[str, Any]]) -> None:
    told = {line["request_id"]: line for line in lines if line["logger"] == "app.audit"}
    wanted = {f"r-{number}": audited for number, (*_, audited) in enumerate(ASKED) if audited}
    assert told.keys() == wanted.keys()
    for request_id, audited in wanted.items():
        assert told[request_id] | {"event": "admin request", "trace_id": TRACE, **audited} == told[request_id]


def test_the_servers_other_lines_have_the_same_form(lines: list[dict[str, Any]]) -> None:
    ready = next(line for line in lines if line["event"] == "backend ready")
    assert ready | {"backend": "native", "batch_sizes": [1, 8], "load_seconds": 0.1} == ready
    assert not [line for line in lines if line["level"] in ("error", "critical")]
    assert all(list(line)[:4] == ["time", "level", "logger", "event"] for line in lines)
