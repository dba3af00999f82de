"""A request's headers as they are asked for."""

from collections.abc import Sequence


def one_of_each(headers: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    """The headers by their names, in lower case; of those that come more than once the first."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(headers)}
