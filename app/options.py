"""The settings as options of the command line, by sections, with their values and defaults."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from app.settings import PREFIX, Settings

# The section that begins with this setting; the order is that of the fields.
SECTIONS = {
    "model": "The model",
    "max_batch": "Batches and the GPU",
    "token": "Tokens",
    "bind": "Address and proxies",
    "cache": "Copies",
    "gate_images": "The gate",
    "shadow_share": "Live pairs",
    "child_environment": "Workers",
    "queue_limit": "Requests",
    "load_seconds": "Time and memory",
    "log_level": "The log",
}
DEFAULT = " Default: "  # what follows it in a description is said of the default
_METAVARS = {bool: "true|false", int: "N", float: "NUMBER", Path: "PATH"}


def add_all(parser: argparse.ArgumentParser) -> None:
    """Every setting but the tokens, since command lines are public on a machine; with the variable of each."""
    group: argparse._ArgumentGroup | None = None
    for name in Settings.model_fields:
        if name in SECTIONS and name != "token":
            group = parser.add_argument_group(SECTIONS[name])
        if "token" not in name:
            add(group or parser, (name,), variable=True)


def add(
    parser: "argparse.ArgumentParser | argparse._ArgumentGroup", names: Sequence[str], *, variable: bool = False
) -> None:
    """These settings; a `variable` says the same."""
    for name in names:
        field = Settings.model_fields[name]
        text = f"{field.description}{_default(name)}{f' [{PREFIX}{name.upper()}]' if variable else ''}"
        parser.add_argument(
            f"--{name.replace('_', '-')}", metavar=_metavar(field.annotation), help=text.replace("%", "%%")
        )


def written(value: Any) -> str:
    """A default as a variable would have it; nothing if there is none."""
    if value in (None, (), ""):
        return ""
    if isinstance(value, float):
        return f"{value:g}"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _default(name: str) -> str:
    field = Settings.model_fields[name]
    told = DEFAULT in str(field.description)
    default = "" if told or field.default_factory else written(field.default)
    return f"{DEFAULT}`{default}`." if default else ""


def _metavar(kind: Any) -> str:
    """What may stand there, in a word: the choices, or the kind of value."""
    if get_origin(kind) in (Union, UnionType):
        kind = next(each for each in get_args(kind) if each is not type(None))
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) is Literal:
        return "|".join(get_args(kind))
    return _METAVARS.get(kind, "VALUE")
