"""Habits of HTTP clients: what they leave out, say otherwise or write in their own way."""

import base64
import gzip
import zlib
from typing import Any

import httpx
import pytest

from tests.app.api.conftest import Api, Start, assert_is_error
from tests.support.app import jpegs

pytestmark = pytest.mark.anyio

PHOTO = jpegs.photo()
LARGE = PHOTO + b"\n" + bytes(1_200_000)
TEXT = base64.b64encode(PHOTO).decode()
FORM = {"Content-Type": "multipart/form-data; boundary=b"}
HERE, THERE = "http://localhost:3000", "https://elsewhere.example"


def part(disposition: str, content: bytes, *lines: str) -> bytes:
    head = "\r\n".join([f"Content-Disposition: form-data; {disposition}", *lines])
    return b"--b\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n"


async def post(api: Api, content: bytes, **headers: str) -> httpx.Response:
    return await api.client.post(
        "/detect", content=content, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/startupz", "/metrics", "/", "/model", "/samples", "/docs"])
async def test_head_is_answered_like_get_without_a_body(path: str, shared: Api) -> None:
    response, whole = await shared.client.head(path), await shared.client.get(path)
    assert (response.status_code, response.content) == (200, b"")
    assert response.headers["Content-Type"] == whole.headers["Content-Type"]
    assert path == "/metrics" or response.headers["Content-Length"] == whole.headers["Content-Length"]
    assert (await shared.client.post("/healthz")).headers["Allow"] == "GET, HEAD"


async def test_head_is_counted_under_its_route_and_is_no_way_around_a_token(start: Start) -> None:
    api = await start(token="sesame", admin_token="admins")
    assert (await api.client.head("/convert/jobs/5")).status_code == 401
    await api.client.head("/samples/dog/preview")
    assert await api.metric("detector_request_duration_seconds_count", route="/samples/{name}/preview") == 1


@pytest.mark.parametrize(
    ("form", "files"),
    [
        (part('name="image"', PHOTO, "Content-Type: image/jpeg"), None),
        (part('name="image"', LARGE, "Content-Type: image/jpeg"), None),
        (part('name="image"', PHOTO), None),
        (part('name="image"; filename=""', PHOTO), None),
        (part("name=image; filename=a.jpg", PHOTO), None),
        (part('name="a"; filename="b"', TEXT.encode(), "Content-Transfer-Encoding: base64"), None),
        (
            part("name=a; filename*=UTF-8''caf%C3%A9.jpg", PHOTO) + part('name="a"; filename="né\u0007.jpg"', PHOTO),
            ["café.jpg", "né\ufffd.jpg"],
        ),
        (part('name="a"; filename="x"', b"GIF") + part('name="b"', PHOTO), ["x", None]),
    ],
)
async def test_a_part_is_a_file_by_its_name_its_type_or_its_bytes(
    form: bytes, files: list[str | None] | None, shared: Api
) -> None:
    response = await shared.client.post("/detect", content=form + b"--b--", headers=FORM)
    assert response.status_code == 200, response.text
    if files is not None:
        assert [each.get("file") for each in response.json()["results"]] == files


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (part("name=a; filename=b", PHOTO), "its last boundary is missing"),
        (part("name=a; filename=b", PHOTO) + b"--b", "its last boundary is missing"),
        (part("name=a; filename=b", PHOTO) + b"--b\r\n", "the one at its end lacks the -- behind it"),
        (part("name=a; filename=b", PHOTO).replace(b"\r\n", b"\n") + b"--b--", "LF alone; CRLF is needed"),
        (b"--c\r\n\r\n--c--", "that its Content-Type names is nowhere in it"),
    ],
)
async def test_what_is_wrong_with_a_form_is_told(body: bytes, sentence: str, shared: Api) -> None:
    response = await shared.client.post("/detect", content=body, headers=FORM)
    assert sentence in assert_is_error(response, 400, "bad_request")


async def test_a_picture_at_a_wrong_path_is_404_however_large(shared: Api) -> None:
    for path in ("http://localhost/detect/", "http://localhost//detect", "http://localhost/Detect"):
        sentence = assert_is_error(await shared.client.post(path, content=LARGE), 404, "not_found")
        assert sentence == f"POST {path.removeprefix('http://localhost')} is not served here"


