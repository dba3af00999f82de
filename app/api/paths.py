"""The paths of some routes, those with names in them too."""

from collections.abc import Iterable
from functools import lru_cache

from fastapi.routing import APIRoute

_LONGEST = 1_000  # of a path that may be one of them


class Paths:
    """Which paths belong to `routes`, by asking `path in paths`."""

    def __init__(self, routes: Iterable[APIRoute]) -> None:
        routes = list(routes)
        self._plain = frozenset(route.path for route in routes if "{" not in route.path)
        self._patterns = [route.path_regex for route in routes if "{" in route.path]
        self._matches = lru_cache(maxsize=64)(self._match)  # clients that ask often ask alike

    def __contains__(self, path: object) -> bool:
        if path in self._plain:
            return True
        return isinstance(path, str) and bool(self._patterns) and len(path) <= _LONGEST and self._matches(path)

    def _match(self, path: str) -> bool:
        return any(pattern.match(path) for pattern in self._patterns)
