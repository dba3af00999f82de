"""Names and values as queries and forms have them, in which a name may come more than once."""

from collections.abc import Iterable

from starlette.datastructures import QueryParams
from starlette.requests import Request

from app.api.parameters import NAMES
from app.errors import BadParameter


def in_query(request: Request) -> dict[str, str]:
    """What the query says."""
    query = request.scope["query_string"]
    return collected(QueryParams(query).multi_items(), "the query") if query else {}


def collected(pairs: Iterable[tuple[str, str]], place: str) -> dict[str, str]:
    """The value of each name; classes add up. BadParameter if another parameter has two values.

    Of names that are no parameters the last one counts: some protocols pass over them.
    """
    found: dict[str, str] = {}
    for name, value in pairs:
        before = found.get(name, value)
        if name == "classes" and name in found:
            value = f"{before},{value}"
        elif name in NAMES and before != value:
            raise BadParameter(f"{name}: {place} says {before[:40]!r} and {value[:40]!r}")
        found[name] = value
    return found
