"""The tables of the settings, from the model of the settings."""

from typing import Any

from app.options import DEFAULT, SECTIONS, written
from app.settings import PREFIX, Settings
from docs.markdown import code, table
from docs.schema import values

_OWN_VALUES = {"bind": "address:port", "grpc_bind": "address:port", "token_file": "path", "admin_token_file": "path"}
_HEAD = ("variable", "default", "values", "meaning")


def settings() -> str:
    """A table for each section."""
    schemas = Settings.model_json_schema()["properties"]
    sections: dict[str, list[tuple[str, ...]]] = {}
    title = ""
    for name in Settings.model_fields:
        title = SECTIONS.get(name, title)
        sections.setdefault(title, []).append(_row(name, schemas[name]))
    return "\n\n".join(f"## {title}\n\n{table(_HEAD, rows)}" for title, rows in sections.items())


def _row(name: str, schema: dict[str, Any]) -> tuple[str, ...]:
    meaning, _, told = schema["description"].partition(DEFAULT)  # which has a column of its own
    return (
        code(PREFIX + name.upper()),
        told.removesuffix(".") or _default(name),
        _OWN_VALUES.get(name, values(schema)),
        meaning,
    )


def _default(name: str) -> str:
    default = written(Settings.model_fields[name].default)
    return code(default) if default else ""