async def test_bytes_before_a_picture_are_told(shared: Api) -> None:
    sentence = assert_is_error(await post(shared, b"\r\n" + PHOTO), 415, "not_a_jpeg")
    assert sentence.endswith("it does not begin with ff d8 ff; 2 bytes come before them")


@pytest.mark.parametrize(
    "text",
    [
        TEXT.rstrip("="),
        base64.b64encode(PHOTO + b"x").decode().rstrip("="),
        base64.b64encode(PHOTO + b"xy").decode().rstrip("="),
        base64.urlsafe_b64encode(PHOTO + b"\xff\xfe\xfd").decode(),
        "DATA:image/jpeg;charset=utf-8;BASE64," + TEXT,
        "\r\n".join(TEXT[at : at + 76] for at in range(0, len(TEXT), 76)),
    ],
)
async def test_base64_is_read_as_clients_write_it(text: str, shared: Api) -> None:
    assert (await shared.client.post("/detect", json={"image": text})).status_code == 200


@pytest.mark.parametrize(
    "kind",
    ["binary/octet-stream", "text/plain", "*/*", "jpeg", "video/x-motion-jpeg", "application/json", *FORM.values()],
)
async def test_what_begins_like_a_jpeg_file_is_one(kind: str, shared: Api) -> None:
    assert (await post(shared, PHOTO, Content_Type=kind)).status_code == 200


@pytest.mark.parametrize("kind", ["text/json", "application/vnd.api+json", "application/x-www-form-urlencoded", ""])
async def test_so_is_json(kind: str, shared: Api) -> None:
    assert (await post(shared, b' {"image": "%s"}' % TEXT.encode(), Content_Type=kind)).status_code == 200


@pytest.mark.parametrize(
    ("body", "encoding", "status", "sentence"),
    [
        (gzip.compress(PHOTO), "gzip", 200, ""),
        (gzip.compress(PHOTO), "x-GZIP", 200, ""),
        (zlib.compress(PHOTO), "deflate", 200, ""),
        (zlib.compress(PHOTO, wbits=-15), "deflate", 200, ""),
        (PHOTO, "gzip", 200, ""),
        (PHOTO, "utf-8", 200, ""),
        (PHOTO, "", 200, ""),
        (gzip.compress(PHOTO)[:-9], "gzip", 400, "the compressed body is cut off"),
        (gzip.compress(PHOTO[:100]) + gzip.compress(PHOTO[100:]), "gzip", 200, ""),
        (gzip.compress(PHOTO) + b"more", "gzip", 400, "bytes after the end"),
        (zlib.compress(PHOTO) + zlib.compress(PHOTO), "deflate", 400, "bytes after the end"),
        (b"no gzip", "gzip", 400, "not compressed as its Content-Encoding says: gzip"),
        (b"x", "br", 415, "send gzip, deflate or none"),
        (gzip.compress(LARGE), "gzip", 200, ""),
        (gzip.compress(LARGE, 0), "gzip", 200, ""),
        (gzip.compress(bytes(3_000_000)), "gzip", 413, "limit of 2,000,000 bytes once it is unpacked"),
    ],
)
async def test_bodies_are_unpacked_within_the_limit(
    body: bytes, encoding: str, status: int, sentence: str, start_shared: Start
) -> None:
    api = await start_shared(max_body_bytes=2_000_000)
    await api.ready()
    response = await post(api, body, Content_Encoding=encoding, Content_Type="image/jpeg")
    assert response.status_code == status
    assert sentence in response.text


async def test_what_is_unpacked_takes_no_more_memory_than_bodies_may(start: Start) -> None:
    api = await start(max_body_bytes=2_000_000, bodies_bytes=1_000_000)
    (packed,) = [layer for layer in api.app.user_middleware if "most_bytes" in layer.kwargs]
    assert packed.kwargs["most_bytes"] == 2_000_000


@pytest.mark.parametrize("path", ["/detect", "/models/street_signs"])
async def test_curl_d_gets_the_hint(path: str, shared: Api) -> None:
    lost, kind = LARGE.replace(b"\n", b"").replace(b"\r", b""), {"Content-Type": "application/x-www-form-urlencoded"}
    response = await shared.client.post(path, content=lost, headers=kind)
    assert "--data-binary @file" in assert_is_error(response, 422, "invalid_image")


@pytest.mark.parametrize("kind", ["", "text/plain", "image/jpeg"])
async def test_base64_alone_gets_a_hint(kind: str, shared: Api) -> None:
    response = await post(shared, TEXT.encode(), Content_Type=kind)
    assert "in base64: send the file itself, or JSON" in assert_is_error(response, 415, "not_a_jpeg")


