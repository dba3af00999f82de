"""Whether a caller would rather have something else than JSON (RFC 9110, 12.5.1, as far as that goes)."""

from functools import lru_cache

_READ_BYTES = 1_000  # of the header: browsers send 200


def wants_picture(accept: str) -> bool:
    """True if `image/jpeg` is named, or `image/*`, and JSON is not liked as much."""
    return _prefers(accept[:_READ_BYTES], "image/jpeg", "image/*")


def wants_page(accept: str) -> bool:
    """True if `text/html` is named, or `text/*`, and JSON is not liked as much."""
    return _prefers(accept[:_READ_BYTES], "text/html", "text/*")


@lru_cache(maxsize=64)  # clients that ask often ask alike
def _prefers(accept: str, *names: str) -> bool:
    other = json = 0.0
    for part in accept.split(","):
        media_range, _, rest = part.partition(";")
        quality = _quality(rest)
        if media_range.strip().lower() in names:
            other = max(other, quality)
        elif media_range.strip().lower() in ("application/json", "application/*"):
            json = max(json, quality)
    return other > json


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
