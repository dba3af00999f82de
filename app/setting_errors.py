"""What is said of a setting that can't be used."""

from collections.abc import Mapping

from pydantic import ValidationError

from app.setting_types import PREFIX


class WrongSetting(Exception):
    """A setting's value can't be used; the message is one sentence for the person who set it."""


def in_a_sentence(error: ValidationError, options: Mapping[str, str]) -> WrongSetting:
    """The first thing that is wrong, by the name under which it was given: a variable's or that of one of `options`."""
    first = error.errors()[0]
    name = str(first["loc"][0])
    called = f"--{name.replace('_', '-')}" if name in options else PREFIX + name.upper()
    value = "" if "token" in name else f" (it is {first['input']!r})"  # a secret is never shown
    return WrongSetting(f"{called}: {first['msg'].removeprefix('Value error, ')}{value}")
