"""Settings of their own types: addresses, and tokens."""

from pathlib import Path

import pytest

from app.settings import PREFIX, Settings, WrongSetting
from tests.support.places import ROOT


@pytest.mark.parametrize("name", ["token", "admin_token"])
def test_a_token_is_never_shown(name: str) -> None:
    settings = Settings.from_env({PREFIX + name.upper(): "sesame"})
    assert "sesame" not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
    with pytest.raises(WrongSetting) as caught:
        Settings.from_env({PREFIX + name.upper(): "sesame\udcff"})
    assert "sesame" not in str(caught.value)
    assert PREFIX + name.upper() in str(caught.value)


@pytest.mark.parametrize("token", ["   ", " abc", "abc ", "abc\n"])
def test_a_token_that_headers_would_change_is_wrong(token: str) -> None:
    with pytest.raises(WrongSetting, match=r"^DETECTOR_TOKEN: it "):
        Settings.from_env({"DETECTOR_TOKEN": token})


@pytest.mark.parametrize("name", ["token", "admin_token"])
def test_an_empty_token_is_none(name: str) -> None:
    assert getattr(Settings.from_env({PREFIX + name.upper(): ""}), name) is None


@pytest.mark.parametrize("name", ["token", "admin_token"])
def test_a_token_comes_from_its_file_and_is_shown_no_more_than_another(name: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("sesame\n")
    settings = Settings.from_env({f"{PREFIX}{name.upper()}_FILE": str(file)})
    key = settings.detection_key if name == "token" else settings.admin_key
    assert key is not None
    assert key.get_secret_value() == "sesame"
    assert "sesame" not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"


@pytest.mark.parametrize("name", ["TOKEN", "ADMIN_TOKEN"])
def test_a_token_and_its_file_are_one_too_many(name: str) -> None:
    given = {f"DETECTOR_{name}": "sesame", f"DETECTOR_{name}_FILE": str(ROOT / "tests/data/token.txt")}
    with pytest.raises(WrongSetting) as caught:
        Settings.from_env(given)
    assert str(caught.value) == f"DETECTOR_{name}_FILE: DETECTOR_{name} is set too; set one of the two"
    assert Settings.from_env({**given, f"DETECTOR_{name}": ""})  # set to nothing is not set


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "can't be read: No such file or directory"),
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\xff\xfe", "is not UTF-8 text"),
        (b"a" * 5000, "has more than 4,096 characters"),
        (b"two\nlines\n", "it has characters that no HTTP header can carry"),
        (b" sesame\n", "it begins or ends with a space"),
    ],
    ids=["missing", "empty", "a line's end", "no text", "too long", "two lines", "a space"],
)
def test_a_file_without_a_token_ends_the_start(content: bytes | None, says: str, tmp_path: Path) -> None:
    """A secret that got lost must not open the server."""
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(WrongSetting) as caught:
        Settings.from_env({"DETECTOR_TOKEN_FILE": str(file)})
    assert str(caught.value).startswith("DETECTOR_TOKEN_FILE: ")
    assert says in str(caught.value)
    assert "sesame" not in str(caught.value)


@pytest.mark.parametrize(
    ("bind", "host", "port"),
    [
        ("127.0.0.1:8000", "127.0.0.1", 8000),
        ("0.0.0.0:0", "0.0.0.0", 0),
        ("[::1]:8000", "::1", 8000),
        (":8000", "127.0.0.1", 8000),
        ("localhost:65535", "localhost", 65535),
        ("::1:8000", "::1", 8000),
        ("[fe80::1%eth0]:8000", "fe80::1%eth0", 8000),
    ],
)
def test_bind_is_an_address_and_a_port(bind: str, host: str, port: int) -> None:
    settings = Settings(bind=bind, grpc_bind=bind)
    assert (settings.host, settings.port) == (host, port)
    assert settings.grpc_bind == (f"[{host}]:{port}" if ":" in host else f"{host}:{port}")  # as gRPC reads it


@pytest.mark.parametrize(
    "bind",
    ["", "localhost", "localhost:", "localhost:http", "localhost:65536", "localhost:٨٠", "*:8000", "http://a:8000"],
)
def test_bind_that_is_no_address_and_port_is_wrong(bind: str) -> None:
    with pytest.raises(WrongSetting, match=r"^DETECTOR_BIND: "):
        Settings.from_env({"DETECTOR_BIND": bind})
