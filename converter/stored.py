"""Dataclasses as JSON: written as they are, read with every name and type checked."""

import json
from collections.abc import Hashable, Set
from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pydantic import TypeAdapter, ValidationError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Read = TypeVar("Read")


def to_json(value: "DataclassInstance", *, indent: int | None = None) -> str:
    """A dataclass as JSON; `from_json` reads it."""
    return json.dumps(asdict(value), indent=indent, default=str)


def from_json(kind: type[Read], text: str | bytes, name: str) -> Read:
    """The `kind` that `to_json` wrote; ValueError if it is none: it names the file, `name`, and what is wrong.

    No name that the dataclass does not have, no type that is not the field's; what is left out is as by default.
    """
    try:
        found: Read = _validated(_adapter(cast(Hashable, kind)), text)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{name} can't be understood: {_first(error)}") from error
    return found


def without_defaults(schema: Any, names: Set[str]) -> Any:
    """A dataclass's schema as pydantic made it, by which a file must name these fields."""
    for field in schema["schema"]["fields"]:
        if field["name"] in names:
            field["schema"] = field["schema"]["schema"]
    return schema


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _validated(adapter: TypeAdapter[Any], text: str | bytes) -> Any:
    try:
        return adapter.validate_json(text, strict=True, extra="forbid")
    except ValidationError as error:
        if "surrogate" not in error.errors()[0]["msg"]:
            raise
    # A path that is no UTF-8: Python has an escape for it, which pydantic's own reader of JSON refuses.
    return adapter.validate_python(json.loads(text), extra="forbid")


def _first(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(map(str, first["loc"]))
    message = first["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message
