"""Under which names the server answers, and which requests of browsers it takes: nothing else reaches a route."""

import pytest

from app.api.hosts import Allowed
from app.errors import BadRequest, CrossSite, ServiceError, WrongHost
from tests.app.api.conftest import Start, assert_is_error

pytestmark = pytest.mark.anyio

NAMED = Allowed(("detector", ".example.com", "my_service"))
LONG = "a" * 5000


def outcome(
    allowed: Allowed, method: str, *headers: tuple[str, str], path: str = "/model", version: str = "1.1"
) -> str:
    """What becomes of a request with these headers: `in`, or the word of its error."""
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    try:
        allowed.check(method, path, raw, http_version=version)
    except ServiceError as error:
        return error.code if len(str(error)) < 300 else "too long"
    return "in"


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8000", "10.1.2.3:80", "[::1]", "[::1]:8000", "[FE80::1%eth0]:1"]
)
@pytest.mark.parametrize("allowed", [Allowed(), NAMED, Allowed(("*",))])
def test_an_address_is_always_answered(host: str, allowed: Allowed) -> None:
    assert outcome(allowed, "GET", ("Host", host)) == "in"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *(
            (host, "in")
            for host in ("localhost", "LOCALHOST:8000", "localhost.", "localhost:", "detector:8000", "Detector.")
        ),
        *((host, "in") for host in ("example.com", "a.b.example.com:443", "my_service:8000")),
        *(
            (host, WrongHost.code)
            for host in ("evil.example", "detector.evil.example", "badexample.com", "127.0.0.1.nip.io")
        ),
        *(
            (host, WrongHost.code)
            for host in ("localhost.evil.example", "127.1", "0x7f000001", "2130706433", "010.0.0.1", LONG)
        ),
        *(
            (host, BadRequest.code)
            for host in ("", " ", "[::1", "::1", "a]b", "[a]", "[::1]x", "a b", "a:b", "a:1:2", ":80")
        ),
        *(
            (host, BadRequest.code)
            for host in ("user@localhost", "localhost/", "http://localhost", "d\xe9tector", "\xff\xfe", "*")
        ),
        *(
            (host, BadRequest.code)
            for host in ("localhost,evil", "localhost..", ".", "a:\N{SUPERSCRIPT TWO}", "a:" + "9" * 5000)
        ),
    ],
)
def test_a_name_is_answered_if_it_is_ours(host: str, expected: str) -> None:
    assert outcome(NAMED, "GET", ("Host", host)) == expected
    assert outcome(Allowed(("*",)), "GET", ("Host", host)) == (BadRequest.code if expected == BadRequest.code else "in")


@pytest.mark.parametrize(
    ("headers", "path", "version", "expected"),
    [
        ([], "/model", "1.1", BadRequest.code),
        ([], "/model", "1.0", "in"),
        ([("Host", "evil.example")], "/model", "1.0", WrongHost.code),
        ([("Host", "localhost"), ("Host", "localhost")], "/model", "1.1", BadRequest.code),
        *(([("Host", "evil.example")], path, "1.1", "in") for path in ("/healthz", "/readyz", "/startupz")),
        ([], "/healthz", "1.1", "in"),
        ([("Host", "evil.example")], "/healthz/", "1.1", WrongHost.code),
    ],
)
def test_one_host_is_needed_but_not_for_probes(
    headers: list[tuple[str, str]], path: str, version: str, expected: str
) -> None:
    assert outcome(NAMED, "GET", *headers, path=path, version=version) == expected


@pytest.mark.parametrize(
    ("host", "headers", "expected"),
    [
        ("localhost:8000", {}, "in"),
        ("localhost:8000", {"Origin": "http://localhost:8000", "Sec-Fetch-Site": "same-origin"}, "in"),
        ("localhost:8000", {"Sec-Fetch-Site": "none"}, "in"),
        ("[::1]:8000", {"Origin": "http://[0:0:0:0:0:0:0:1]:8000"}, "in"),
        ("detector", {"Origin": "https://detector"}, "in"),  # behind a proxy that speaks TLS
        ("detector", {"Origin": "HTTP://Detector:80"}, "in"),
        ("detector:443", {"Origin": "https://detector"}, "in"),
        ("detector", {"Origin": "https://detector:8443"}, CrossSite.code),
        ("localhost:8000", {"Origin": "http://localhost:8001", "Sec-Fetch-Site": "same-site"}, CrossSite.code),
        ("localhost:8000", {"Origin": "http://127.0.0.1:8000"}, CrossSite.code),
        ("a.example.com", {"Origin": "http://b.example.com", "Sec-Fetch-Site": "same-site"}, CrossSite.code),
        ("localhost:8000", {"Sec-Fetch-Site": "Cross-Site"}, CrossSite.code),
        ("localhost:8000", {"Origin": "http://localhost:8000", "Sec-Fetch-Site": "cross-site"}, CrossSite.code),
        *(
            ("localhost", {"Origin": origin}, CrossSite.code)
            for origin in (
                "null",
                "",
                "http://evil.example",
                "http://localhost/",
                "file://",
                "chrome-extension://localhost",
            )
        ),
        ("localhost", {"Origin": "http://localhost\xe9" + LONG}, CrossSite.code),
    ],
)
def test_another_sites_page_changes_nothing(host: str, headers: dict[str, str], expected: str) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH", "BREW"):
        assert outcome(NAMED, method, ("Host", host), *headers.items()) == expected
    for method in ("GET", "HEAD", "OPTIONS"):
        assert outcome(NAMED, method, ("Host", host), *headers.items()) == "in"


def test_each_of_two_origins_must_be_ours() -> None:
    origins = [("Origin", "http://localhost"), ("Origin", "http://evil.example")]
    assert outcome(NAMED, "POST", ("Host", "localhost"), *origins) == CrossSite.code


@pytest.mark.parametrize(
    ("settings", "host", "status"),
    [
        ({}, "detector:8000", 421),
        ({"allowed_hosts": "detector"}, "detector:8000", 200),
        ({"bind": "0.0.0.0:8000"}, "detector:8000", 200),
        ({"bind": "0.0.0.0:8000", "allowed_hosts": "detector"}, "evil.example", 421),
        ({"bind": "[::1]:8000"}, "evil.example", 421),
        ({"bind": "localhost:8000", "allowed_hosts": "*"}, "evil.example", 200),
    ],
)
async def test_the_settings_say_who_is_asked_for(
    settings: dict[str, str], host: str, status: int, start: Start
) -> None:
    api = await start(**settings)
    response = await api.client.get("/metrics", headers={"Host": host})  # as Prometheus scrapes by a service's name
    assert response.status_code == status, response.text
    if status == 421:
        assert "DETECTOR_ALLOWED_HOSTS" in assert_is_error(response, 421, WrongHost.code)
    crossed = await api.client.post("/detect", headers={"Host": "localhost", "Origin": "null"}, content=b"x")
    assert_is_error(crossed, 403, CrossSite.code)
