"""Bodies made to cost much: what they are answered, and that reading takes turns with everybody else."""

import asyncio
import base64
import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.types import Message

from app.api.accept import wants_picture
from app.api.dialects import forms, json_bodies
from app.api.dialects.steps import STEP_BYTES, Steps
from app.errors import BadRequest
from tests.app.api.conftest import Api, Start, assert_is_error
from tests.support.app import jpegs

pytestmark = pytest.mark.anyio

PHOTO = jpegs.photo()
BASE64 = base64.b64encode(PHOTO + bytes(2 * STEP_BYTES)).decode()
FORM = "multipart/form-data; boundary=x"


def field(name: bytes, value: bytes) -> bytes:
    return b'--x\r\nContent-Disposition: form-data; name="' + name + b'"' + value + b"\r\n"


FILE = field(b"image", b'; filename="a.jpg"\r\n\r\n' + PHOTO)

HOSTILE = {
    "a million keys": (b'{"image":"/9j/"' + b',"a":1' * 1_000_000 + b"}", "application/json", 400, "besides its pict"),
    "a letter too many": (b'{"image":"/9j/4"}', "application/json", 400, "a whole group of four"),
    "lost +": (b'{"image":"/9j/ 4A"}', "application/json", 400, "perhaps where a + was"),
    "a million objects": (b'{"images":[' + b"{}," * 1_000_000, "application/json", 400, "besides its pictures"),
    "a long name": (b'{"image":"/9j/","classes":"' + b"dog" * 9_000 + b'"}', "application/json", 400, "not a picture"),
    "a deep list": (b'{"image":"/9j/","box":' + b"[" * 500 + b"]" * 500 + b"}", "application/json", 422, "box: it is"),
    "a long number": (b'{"image":"/9j/","timeout_ms":1' + b"0" * 400 + b"}", "application/json", 422, "timeout_ms"),
    "half a surrogate pair": (b'{"image":"/9j/","\\ud800":1}', "application/json", 422, "'?' is not a parameter"),
    "a punycode field": (
        FILE + field(b"a-9", b"\r\n\r\nb") + b"--x--",
        FORM + "; charset=punycode",
        422,
        "'a-9' is no",
    ),
    "a long field": (field(b"classes", b"\r\n\r\n" + b"1," * 3_000) + FILE + b"--x--", FORM, 400, "4,096 bytes"),
    "long fields": ((field(b"a", b"\r\n\r\n" + b"1" * 4_000)) * 5 + FILE + b"--x--", FORM, 400, "bytes together"),
    "many fields": (field(b"a", b"\r\n\r\n1") * 21 + FILE + b"--x--", FORM, 400, "more than 20 fields"),
    "a long part header": (field(b"a" * 5_000, b"\r\n\r\n1") + FILE + b"--x--", FORM, 400, "a part's header"),
    "options of a part": (field(b"a", b";" * 21 + b"\r\n\r\n1") + FILE + b"--x--", FORM, 400, "more than 20 options"),
    "lines of a part": (field(b"a", b"\r\na:" * 20 + b"\r\n\r\n1") + FILE + b"--x--", FORM, 400, "than 20 lines"),
    "options of a form": (FILE + b"--x--", FORM + ";" * 20, 400, "more than 20 options"),
    "a long Content-Type": (FILE + b"--x--", FORM + ";" * 60_000, 400, "its Content-Type has more than 1,000 bytes"),
    "false boundaries": (FILE + b"\r\n--xy" * 1_001 + b"\r\n--x--", FORM, 400, "lines begin like its boundary"),
    "no last boundary": (FILE, FORM, 400, "its last boundary is missing"),
    "5,000 digits of a class": (
        FILE + field(b"classes", b"\r\n\r\n" + b"9" * 4_000) + b"--x--",
        FORM,
        422,
        "classes: a",
    ),
}


