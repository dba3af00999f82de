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
        named = sorted((route for route in routes if "{" in route.path), key=lambda route: -len(route.path))
        self._patterns = [(route.path_regex, route.path) for route in named]  # a longer one says more
        self._matched = lru_cache(maxsize=64)(self._match)  # clients that ask often ask alike

    def __contains__(self, path: object) -> bool:
        if path in self._plain:
            return True
        return isinstance(path, str) and self.template(path) is not None

    def template(self, path: str) -> str | None:
        """The route's own path, with names in braces, that this one belongs to, if there are names in it."""
        return self._matched(path) if self._patterns and len(path) <= _LONGEST else None

    def _match(self, path: str) -> str | None:
        return next((template for pattern, template in self._patterns if pattern.match(path)), None)
