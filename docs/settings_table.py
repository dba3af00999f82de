"""The tables of the settings, from the model of the settings."""

from typing import Any

from app.settings import PREFIX, Settings
from docs.markdown import code, table
from docs.schema import values

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
_OWN_VALUES = {"bind": "address:port", "grpc_bind": "address:port", "token_file": "path", "admin_token_file": "path"}
_DEFAULT = " Default: "  # what follows it in a description stands in a column of its own
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
    meaning, _, told = schema["description"].partition(_DEFAULT)
    return (
        code(PREFIX + name.upper()),
        told.removesuffix(".") or _default(name),
        _OWN_VALUES.get(name, values(schema)),
        meaning,
    )


def _default(name: str) -> str:
    if name == "model":
        return "the bundled model"
    default = Settings.model_fields[name].default
    if default in (None, (), ""):
        return ""
    if isinstance(default, float):
        return code(f"{default:g}")
    return code(str(default).lower() if isinstance(default, bool) else str(default))