@pytest.mark.parametrize(
    ("query", "body", "named"),
    [
        ({"threshold": "0.5"}, {"threshold": 0.4}, "threshold"),
        ({"min_confidence": "0.5"}, {"confidence": "0.4"}, "threshold"),
        ({"classes": "tram"}, {"classes": ["traffic light"]}, "classes"),
        ({"threshold": "0.50"}, {"threshold": 0.5}, None),
        ({"threshold": "0.5"}, {"box": "xywh"}, None),
        ({"classes": "tram, 65"}, {"classes": ["tram", "65"]}, None),
    ],
)
async def test_two_values_of_one_parameter_are_named(
    query: dict[str, str], body: dict[str, Any], named: str | None, shared: Api
) -> None:
    response = await shared.client.post("/detect", json={"image": TEXT, **body}, params=query)
    if named is None:
        assert response.status_code == 200
    else:
        assert assert_is_error(response, 422, "bad_parameter").startswith(f"{named}: the query says ")


@pytest.fixture(scope="module")
async def open_to_pages(start_shared: Start) -> Api:
    api = await start_shared(allowed_origins=(HERE,), token="sesame", admin_token="admins")
    await api.ready()
    return api


PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}


async def test_a_page_of_an_allowed_origin_may_ask_and_read(open_to_pages: Api) -> None:
    asked = {"Origin": HERE, "Sec-Fetch-Site": "cross-site", "Authorization": "Bearer sesame"}
    before = await open_to_pages.client.options("/detect", headers={"Origin": HERE, **PREFLIGHT})
    assert (before.status_code, before.headers["Access-Control-Allow-Origin"]) == (204, HERE)
    assert before.headers["Access-Control-Allow-Headers"] == "authorization,content-type"
    assert "Access-Control-Allow-Private-Network" not in before.headers
    local = {"Origin": HERE, "Access-Control-Request-Private-Network": "true", **PREFLIGHT}
    before = await open_to_pages.client.options("/detect", headers=local)
    assert before.headers["Access-Control-Allow-Private-Network"] == "true"
    response = await open_to_pages.client.post("/detect", content=PHOTO, headers=asked)
    assert (response.status_code, response.headers["Access-Control-Allow-Origin"]) == (200, HERE)
    assert "X-Request-Id" in response.headers["Access-Control-Expose-Headers"]
    refused = await open_to_pages.client.post("/detect", content=PHOTO, headers={"Origin": HERE})
    assert (refused.status_code, refused.headers["Access-Control-Allow-Origin"]) == (401, HERE)


@pytest.mark.parametrize(("origin", "path"), [(THERE, "/detect"), (HERE, "/admin/backend"), ("null", "/detect")])
async def test_other_pages_and_an_admins_routes_stay_closed(origin: str, path: str, open_to_pages: Api) -> None:
    preflight = await open_to_pages.client.options(path, headers={"Origin": origin, **PREFLIGHT})
    assert preflight.status_code >= 400
    asked = {"Origin": origin, "Authorization": "Bearer admins"}
    response = await open_to_pages.client.post(path, content=PHOTO, headers=asked)
    assert_is_error(response, 403, "cross_site")
    assert "Access-Control-Allow-Origin" not in {**preflight.headers, **response.headers}


async def test_by_itself_no_page_elsewhere_may_ask(shared: Api) -> None:
    response = await shared.client.post("/detect", content=PHOTO, headers={"Origin": HERE})
    assert_is_error(response, 403, "cross_site")
    assert not {name for name in response.headers if name.startswith("access-control")}


@pytest.mark.parametrize("prefix", ["/detector", ""])
async def test_below_a_path_everything_is_as_without(prefix: str, start: Start) -> None:
    api = await start(root_path="/detector", token="sesame", admin_token="admins")
    assert (await api.client.get(f"{prefix}/healthz")).status_code == 200
    assert (await api.client.get(f"{prefix}/convert/jobs")).status_code == 401
    document = (await api.client.get(f"{prefix}/openapi.json")).json()
    assert document["servers"] == [{"url": "/detector"}]
    assert '"/' not in (await api.client.get(f"{prefix}/docs")).text.replace('"//', "")
    assert await api.metric("detector_request_duration_seconds_count", route="/healthz") == 1
