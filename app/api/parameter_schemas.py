"""Parameters as OpenAPI has them."""

from typing import Any

from app.api.parameters import Parameters


def in_path(*names: str) -> list[dict[str, Any]]:
    """Names that stand in a path."""
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def in_body() -> dict[str, dict[str, Any]]:
    """The parameters in a body, by their names.

    Defaults are told in words alone: generated clients would send them, and then override what else is asked.
    """
    found: dict[str, dict[str, Any]] = Parameters.model_json_schema()["properties"]
    for name, schema in found.items():
        default = schema.pop("default", None)
        schema.pop("title", None)
        if default not in (None, ()) and name != "classes":
            schema["description"] += f" Default: `{_as_json(default)}`."
    return found


def in_query() -> list[dict[str, Any]]:
    """The parameters in a query."""
    found = in_body()
    found["classes"].update(type="string")
    found["classes"].pop("items", None)
    return [
        {
            "name": name,
            "in": "query",
            "required": False,
            "description": schema.pop("description"),
            "schema": {key: value for key, value in schema.items() if key != "examples"},
        }
        for name, schema in found.items()
    ]


def _as_json(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
