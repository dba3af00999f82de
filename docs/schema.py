"""What a value may be, in words, from its JSON schema."""

from typing import Any

from docs.markdown import code

_WORDS = {"integer": "whole number", "number": "number", "boolean": "`true`, `false`", "array": "list"}
_BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
}


def values(schema: dict[str, Any]) -> str:
    """The choices, or the kind of value with its bounds; of a value that may be absent, what it is otherwise."""
    if options := [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]:
        return values(options[0])
    if "enum" in schema:
        return code(*map(str, schema["enum"]))
    if schema.get("type") == "array":
        return _list(schema.get("items", {}))
    if schema.get("format") == "path":
        return "path"
    word = _WORDS.get(schema.get("type", ""), "text")
    return ", ".join([word, *(text.format(f"{schema[key]:,}") for key, text in _BOUNDS.items() if key in schema)])


def _list(items: dict[str, Any]) -> str:
    return f"{code(*items['enum'])}, separated by commas" if "enum" in items else "list, separated by commas"
