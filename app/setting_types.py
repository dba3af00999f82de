"""What single settings may be: each type takes the text of a variable, and refuses with a sentence."""

import re
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from app.choices import CopyName
from converter.outputs import parse_roles
from converter.reading import Reading

PREFIX = "DETECTOR_"
_MOST_OF_A_FILE = 4096  # characters of one that holds a token
_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", re.ASCII)  # of a host, in lower case


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server that listens on `host`."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _split(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _has_a_port(value: str) -> str:
    """The same with an address where there is none, and with brackets around one of version 6."""
    host, colon, port = value.rpartition(":")
    if not colon or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535 or not _can_be_bound(host):
        raise ValueError(f"{value!r} is not an address and a port, like 127.0.0.1:8000 or 0.0.0.0:8000")
    return f"{_in_full(host)}:{port}"


def _in_full(host: str) -> str:
    bare = host.strip("[]") or "127.0.0.1"
    return f"[{bare}]" if ":" in bare else bare


def _can_be_bound(host: str) -> bool:
    """Whether it is nothing, an address (of version 6 perhaps in brackets) or a name."""
    try:
        ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        return not host or bool(_NAME.fullmatch(host.lower()))
    return True


def _can_be_sent(value: SecretStr | None) -> SecretStr | None:
    if value is None or not value.get_secret_value():
        return None
    token = value.get_secret_value()
    if not token.isprintable():
        raise ValueError("it has characters that no HTTP header can carry")
    if token != token.strip():
        raise ValueError("it begins or ends with a space, which HTTP headers lose")
    return value


def _in_the_file(value: object) -> object:
    """What the file holds, without the line's end that editors and `echo` leave there."""
    if not isinstance(value, str | Path):
        return value
    try:
        with open(value, encoding="utf-8") as file:
            text = file.read(_MOST_OF_A_FILE + 1)
    except UnicodeDecodeError:
        raise ValueError(f"{value} is not UTF-8 text") from None
    except OSError as error:
        raise ValueError(f"{value} can't be read: {error.strerror}") from None
    if len(text) > _MOST_OF_A_FILE:
        raise ValueError(f"{value} has more than {_MOST_OF_A_FILE:,} characters")
    if not text.removesuffix("\n"):
        raise ValueError(f"{value} is empty")  # not "no token": a secret that got lost must not open the server
    return text.removesuffix("\n")


def _is_true_or_false(value: object, read: ValidatorFunctionWrapHandler) -> bool:
    try:
        return bool(read(value))
    except ValidationError:
        raise ValueError("it must be true or false") from None


def _is_a_host(value: str) -> str:
    name = value.lower().removesuffix(".")
    if name != "*" and not _NAME.fullmatch(name.removeprefix(".")):
        raise ValueError("give a host name without a port, like detector or .example.com, or *")
    return name


def _is_an_origin(value: str) -> str:
    origin = value.lower().removesuffix("/")
    if not re.fullmatch(r"\*|null|[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(:\d{1,5})?", origin, re.ASCII):
        raise ValueError("give an origin as browsers do, like https://app.example.com or http://localhost:3000, or *")
    return origin


def _is_a_prefix(value: str) -> str:
    path = value.rstrip("/")
    if path and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", path, re.ASCII):
        raise ValueError("give a path that begins with a slash, like /detector")
    return path


def _is_not_ours(value: str) -> str:
    if value.startswith(PREFIX):
        raise ValueError(f"{value} is the server's own and not for its children")
    return value


def _in_order(value: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(sorted(set(value)))


def _is_a_reading(value: str) -> str:
    return str(Reading.parse(value))


def _are_outputs(value: str) -> str:
    parse_roles(value)
    return value


OutputNames = Annotated[str, AfterValidator(_are_outputs)]
Boxes = Annotated[str, AfterValidator(_is_a_reading)]
Bind = Annotated[str, AfterValidator(_has_a_port)]
Switch = Annotated[bool, WrapValidator(_is_true_or_false)]
Token = Annotated[SecretStr | None, AfterValidator(_can_be_sent)]
TokenInFile = Annotated[SecretStr | None, BeforeValidator(_in_the_file), AfterValidator(_can_be_sent)]
Names = Annotated[tuple[CopyName, ...], BeforeValidator(_split)]
HostNames = Annotated[tuple[Annotated[str, AfterValidator(_is_a_host)], ...], BeforeValidator(_split)]
Origins = Annotated[tuple[Annotated[str, AfterValidator(_is_an_origin)], ...], BeforeValidator(_split)]
PathPrefix = Annotated[str, AfterValidator(_is_a_prefix)]
VariableNames = Annotated[tuple[Annotated[str, AfterValidator(_is_not_ours)], ...], BeforeValidator(_split)]
Sizes = Annotated[tuple[Annotated[int, Field(ge=1)], ...], BeforeValidator(_split), AfterValidator(_in_order)]