@pytest.mark.parametrize(("body", "kind", "status", "says"), HOSTILE.values(), ids=HOSTILE.keys())
async def test_what_no_client_needs_is_refused_with_its_limit(
    body: bytes, kind: str, status: int, says: str, shared: Api
) -> None:
    response = await shared.client.post("/detect", content=body, headers={"Content-Type": kind})
    assert says in assert_is_error(response, status, "bad_request" if status == 400 else "bad_parameter")


async def test_only_the_beginning_of_accept_is_read() -> None:
    assert wants_picture("image/jpeg" + "," * 60_000)
    assert not wants_picture("," * 60_000 + "image/jpeg")


QUERIES = {
    "classes": ({"classes": "9" * 5_000}, "200 characters"),
    "timeout_ms": ({"timeout_ms": "1" + "0" * 400}, "timeout_ms"),
    "many classes": ({"classes": "1," * 1_001}, "at most 1,000"),
    "many parameters": ({str(each): "" for each in range(1_001)}, "more than 1,000 parameters"),
    "a long query": ({"classes": "x" * 20_000}, "the query has more than 16,384 bytes"),
}


@pytest.mark.parametrize(("query", "says"), QUERIES.values(), ids=QUERIES.keys())
async def test_numbers_and_names_in_a_query_are_bounded(query: dict[str, str], says: str, shared: Api) -> None:
    assert says in assert_is_error(await shared.detect(PHOTO, **query), 422, "bad_parameter")


WRITTEN: dict[str, Callable[[str], str]] = {
    "plain": json.dumps,
    "as PHP escapes it": lambda text: json.dumps(text).replace("/", "\\/"),
    "as .NET escapes it": lambda text: json.dumps(text).replace("+", "\\u002b"),
    "in lines": lambda text: json.dumps("\r\n".join(text[at : at + 76] for at in range(0, len(text), 76))),
    "as a data: URI": lambda text: json.dumps("data:image/jpeg;base64," + text),
}


@pytest.mark.parametrize("write", WRITTEN.values(), ids=WRITTEN.keys())
async def test_a_large_picture_is_read_however_its_base64_is_written(write: Callable[[str], str]) -> None:
    found = await json_bodies.read(f'{{"image":{write(BASE64)},"box":"xywh"}}'.encode(), Steps())
    assert (found.pictures, found.fields) == ([PHOTO + bytes(2 * STEP_BYTES)], {"box": "xywh"})


async def _json(body: bytes, steps: Steps) -> Any:
    return await json_bodies.read(b'{"image":"' + body + b'"}', steps)


async def _form(body: bytes, steps: Steps) -> Any:
    return await forms.read(FORM, FILE + body, steps)


@pytest.mark.parametrize("read", [_json, _form])
@pytest.mark.parametrize("piece", [b" ", b"\\n", b"\\\\", b"\r", b"\r\n--"], ids=repr)
async def test_others_have_a_turn_after_each_step_of_a_large_body(read: Callable[..., Any], piece: bytes) -> None:
    rounds = 0

    async def others() -> None:
        nonlocal rounds
        while True:
            rounds += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(others())
    size = 8 * STEP_BYTES
    with contextlib.suppress(BadRequest):
        await read(piece * (size // len(piece)) + b'"', Steps())
    beside.cancel()
    assert rounds >= size // STEP_BYTES


@pytest.mark.parametrize(("path", "kind"), [("/detect", "image/jpeg"), ("/convert", "application/json")])
async def test_a_client_that_leaves_in_the_middle_of_its_body_is_gone(
    path: str, kind: str, start: Start, caplog: pytest.LogCaptureFixture
) -> None:
    api = await start(admin_token="sesame")
    messages = iter(({"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}))
    headers = [(b"host", b"localhost"), (b"content-type", kind.encode()), (b"authorization", b"Bearer sesame")]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers}

    async def receive() -> Message:
        return next(messages)

    async def send(message: Message) -> None:
        """Nobody reads it."""

    await api.app({**scope, "http_version": "1.1", "asgi": {}, "root_path": ""}, receive, send)
    assert await api.metric("detector_request_duration_seconds_count", route=path, code="499") == 1
    assert "failed" not in caplog.text
