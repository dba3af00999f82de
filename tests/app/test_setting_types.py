"""Settings of their own types: addresses, and tokens."""

import pytest

from app.settings import PREFIX, Settings, WrongSetting


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
