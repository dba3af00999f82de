"""What a server may say to the command line, and what it is asked at."""

import json
import re
import socket
import threading

import pytest

from app.commands.asking import Asker, NoServer
from app.commands.own_server import is_ready
from tests.support.app.telling import telling


@pytest.mark.parametrize(
    "url", ["localhost", "ftp://host", "http://", "http://[::1", "http://host:x", "http://host:70000", "http://host:0"]
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(NoServer, match="is not the URL of a server"):
        Asker.of(url, {}, None)


@pytest.mark.parametrize(
    ("status", "body", "sentence"),
    [
        (200, "<html>", "is no detection server: it said 200"),
        (301, "", "is no detection server: it said 301"),
        (200, "[]", "is no detection server: it said 200"),
        (401, {"error": "this needs a token", "code": "unauthorized"}, "this needs a token: set DETECTOR_TOKEN"),
        (422, {"error": "threshold: it is 7", "code": "bad_parameter"}, "threshold: it is 7"),
        (404, {"error": "POST /x/detect is not served here", "code": "not_found"}, "is not served here"),
    ],
)
def test_what_every_picture_would_get_ends_it(status: int, body: object, sentence: str) -> None:
    told = body if isinstance(body, str) else json.dumps(body)
    with telling((status, told)) as url, pytest.raises(NoServer, match=sentence):
        Asker.of(url, {}, None).detect(b"a picture")


def test_bytes_of_another_protocol_are_not_shown_to_a_terminal() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            for _ in range(2):  # the second time in case the first connection was an old one
                with server.accept()[0] as connection:
                    connection.recv(1 << 16)
                    connection.sendall(b"\0\0\x12\x04\x1b[31m\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(NoServer, match=re.escape(f"{url} does not answer: what is there does not speak HTTP")):
            Asker.of(url, {}, None).detect(b"a picture")
        thread.join()


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (413, "<html>a proxy's</html>", "unknown"),
        (422, json.dumps({"error": "damaged", "code": "invalid_image"}), "invalid_image"),
    ],
)
def test_what_one_picture_gets_is_its_answer(status: int, body: str, code: str) -> None:
    with telling((status, body)) as url:
        assert Asker.of(url, {}, None).detect(b"a picture")["code"] == code


def test_a_token_is_sent_as_the_server_compares_it() -> None:
    seen: list[str] = []
    with telling((200, '{"detections": []}'), seen=seen) as url:
        Asker.of(url, {}, "schlüssel…").detect(b"a picture")
    assert [each.encode("latin-1").decode() for each in seen] == ["Bearer schlüssel…"]


def test_a_retry_after_that_is_no_number_is_none() -> None:
    with telling((429, '{"error": "full", "code": "overloaded"}'), retry_after="\u00b2") as url:
        assert Asker.of(url, {}, None).detect(b"a picture")["code"] == "overloaded"


def test_the_own_server_is_asked_past_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    with telling((200, "{}")) as url:
        assert is_ready(url.removeprefix("http://"))
    with telling((503, "{}")) as url:
        assert not is_ready(url.removeprefix("http://"))
    assert not is_ready("127.0.0.1:9")


@pytest.mark.parametrize(("status", "code", "most"), [(429, "overloaded", 60), (503, "backend_unavailable", 5)])
def test_a_refusal_is_taken_for_final_in_the_end(status: int, code: str, most: int) -> None:
    seen: list[str] = []
    with telling((status, json.dumps({"error": "not now", "code": code})), seen=seen) as url:
        assert Asker.of(url, {}, None).detect(b"a picture")["code"] == code
    assert len(seen) == most
