"""Errors that no route of ours raises itself: unknown paths and methods, bodies and parameters FastAPI reads."""

import json
from typing import Any

import pytest

from tests.app.api.conftest import Admin, Api, Start, assert_is_error

pytestmark = pytest.mark.anyio

PATHS = [
    "/index.html",
    "/nothing",
    "/detect/more",
    "/static/../etc/passwd",
    "/%2e%2e",
    "/caf%C3%A9",
    "/a%0Ab",
    "/" + "x" * 5000,
]
METHODS = [
    ("GET", "/detect"),
    ("PUT", "/detect"),
    ("POST", "/healthz"),
    ("DELETE", "/model"),
    ("POST", "/metrics"),
    ("GET", "/convert"),
    ("POST", "/convert/jobs"),
    ("PUT", "/convert/jobs/x"),
    ("DELETE", "/convert/jobs/x/report"),
    ("GET", "/admin/reload"),
    ("BREW", "/readyz"),
    ("POST", "/"),
    ("DELETE", "/samples/coffee"),
]


@pytest.fixture(scope="module")
async def admin(start_shared: Start) -> Admin:
    return Admin(await start_shared(admin_token="sesame"))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path[:20])
@pytest.mark.parametrize("method", ["GET", "POST", "BREW"])
async def test_an_unknown_path_is_404(method: str, path: str, shared: Api) -> None:
    sentence = assert_is_error(await shared.client.request(method, path), 404, "not_found")
    assert sentence.startswith(f"{method} /")
    assert len(sentence) < 250


@pytest.mark.parametrize(("method", "path"), METHODS)
async def test_another_method_is_405_and_tells_the_right_one(method: str, path: str, admin: Admin) -> None:
    response = await admin.client.request(method, path)
    sentence = assert_is_error(response, 405, "method_not_allowed")
    assert sentence == f"{method} {path} is not served here; the path has {response.headers['Allow']}"
    assert response.headers["Allow"] in ("GET", "GET, HEAD", "POST")


@pytest.mark.parametrize("path", ["/convert/jobs/nothing", "/convert/jobs/%0a%00", "/convert/jobs/" + "x" * 3000])
async def test_an_unknown_job_is_404(path: str, admin: Admin) -> None:
    sentence = assert_is_error(await admin.client.get(path), 404, "not_found")
    assert "there is no conversion job" in sentence
    assert len(sentence) < 200


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"{'target': 'trt'}", b'{"target": }', b"\xff\xfe", b'{"target": "trt"', b"[" * 60_000],
    ids=len,
)
@pytest.mark.parametrize("path", ["/convert", "/admin/reload"])
async def test_a_body_that_is_no_json_is_400(body: bytes, path: str, admin: Admin) -> None:
    headers = {"Content-Type": "application/json"}
    sentence = assert_is_error(await admin.client.post(path, content=body, headers=headers), 400, "bad_request")
    assert "body" in sentence
    assert not sentence[0].isdigit(), "a position is no name"


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({"target": "magic"}, "target"),
        ({"target": None}, "target"),
        ({"precision": "FP64"}, "precision"),
        ({"precision": "INT8"}, "precision"),
        ({"batch_sizes": []}, "batch_sizes"),
        ({"batch_sizes": [1, "many"]}, "batch_sizes"),
        ({"batch_sizes": [1, None]}, "batch_sizes"),
        ({"batch_sizes": [0, 8]}, "batch sizes"),
        ({"batch_sizes": list(range(1, 18))}, "batch_sizes"),
        ({"batch_sizes": [10**4000]}, "batch_sizes"),
        ({"minimum_segment_size": 0}, "minimum_segment_size"),
        ({"workspace_mib": 0}, "workspace_mib"),
        ({"workspace_mib": 10**4000}, "workspace_mib"),
        ({"cached_engines": 0}, "cached_engines"),
        ({"dynamic_shape": "perhaps"}, "dynamic_shape"),
        ({"profile_strategy": "Best"}, "profile_strategy"),
        ({"calibration": 2}, "calibration"),
        ({"build_at_run_time": []}, "build_at_run_time"),
        ({"denylist": "Conv2D"}, "denylist"),
        ({"denylist": ["Conv 2D"]}, "'Conv 2D' can't be the type of an operation"),
        ({"denylist": ["Conv2D"] * 101}, "denylist"),
        ({"images": "/etc"}, "images"),
        ({"save_engines": False}, "save_engines"),
        ({"precisoin": "FP16"}, "precisoin"),
        ([], "body"),
        ("trt", "body"),
        (7, "body"),
    ],
    ids=lambda value: repr(value)[:50],
)
async def test_options_that_can_not_be_are_422_and_named(body: Any, names: str, admin: Admin) -> None:
    sentence = assert_is_error(await admin.client.post("/convert", json=body), 422, "bad_parameter")
    assert names in sentence
    assert len(sentence) < 250
    assert await admin.jobs() == []


async def test_what_a_stranger_sends_is_escaped_in_the_answer(shared: Api) -> None:
    response = await shared.client.get("/<script>alert(1)</script>%22%0a")
    assert_is_error(response, 404, "not_found")
    assert response.headers["Content-Type"] == "application/json"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "\n" not in response.text
    json.loads(response.text)


@pytest.mark.parametrize("path", ["/detect/", "/model/"])
async def test_a_slash_too_many_leads_to_the_route_or_is_an_error(path: str, shared: Api) -> None:
    response = await shared.client.get(path)
    if response.status_code == 307:
        assert response.headers["Location"].endswith(path.rstrip("/"))
    else:
        assert_is_error(response, 404, "not_found")
