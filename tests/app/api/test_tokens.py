import pytest

from tests.app.api.conftest import Api, Start, assert_is_error
from tests.support.app import jpegs

pytestmark = pytest.mark.anyio

PHOTO = jpegs.photo()
ADMIN_ROUTES = [
    ("POST", "/convert"),
    ("GET", "/convert/jobs"),
    ("DELETE", "/convert/jobs"),
    ("GET", "/convert/jobs/x"),
    ("DELETE", "/convert/jobs/x"),
    ("GET", "/convert/jobs/x/report"),
    ("GET", "/convert/nothing"),
    ("POST", "/admin/reload"),
    ("PUT", "/admin/backend"),
    ("GET", "/admin/nothing"),
]
FREE_ROUTES = ["/healthz", "/readyz", "/startupz", "/metrics", "/model", "/docs", "/openapi.json"]


@pytest.fixture(scope="module")
async def guarded(start_shared: Start) -> Api:
    """The admin's token is `sesame`, that of /detect is `other`."""
    running = await start_shared(admin_token="sesame", token="other")
    await running.ready()
    return running


async def send(api: Api, method: str, path: str, authorization: str | bytes | None = None) -> int:
    """The status; asserts that an error has its shape."""
    raw = authorization.encode() if isinstance(authorization, str) else authorization
    headers = {} if raw is None else {b"Authorization": raw}
    response = await api.client.request(method, path, headers=headers, content=PHOTO if path == "/detect" else None)
    if response.status_code in (401, 403):
        code = {401: "unauthorized", 403: "forbidden"}[response.status_code]
        sentence = assert_is_error(response, response.status_code, code)
        assert "sesame" not in sentence
        assert ("WWW-Authenticate" in response.headers) == (response.status_code == 401)
    return response.status_code


@pytest.mark.parametrize("authorization", [None, "Bearer ", "Bearer sesame"])
async def test_without_an_admin_token_the_admin_routes_are_off(authorization: str | None, shared: Api) -> None:
    headers = {} if authorization is None else {"Authorization": authorization}
    for method, path in ADMIN_ROUTES:
        response = await shared.client.request(method, path, headers=headers)
        assert "DETECTOR_ADMIN_TOKEN" in assert_is_error(response, 403, "forbidden")


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        (None, 401),
        ("", 401),
        ("Bearer " + "s" * 1_000_000, 403),
        ("Bearer", 401),
        ("Bearer ", 401),
        ("Basic c2VzYW1l", 401),
        ("sesame", 401),
        ("Bearer wrong", 403),
        ("Bearer sesam", 403),
        ("Bearer sesame2", 403),
        ("Bearer other", 403),
        (b"Bearer s\xe9same", 403),
        ("Bearer s\N{LATIN SMALL LETTER E WITH ACUTE}same", 403),
        (b"Bearer \xff\xfe\x00", 403),
    ],
)
async def test_the_admin_routes_need_the_admin_token(
    authorization: str | bytes | None, status: int, guarded: Api
) -> None:
    for method, path in ADMIN_ROUTES:
        assert await send(guarded, method, path, authorization) == status, f"{method} {path}"


@pytest.mark.parametrize("authorization", ["Bearer sesame", "bearer sesame", "BEARER  sesame "])
async def test_the_admin_token_opens_the_admin_routes(authorization: str, guarded: Api) -> None:
    assert await send(guarded, "GET", "/convert/jobs", authorization) == 200
    assert await send(guarded, "GET", "/convert/jobs/x", authorization) == 404


@pytest.mark.parametrize("path", ["/convert/jobs", "/detect", "/model"])
@pytest.mark.parametrize("tokens", [("sesame", "wrong"), ("wrong", "sesame"), ("other", "other")])
async def test_of_two_tokens_none_counts(path: str, tokens: tuple[str, str], guarded: Api) -> None:
    headers = [("Authorization", f"Bearer {token}") for token in tokens]
    assert_is_error(await guarded.client.post(path, headers=headers), 400, "bad_request")


async def test_detect_is_free_without_a_token(shared: Api) -> None:
    assert await send(shared, "POST", "/detect") == 200
    assert await send(shared, "POST", "/detect", "Bearer whatever") == 200


@pytest.mark.parametrize(
    ("authorization", "status"),
    [(None, 401), ("Bearer wrong", 403), ("Bearer sesame", 403), ("Bearer other", 200)],
)
async def test_detect_needs_the_token_if_one_is_set(authorization: str | None, status: int, guarded: Api) -> None:
    guarded.native.batches.clear()
    assert await send(guarded, "POST", "/detect", authorization) == status
    assert len(guarded.native.batches) == (status == 200)


@pytest.mark.parametrize("token", ["geheim", "s\N{LATIN SMALL LETTER E WITH ACUTE}same", "路面"])
async def test_any_token_that_can_be_set_opens(token: str, start: Start) -> None:
    api = await start(token=token)
    await api.ready()
    assert await send(api, "POST", "/detect", b"Bearer " + token.encode()) == 200
    assert await send(api, "POST", "/detect", b"Bearer " + token.encode() + b"x") == 403


@pytest.mark.parametrize("path", FREE_ROUTES)
async def test_what_ops_need_is_free(path: str, guarded: Api) -> None:
    assert await send(guarded, "GET", path) == 200


async def test_a_wrong_token_is_told_before_anything_of_the_body_is_read(guarded: Api) -> None:
    response = await guarded.client.post("/detect", content=b"", headers={"Content-Length": "100000000000"})
    assert_is_error(response, 401, "unauthorized")


@pytest.mark.parametrize("path", ["/convert/", "/convert//jobs", "//convert", "/./convert", "/detect/"])
async def test_other_spellings_of_a_path_open_nothing(path: str, guarded: Api) -> None:
    guarded.native.batches.clear()
    status = await send(guarded, "POST", f"http://localhost{path}")
    assert status in (307, 401, 403, 404, 405)
    assert not guarded.native.batches
